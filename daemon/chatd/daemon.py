"""chatd at work: its parts put together, serving until they are told to stop, ending in order."""

import asyncio
import gc
import logging
import os
import resource
import signal
import socket
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from chat_rpc import __version__
from chatd import config, limits, place, systemd
from chatd.backends.pool import Pool
from chatd.chats.sessions import Sessions
from chatd.dispatch import Dispatcher
from chatd.handlers import HANDLERS
from chatd.handlers.context import Context
from chatd.inference import Inference
from chatd.reload import Reloader
from chatd.scheduler import Scheduler
from chatd.server import Server
from chatd.verifier.apart import Verifier

log = logging.getLogger("chatd")

LOOK_S = 5.0
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Start:
    """What is there before chatd serves."""

    settings: config.Config
    file: Path | None  # of the settings, there or not
    where: place.Place
    sessions: Sessions
    listener: socket.socket
    is_passed: bool  # the listener, by systemd: its path is not ours to watch
    ready_fd: int | None


async def serve(start: Start) -> None:
    """Serve until SIGTERM, SIGINT or the loss of the own socket."""
    settings, sessions = start.settings, start.sessions
    told = limits.told(settings.limits, _open_files())
    stop = asyncio.Event()
    pool = Pool(settings, start.where.runtime)
    reloader = Reloader(start.file, settings, pool)
    _handle_signals(stop, reloader)
    async with asyncio.TaskGroup() as tasks:
        scheduler, verifier = Scheduler(), Verifier()
        context = Context(
            sessions=sessions,
            pool=pool,
            scheduler=scheduler,
            inference=Inference(pool, scheduler, verifier, settings.limits, tasks),
            verifier=verifier,
            limits=told,
            socket=start.where.socket,
            began_s=time.monotonic(),
            connections=lambda: server.connections,
            stop=stop.set,
            reload=reloader.reload,
            look_at_settings=reloader.look,
        )
        with start.listener:
            server = Server(start.listener, Dispatcher(HANDLERS, context, tasks), told, tasks)
            server.start()
            log.info("chatd %s serves at %s", __version__, start.where.socket)
            chores = [tasks.create_task(sessions.keep_house(settings.store.housekeeping_s))]
            if not start.is_passed:
                inode = os.stat(start.where.socket).st_ino
                chores.append(tasks.create_task(_watch(start.where.socket, inode, stop)))
            for session, turn in sessions.unfinished():
                context.inference.resume(session, turn)
            _tell_ready(start.ready_fd)
            telling = tasks.create_task(systemd.keep_telling(lambda: _figures(context)))
            await asyncio.to_thread(import_module, "chatd.backends.server")
            gc.collect()
            gc.freeze()  # what is imported now stays: it need not be looked at again
            await stop.wait()
            log.info("stopping")
            systemd.tell("STOPPING=1")
            for chore in chores:
                chore.cancel()
            server.stop_accepting()
            server.fence()
            await context.inference.stop()
            await server.close()
            await verifier.close()
            await pool.close()
            telling.cancel()
            systemd.tell("STATUS=")  # the figures of one that is gone are nobody's
    log.info("stopped")


def _handle_signals(stop: asyncio.Event, reloader: Reloader) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # a terminal that is closed ends what runs in it
    loop.add_signal_handler(signal.SIGHUP, stop.set if os.isatty(0) else reloader.on_signal)


def _figures(context: Context) -> str:
    """Return what `systemctl status` shows."""
    queued = context.scheduler.queued
    used = sum(session.files.used_bytes for session in context.sessions)
    store = context.sessions.store.status(used)
    return (
        f"turns: {context.inference.unfinished - queued} running, {queued} queued; "
        f"connections: {context.connections()}; "
        f"store: {store.used_bytes // MIB} of {store.size_bytes // MIB} MiB"
    )


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


def _open_files() -> int:
    """Raise the soft limit of open files to the hard one, and return it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def _tell_ready(descriptor: int | None) -> None:
    systemd.tell("READY=1")
    if descriptor is not None:
        os.write(descriptor, b"READY\n")
        os.close(descriptor)
