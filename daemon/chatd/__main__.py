"""chatd: arguments, configuration, logging; then it serves until it is told to stop."""

import argparse
import faulthandler
import os
import sys
from dataclasses import replace
from pathlib import Path

import uvloop

from chat_rpc import __version__, dumps, errors, paths
from chatd import config, logs, place, systemd
from chatd.chats.quota import Quota
from chatd.chats.sessions import Sessions
from chatd.daemon import Start, serve
from chatd.server import listen
from chatd.store.tmpfs import Store, StoreError

EX_CANTCREAT, EX_CONFIG = 73, 78


def main() -> None:
    arguments = parser().parse_args()
    faulthandler.enable()  # where it hung when the watchdog ended it: places only
    dumps.forbid_cores()
    dumps.forbid_tracing()
    for name in [name for name in os.environ if name.startswith("OPENAI_")]:
        del os.environ[name]  # a cloud key or a debug log is not for local servers
    try:
        passed = systemd.listener()
        where, file = _place(arguments), _file(arguments)
        settings = config.load(file, may_be_missing=arguments.config is None)
        logs.configure(settings.logging)
        logs.log_what_ends_us()
        if settings.store.path is not None and arguments.store is None:
            where = replace(where, store=settings.store.path)
        store = Store(
            where.store,
            segment_bytes=settings.store.segment_bytes,
            must_be_mount=arguments.system,
        )
        quota = Quota(store, own_mount=store.is_mount, store_bytes=settings.store.bytes)
        sessions = Sessions(store, quota, settings.store.chat_lifetime_s)
        if passed is not None:
            where = replace(where, socket=Path(passed.getsockname()))
        listener = passed or listen(where.socket)
    except (config.ConfigError, systemd.WrongSocket) as exc:
        sys.exit(_fail(str(exc), EX_CONFIG))
    except (StoreError, errors.RpcError, OSError) as exc:
        sys.exit(_fail(str(exc), EX_CANTCREAT))
    start = Start(settings, file, where, sessions, listener, passed is not None, arguments.ready_fd)
    try:
        uvloop.run(serve(start))
    finally:
        store.close()


def _place(arguments: argparse.Namespace) -> place.Place:
    if arguments.socket and arguments.store:
        return place.Place(arguments.socket, arguments.store, arguments.socket.parent)
    found = place.system() if arguments.system else place.user()
    socket = arguments.socket or found.socket
    runtime = arguments.socket.parent if arguments.socket else found.runtime
    return place.Place(socket, arguments.store or found.store, runtime)


def _file(arguments: argparse.Namespace) -> Path | None:
    """Return where chatd.toml is or would be; None: there is to be none."""
    if arguments.config:
        return Path(arguments.config)
    if arguments.socket and arguments.store:
        return None
    return paths.SYSTEM_CONFIG if arguments.system else paths.user_config()


def _fail(message: str, status: int) -> int:
    for line in message.splitlines():
        print(f"chatd: {line}", file=sys.stderr)  # noqa: T201
    return status


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="chatd",
        description="Keeps your conversations with local models in RAM and serves them at a Unix "
        "socket. `chat` starts it when needed; you rarely run it yourself.",
    )
    parser.add_argument("--version", action="version", version=f"chatd {__version__}")
    parser.add_argument(
        "--system", action="store_true", help="serve all users: /run/chatd, /mnt/ai_tmpfs"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="read this chatd.toml")
    parser.add_argument("--socket", type=Path, metavar="PATH", help="listen here")
    parser.add_argument("--store", type=Path, metavar="DIR", help="keep conversations here (tmpfs)")
    parser.add_argument("--ready-fd", type=int, metavar="N", help="write READY to this descriptor")
    return parser


if __name__ == "__main__":
    main()
