"""Why the system's chatd does not run, as far as systemd tells whoever asks; it starts nothing."""

import subprocess
from functools import cache

WRONG_SETTINGS = "78"  # chatd's exit code
ANSWER_S = 2.0
START = "systemctl start chatd.socket"


@cache  # who waits for chatd asks every few milliseconds
def why_not_running() -> str:
    """Return what is the matter and what the administrator can do, in one line."""
    shown = _properties("chatd.service", "ActiveState", "ExecMainStatus")
    if shown.get("ActiveState") != "failed":
        return (
            f"the system's chatd is not running; the administrator starts it with `{START}`, "
            "and `systemctl status chatd` tells more"
        )
    why, what = "it ended again and again", "why"
    if shown.get("ExecMainStatus") == WRONG_SETTINGS:
        why, what = "its settings are wrong", "where"
    return (
        f"the system's chatd is down, for {why}; `journalctl -u chatd` tells the administrator "
        f"{what}, and `systemctl reset-failed chatd.socket chatd && {START}` has it try again"
    )


def _properties(unit: str, *names: str) -> dict[str, str]:
    """Return what systemd tells of a unit; nothing where it cannot be asked."""
    try:
        shown = subprocess.run(
            ["systemctl", "show", f"--property={','.join(names)}", unit],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=ANSWER_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return dict(line.split("=", 1) for line in shown.stdout.splitlines() if "=" in line)
