"""chatd with two faults: a bug in `system.limits`, and a loop that hangs for ever at SIGUSR1.

It runs as a file and not as a module, with the Python of an installation.
"""

import signal
import time
from typing import Any

from chatd.__main__ import main
from chatd.handlers import HANDLERS


def hang(*_: object) -> None:
    time.sleep(3600)  # in the thread of the loop; others of the process go on


def fail(_context: Any, caller: Any, _params: Any) -> Any:  # as every handler is called
    raise KeyError(f"secret-{caller.uid}")


if __name__ == "__main__":
    assert isinstance(HANDLERS, dict)
    HANDLERS["system.limits"] = fail
    signal.signal(signal.SIGUSR1, hang)
    main()
