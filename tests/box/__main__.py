"""`python -m tests.box`: boots a box for a trial; status 1, and why, where none can be had."""

import sys

from tests.box.box import why_not

if __name__ == "__main__":
    reason = why_not()
    print(f"no systemd can be booted here: {reason}" if reason else "systemd can be booted here")  # noqa: T201
    sys.exit(reason is not None)
