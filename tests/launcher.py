"""The script that install.sh makes for `chat`, for the tree as it lies here."""

import re
import sys
from pathlib import Path

from tests.harness import ROOT

_SITE = re.compile(r"^sys\.path\.insert.*$", re.MULTILINE)
_FOLDERS = [str(ROOT / "cli"), str(ROOT / "daemon")]


def write(folder: Path) -> Path:
    """Write it into `folder` and return its path."""
    start = (ROOT / "install" / "launcher.py").read_text("utf-8")
    body = _SITE.sub(f"sys.path[:0] = {_FOLDERS!r}", start)
    body = body.replace("del sys.path[0]", f"del sys.path[:{len(_FOLDERS)}]")
    script = folder / "chat"
    script.write_text(f"#!{sys.executable} -IS\n{body}", "utf-8")
    script.chmod(0o755)
    return script
