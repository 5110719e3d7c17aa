# The start of `chat`: without site, which costs as much again as Python's bare start.
# What needs packages loads it then: chat_cli/fast.py.
import sys

_home = sys.executable.removesuffix("/bin/python3")
sys.path.insert(0, f"{_home}/lib/python3.{sys.version_info[1]}/site-packages")
from chat_cli import fast  # noqa: E402

del sys.path[0]
fast.main()
