"""Checks that somebody else has to answer: the client's programs, a judge, the backend itself."""

from collections.abc import Iterable

from chat_rpc.checks import Answer
from chatd.chats.session import Session
from chatd.chats.turns import Turn
from chatd.inference.attempt import Attempt
from chatd.inference.desk import Desk
from chatd.inference.judge import Judges
from chatd.verifier.outside import Exec, Judge
from chatd.verifier.rule import Reply, Request
from chatd.verifier.verify import Ready


class Outside:
    """Asks about the replies to one turn."""

    def __init__(self, session: Session, turn: Turn, desk: Desk, judges: Judges):
        self._session = session
        self._turn = turn
        self._desk = desk
        self._judges = judges

    async def answers(
        self, checks: Iterable[Ready], attempt: Attempt, request: Request, reply: Reply
    ) -> dict[str, Answer]:
        """Return an answer for each check; one that nobody gives is an error."""
        return {each.id: await self._answer(each, attempt, request, reply) for each in checks}

    async def _answer(
        self, ready: Ready, attempt: Attempt, request: Request, reply: Reply
    ) -> Answer:
        match ready.rule.asks:
            case Exec() as asked:
                return await self._desk.ask(self._session, self._turn, attempt.n, ready.id, asked)
            case Judge() as asked:
                uid, model = self._session.uid, asked.model or attempt.choice.model
                return await self._judges.answer(uid, ready.id, model, asked, request, reply)
            case _:
                return _model(ready.id, attempt)


def _model(id_: str, attempt: Attempt) -> Answer:
    """Say whether the model that answered is the one that was asked."""
    if not attempt.is_mismatch:
        return Answer(check=id_, verdict="pass")
    why = f"{attempt.served} answered, and not {attempt.choice.model}"
    return Answer(check=id_, verdict="fail", reason=why)
