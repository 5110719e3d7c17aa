"""What is demanded of a turn's reply, beside its prompt; it is journaled with the turn."""

from typing import Any

from msgspec import Struct, structs

from chat_rpc.checks import Check
from chat_rpc.errors import InvalidParams
from chat_rpc.shapes import Priority
from chat_rpc.turns import TurnStart

TRIES = 3  # of each model, where something is demanded that one try may miss
# what chatd itself says to a model server, and what would make more than one reply
OURS = frozenset({"model", "messages", "stream", "stream_options", "n"})


class Demands(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The part of `turn.start` that is about the reply."""

    options: dict[str, Any] = {}  # Any: JSON, for the model server
    models: list[str] = []
    require_model: bool = False
    max_time_s: float | None = None
    checks: list[Check] = []
    without: list[str] = []
    tries: int | None = None
    extract: bool = False
    best_of: int = 1
    vote: bool = False
    priority: Priority = "normal"

    @property
    def is_held(self) -> bool:
        """Whoever asked sees the reply when it is checked, so that another try may follow."""
        return bool(self.checks or self.tries or self.best_of > 1 or self.require_model)

    def or_of(self, chat: "Demands") -> "Demands":
        """Return what is demanded where the chat, or an earlier turn, has demands as well."""
        if self.checks:
            return self
        return structs.replace(
            self,
            checks=chat.checks,
            without=[*self.without, *chat.without],
            tries=self.tries or chat.tries,
        )

    @property
    def tries_each(self) -> int:
        """How often a model is asked until the next one is, or none."""
        return self.tries or (TRIES if self.checks or self.best_of > 1 else 1)


PLAIN = Demands()


def demands_of(params: TurnStart) -> Demands:
    """Return what is demanded; raises InvalidParams for what cannot be."""
    if ours := OURS & params.options.keys():
        raise InvalidParams(f"options: {min(ours)} is not for you to set")
    if params.vote and params.best_of < 2:
        raise InvalidParams("vote: there must be a best_of of 2 or more to count")
    demands = Demands(**{name: getattr(params, name) for name in Demands.__struct_fields__})
    return PLAIN if demands == PLAIN else demands  # the one that takes no room in a line
