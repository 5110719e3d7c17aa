"""The verdict, for a loop that must not stand still: `await verify(...)`."""

import asyncio
from collections.abc import Mapping

from chat_rpc.checks import Answer, Verdict
from chatd.verifier import verify as verifying
from chatd.verifier.rule import Reply, Request
from chatd.verifier.verify import Checks


async def verify(
    checks: Checks, request: Request, reply: Reply, answers: Mapping[str, Answer] | None = None
) -> Verdict:
    """Return what `verify.verify` does."""
    if not any(ready.kind.is_heavy for ready in checks.all):
        return verifying.verify(checks, request, reply, answers)
    return await asyncio.to_thread(verifying.verify, checks, request, reply, answers)
