"""The verdict for a loop that must not stand still: heavy checks run in a process of their own.

There a parser that a hostile reply breaks, or a schema that takes for ever, costs a check and not
the daemon; and what they need of memory is given back when nobody needs them.
"""

import asyncio
import logging
import sys
from collections.abc import Mapping, Sequence

import msgspec

from chat_rpc.checks import Answer, CheckResult, Verdict
from chatd.verifier import child
from chatd.verifier import verify as verifying
from chatd.verifier.rule import Reply, Request
from chatd.verifier.verify import Checks, Ready

log = logging.getLogger(__name__)

HELPERS = 2
WALL_S = 60.0  # the child itself ends after `child.CPU_S` of work
IDLE_S = 120.0
GRACE_S = 2.0
NO_THREADS = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

decode_results = msgspec.msgpack.Decoder(list[CheckResult]).decode


class Verifier:
    """Gives verdicts; its helpers are started when they are needed, and stopped when idle."""

    def __init__(self) -> None:
        self._free: list[Helper] = []
        self._slots = asyncio.Semaphore(HELPERS)

    async def verify(
        self,
        checks: Checks,
        request: Request,
        reply: Reply,
        answers: Mapping[str, Answer] | None = None,
        known: Verdict | None = None,
    ) -> Verdict:
        """Return what `verify.verify` does; what `known` tells is not looked at again."""
        done = {result.id: result for result in known.checks} if known else {}
        heavy = [ready for ready in checks.all if ready.kind.is_heavy and ready.id not in done]
        if heavy:
            done |= await self._ask(heavy, request, reply)
        return verifying.verify(checks, request, reply, answers, done)

    async def close(self) -> None:
        """End all helpers."""
        while self._free:
            await self._free.pop().close()

    async def _ask(
        self, heavy: Sequence[Ready], request: Request, reply: Reply
    ) -> dict[str, CheckResult]:
        job = child.Job([ready.check for ready in heavy], request, reply)
        async with self._slots:
            helper = self._free.pop() if self._free else Helper()
            try:
                results = await helper.ask(msgspec.msgpack.encode(job))
            except (TimeoutError, EOFError, OSError):
                log.warning("a helper of the verifier ended over %d checks", len(heavy))
                why = "the check took too long, or broke what it ran in"
                return {ready.id: verifying.broken(ready, why) for ready in heavy}
            finally:
                if helper.is_usable:
                    self._keep(helper)
        return {result.id: result for result in results}

    def _keep(self, helper: "Helper") -> None:
        self._free.append(helper)
        helper.end_when_idle(self._free)


class Helper:
    """One child and the pipe to it; it does one job at a time."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._idle: asyncio.TimerHandle | None = None
        self.is_usable = False

    async def ask(self, job: bytes) -> list[CheckResult]:
        """Return the child's answer; without one it is ended, and this raises."""
        if self._idle is not None:
            self._idle.cancel()
        self.is_usable = False
        try:
            async with asyncio.timeout(WALL_S):
                answer = await self._exchange(job)
        finally:
            if not self.is_usable and self._process is not None:
                self._kill(self._process)
        return decode_results(answer)

    def end_when_idle(self, free: "list[Helper]") -> None:
        def end() -> None:
            free.remove(self)
            if self._process is not None and self._process.stdin is not None:
                self._process.stdin.close()  # it ends by itself

        self._idle = asyncio.get_running_loop().call_later(IDLE_S, end)

    async def close(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        if self._process is not None:
            self._kill(self._process)
            await self._process.wait()

    async def _exchange(self, job: bytes) -> bytes:
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-m", "chatd.verifier.child"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,  # a traceback may quote a reply
                env=NO_THREADS,
            )
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None  # noqa: S101  # PIPE was asked for
        assert stdout is not None  # noqa: S101
        stdin.write(child.framed(job))
        await stdin.drain()
        size = child.size_of(await stdout.readexactly(child.HEAD_BYTES))
        answer = await stdout.readexactly(size)
        self.is_usable = True
        return answer

    def _kill(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is None:
            process.kill()
