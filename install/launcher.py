# The start of `chat`: without site, which costs as much again as Python's bare start.
# What needs packages loads it then: chat_cli/fast.py.
import sys

_home = sys.executable.removesuffix("/bin/python3")
sys.path.insert(0, "%s/lib/python%d.%d/site-packages" % (_home, *sys.version_info[:2]))
from chat_cli import fast  # noqa: E402

del sys.path[0]
fast.main()
