"""The engine: llama.cpp's server as a supervised child, started when needed, stopped when idle."""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

from chat_rpc import errors
from chatd.config import Engine as Settings

log = logging.getLogger(__name__)

SLOTS = 4
GRACE_S = 2.0


class Engine:
    """Runs one GGUF file.  A child that died is started again by the next use."""

    def __init__(self, model: Path, context: int, socket: Path, settings: Settings):
        self.socket = socket
        self._command = (
            sys.executable,
            "-m",
            "chatd.backends.engine_child",
            os.fspath(model),
            os.fspath(socket),
            str(SLOTS),
            str(context),
        )
        self._settings = settings
        self._child: asyncio.subprocess.Process | None = None
        self._is_ending = False
        self._starting = asyncio.Lock()
        self._users = 0
        self._idle: asyncio.TimerHandle | None = None

    @property
    def is_installed(self) -> bool:
        return find_spec("xllamacpp") is not None

    @property
    def is_running(self) -> bool:
        return self._child is not None and self._child.returncode is None and not self._is_ending

    @property
    def is_idle(self) -> bool:
        return not self._users

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the engine running meanwhile; raises ServerUnreachable if it cannot start."""
        self._users += 1
        if self._idle is not None:
            self._idle.cancel()
        try:
            async with self._starting:
                if not self.is_running:
                    await self._start()
            yield
        finally:
            self._users -= 1
            if not self._users:
                loop = asyncio.get_running_loop()
                self._idle = loop.call_later(self._settings.idle_s, self._stop_idle)

    async def close(self) -> None:
        """End the child and wait for it."""
        if self._idle is not None:
            self._idle.cancel()
        child = self._child
        if child is None:
            return
        if child.returncode is None:
            self._end(child)
            try:
                async with asyncio.timeout(GRACE_S):
                    await child.wait()
            except TimeoutError:
                child.kill()
        await child.wait()
        self.socket.unlink(missing_ok=True)

    async def _start(self) -> None:
        if self._child is not None:
            await self._child.wait()
        self._is_ending = False
        self.socket.unlink(missing_ok=True)  # llama.cpp does not, and then cannot bind
        child = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        self._child = child
        assert child.stdout is not None  # noqa: S101  # PIPE was asked for
        try:
            async with asyncio.timeout(self._settings.start_timeout_s):
                while line := await child.stdout.readline():
                    if line.startswith(b"READY"):
                        log.info("engine pid %d runs", child.pid)
                        return
                status = await child.wait()
        except TimeoutError:
            child.kill()
            await child.wait()
            raise errors.ServerUnreachable("the built-in engine did not start in time") from None
        except BaseException:
            child.kill()
            raise
        why = "this CPU does not fit it" if status == -4 else f"status {status}"
        raise errors.ServerUnreachable(f"the built-in engine could not start ({why})")

    def _stop_idle(self) -> None:
        if not self._users and self._child is not None and self._child.returncode is None:
            log.info("engine pid %d was idle: stopped", self._child.pid)
            self._end(self._child)

    def _end(self, child: asyncio.subprocess.Process) -> None:
        self._is_ending = True  # nobody is sent to it any more
        child.terminate()
