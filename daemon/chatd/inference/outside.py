"""Checks that somebody else has to answer: the client's programs, a judge, the backend itself."""

from collections.abc import Iterable

from chat_rpc.checks import Answer
from chatd.inference.attempt import Attempt
from chatd.verifier.rule import Reply, Request
from chatd.verifier.verify import Ready


class Outside:
    """Asks about one attempt."""

    def __init__(self, attempt: Attempt):
        self._attempt = attempt

    async def answers(
        self, checks: Iterable[Ready], request: Request, reply: Reply
    ) -> dict[str, Answer]:
        """Return an answer for each check; one that nobody gives is an error."""
        return {ready.id: await self._answer(ready, request, reply) for ready in checks}

    async def _answer(self, ready: Ready, request: Request, reply: Reply) -> Answer:
        match ready.rule.asks:
            case None:
                return self._model(ready.id)
            case _:
                return Answer(check=ready.id, verdict="error", reason="nobody can be asked yet")

    def _model(self, id_: str) -> Answer:
        """Say whether the model that answered is the one that was asked."""
        if not self._attempt.is_mismatch:
            return Answer(check=id_, verdict="pass")
        why = f"{self._attempt.served} answered, and not {self._attempt.choice.model}"
        return Answer(check=id_, verdict="fail", reason=why)
