"""What a model is asked: the messages and options of one attempt.  No I/O."""

from dataclasses import dataclass, field, replace
from typing import Any

from chatd.chats import context
from chatd.chats.context import Messages
from chatd.chats.demands import Demands
from chatd.inference.policy import Ask

WARMER = 0.2  # than what was asked for; where nothing was:
WARM = 0.9
LESS_OFTEN = 0.3  # frequency_penalty, against loops
LENGTHS = ("max_tokens", "max_completion_tokens")

Options = dict[str, Any]  # Any: JSON, for the model server


def options_of(ask: Ask, demands: Demands, n: int) -> Options:
    """Return the options of attempt `n`; those that the user has set are the beginning."""
    options: Options = dict(demands.options)
    length = next((name for name in LENGTHS if name in options), LENGTHS[0])
    if ask.way in ("sample", "resample"):
        options["seed"] = int(_number(options.get("seed"))) + n
    if ask.way == "sample" and "temperature" in options:
        options["temperature"] = _number(options["temperature"]) + WARMER
    if ask.way == "resample":
        options["temperature"] = _number(options.get("temperature"), WARM - WARMER) + WARMER
        options.setdefault("frequency_penalty", LESS_OFTEN)
    if ask.way == "room" and ask.last is not None:
        options[length] = 2 * max(int(_number(options.get(length))), ask.last.tokens)
    if ask.tokens_left is not None:
        options[length] = min(int(_number(options.get(length), ask.tokens_left)), ask.tokens_left)
    return options


@dataclass(frozen=True, slots=True)
class View:
    """What a model is shown: the chat, and after it what it is told of its last reply."""

    chat: Messages
    again: Messages = field(default_factory=list)
    rules: str = ""  # the same in a sentence, where there is no room for `again`
    dropped_turns: int = 0

    @property
    def messages(self) -> Messages:
        return [*self.chat, *self.again]

    def fitted(self, context_tokens: int | None) -> "View":
        """Return what fits."""
        chat, dropped = context.fit(self.chat, context_tokens, after=self.again)
        view = replace(self, chat=chat, dropped_turns=self.dropped_turns + dropped)
        if self.again and not context.fits(view.messages, context_tokens):
            return self._in_a_sentence().fitted(context_tokens)
        return view

    def shorter(self) -> "View | None":
        """Return less, for a server that says that it is too long; None: there is no less."""
        chat, dropped = context.halve(self.chat)
        if dropped:
            return replace(self, chat=chat, dropped_turns=self.dropped_turns + dropped)
        return self._in_a_sentence() if self.again else None

    def _in_a_sentence(self) -> "View":
        *before, last = self.chat
        return replace(self, chat=[*before, context.with_more(last, self.rules)], again=[])


def _number(value: object, default: float = 0) -> float:
    return value if isinstance(value, int | float) else default
