"""chatd: arguments, configuration, logging; then it serves until it is told to stop."""

import argparse
import asyncio
import gc
import logging
import os
import resource
import signal
import socket
import sys
import time
from importlib import import_module
from pathlib import Path

import uvloop

from chat_rpc import __version__, errors, methods
from chatd import config, logs, place
from chatd.backends.pool import Pool
from chatd.chats.quota import Quota
from chatd.chats.sessions import Sessions
from chatd.dispatch import Dispatcher
from chatd.handlers import HANDLERS
from chatd.handlers.context import Context
from chatd.inference import Inference
from chatd.scheduler import Scheduler
from chatd.server import Server, listen
from chatd.store.tmpfs import Store, StoreError

log = logging.getLogger("chatd")

SPARE_FILES = 64  # descriptors beside the connections: journals, model servers, the engine
LOOK_S = 5.0

EX_CANTCREAT, EX_CONFIG = 73, 78


def main() -> None:
    arguments = _parser().parse_args()
    for name in [name for name in os.environ if name.startswith("OPENAI_")]:
        del os.environ[name]  # a cloud key or a debug log is not for local servers
    try:
        where = _place(arguments)
        settings = config.load(where.config)
        logs.configure(settings.logging)
        logs.log_what_ends_us()
        if settings.store.path is not None and arguments.store is None:
            where = place.Place(where.socket, settings.store.path, where.config)
        store = Store(where.store, segment_bytes=settings.store.segment_bytes)
        quota = Quota(store, own_mount=store.is_mount, store_bytes=settings.store.bytes)
        sessions = Sessions(store, quota, settings.store.chat_lifetime_s)
        listener = listen(where.socket)
    except config.ConfigError as exc:
        sys.exit(_fail(str(exc), EX_CONFIG))
    except (StoreError, errors.RpcError, OSError) as exc:
        sys.exit(_fail(str(exc), EX_CANTCREAT))
    try:
        uvloop.run(serve(settings, where, sessions, listener, arguments.ready_fd))
    finally:
        store.close()


async def serve(
    settings: config.Config,
    where: place.Place,
    sessions: Sessions,
    listener: socket.socket,
    ready_fd: int | None,
) -> None:
    """Serve until SIGTERM, SIGINT or the loss of the own directory."""
    limits = _limits(settings.limits)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    pool = Pool(settings, where.socket.parent)
    scheduler = Scheduler()
    async with asyncio.TaskGroup() as tasks:
        context = Context(
            sessions=sessions,
            pool=pool,
            scheduler=scheduler,
            inference=Inference(pool, scheduler, settings.limits, tasks),
            limits=limits,
            socket=where.socket,
            began_s=time.monotonic(),
            connections=lambda: server.connections,
            stop=stop.set,
        )
        with listener:
            server = Server(listener, Dispatcher(HANDLERS, context, tasks), limits, tasks)
            server.start()
            log.info("chatd %s serves at %s", __version__, where.socket)
            inode = os.stat(where.socket).st_ino
            watch = tasks.create_task(_watch(where.socket, inode, stop))
            house = tasks.create_task(sessions.keep_house(settings.store.housekeeping_s))
            for session, turn in sessions.unfinished():
                context.inference.resume(session, turn)
            _tell_ready(ready_fd)
            await asyncio.to_thread(import_module, "chatd.backends.server")
            gc.collect()
            gc.freeze()  # what is imported now stays: it need not be looked at again
            await stop.wait()
            log.info("stopping")
            watch.cancel()
            house.cancel()
            server.stop_accepting()
            server.fence()
            await context.inference.stop()
            await server.close()
            await pool.close()
    log.info("stopped")


async def _watch(socket: Path, inode: int, stop: asyncio.Event) -> None:
    """Stop when the socket is gone or another's: nobody can reach this daemon any more."""
    while True:
        await asyncio.sleep(LOOK_S)
        try:
            if os.stat(socket).st_ino == inode:
                continue
        except OSError:
            pass
        log.warning("%s is gone", socket)
        stop.set()
        return


def _limits(settings: config.Limits) -> methods.Limits:
    """Return what clients are told; raises the soft limit of open files to the hard one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return methods.Limits(
        line_bytes=settings.line_bytes,
        unanswered_requests=settings.unanswered_requests,
        connections_per_user=settings.connections_per_user,
        connections=min(settings.connections, max(1, hard - SPARE_FILES)),
        first_line_s=settings.first_line_s,
        unread_bytes=settings.unread_bytes,
    )


def _place(arguments: argparse.Namespace) -> place.Place:
    if arguments.socket and arguments.store:
        return place.Place(arguments.socket, arguments.store, arguments.config)
    found = place.system() if arguments.system else place.user()
    return place.Place(
        arguments.socket or found.socket,
        arguments.store or found.store,
        arguments.config or found.config,
    )


def _tell_ready(descriptor: int | None) -> None:
    if descriptor is not None:
        os.write(descriptor, b"READY\n")
        os.close(descriptor)


def _fail(message: str, status: int) -> int:
    for line in message.splitlines():
        print(f"chatd: {line}", file=sys.stderr)  # noqa: T201
    return status


def _parser() -> argparse.ArgumentParser:
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
