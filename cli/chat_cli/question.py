"""What is asked: flags, a template, the person's settings, stdin and files make a `turn.start`."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import typer

from chat_cli import files, naming, output, piped, remembering, spans, terminals
from chat_cli.arguments import pairs
from chat_cli.demands import Demands
from chat_cli.flags import Flags
from chat_rpc import errors, methods, person, templates
from chat_rpc.person import Person

NOTHING = 'nothing to ask; try: chat "What is tmpfs?"   or: chat --help'
_RANKS: tuple[methods.Priority, ...] = ("interactive", "normal", "batch")
_NO_TEMPLATE = templates.Template("", templates.Front(), "")


@dataclass(frozen=True)
class Question:
    """A request, the files that go with it, and what a template or the person wants to see."""

    params: methods.TurnStart
    attached: Sequence[files.Attached]
    extract: str | None
    think: person.Think | None

    @property
    def is_checked(self) -> bool:
        """Say whether the reply is not to be believed before its end."""
        asked = self.params
        has_demands = asked.checks or asked.tries or asked.require_model
        return bool(has_demands or asked.models or asked.best_of > 1)


def of(flags: Flags) -> Question:
    """Read everything that belongs to the question; raises SystemExit(2) if there is nothing."""
    here = terminals.terminal()
    _demand_one_chat(flags, here)
    max_time_s = _max_time_s(flags.max_time)
    me = remembering.load()
    template = _template(flags, me)
    said = _Said.gather(flags, template.body)
    extract = "" if flags.extract is None and template.front.extract else flags.extract
    params = methods.TurnStart(
        prompt=said.prompt,
        data=said.data,
        key=new_key(),
        name=flags.chat,
        last=(None, "terminal", "anywhere")[min(flags.go_on, 2)],
        terminal=here,
        priority=priority(flags.priority),
        require_model=flags.require_model,
        ephemeral=flags.ephemeral,
        max_time_s=max_time_s,
        extract=flags.repair,
        best_of=flags.best_of,
        vote=flags.vote,
    )
    _add_models(params, flags, template.front, me)
    _add_demands(params, flags, template.front, me, is_code=extract is not None)
    return Question(params, said.attached, extract, flags.think or me.think)


def new_key() -> str:
    return os.urandom(16).hex()


@dataclass(frozen=True)
class _Said:
    """What a person gave: `data` is what was piped in."""

    prompt: str
    data: str
    attached: Sequence[files.Attached]

    @classmethod
    def gather(cls, flags: Flags, prompt: str) -> "_Said":
        paths = flags.file or []
        names_stdin = paths.count(files.STDIN)
        if names_stdin > 1 or (names_stdin and flags.leave_stdin):
            raise typer.BadParameter("stdin can be read once, and not with -0")
        attached = [files.read(path) for path in paths]
        piped_in = b""
        if not (flags.leave_stdin or names_stdin) and piped.is_there():
            has_more = bool(prompt.strip() or attached)
            piped_in = piped.read(told=has_more and not flags.quiet)
        if len(piped_in) > piped.INLINE_BYTES:
            attached.append(files.of_stdin(piped_in))
            piped_in = b""
        data = piped.text(piped_in)
        if not prompt.strip() and not data.strip() and not attached:
            output.note(NOTHING)
            raise SystemExit(2)
        return cls(prompt, data, attached) if prompt.strip() else cls(data, "", attached)


def _template(flags: Flags, me: Person) -> templates.Template:
    """Return the template, filled; where there is none, one that is nothing but the words."""
    words = " ".join(flags.words or [])
    try:
        words.encode("utf-8")
    except UnicodeEncodeError:
        raise errors.InvalidParams("the words are not UTF-8 text") from None
    given = dict(pairs(flags.param))
    if flags.template is None:
        if given:
            raise typer.BadParameter("-p is of a template, which -t names")
        return msgspec.structs.replace(_NO_TEMPLATE, body=words)
    template = templates.load(flags.template, me.templates.get(flags.template))
    try:
        return template.filled(given, words)
    except templates.MissingParameters as exc:
        raise typer.BadParameter(str(exc)) from None


def _add_models(
    params: methods.TurnStart, flags: Flags, front: templates.Front, me: Person
) -> None:
    """Say who is asked, and how: flags go before the template, and that before the person's."""
    named = flags.model or []
    params.model = me.model_of(named[0] if named else front.model)
    params.models = [model for other in named[1:] if (model := me.model_of(other))]
    params.options = {**me.options, **front.options, **_options(flags.option)}
    is_new = not flags.go_on and flags.chat is None  # a chat may have a system prompt already
    given = flags.system if flags.system is not None else front.system
    params.system = given if given is not None or not is_new else me.system


def _add_demands(
    params: methods.TurnStart, flags: Flags, front: templates.Front, me: Person, *, is_code: bool
) -> None:
    demands = Demands(without=[name.replace("_", "-") for name in flags.no_check or []])
    demands.add(flags.check or [], me)
    if is_code:
        demands.look_at_code()
    demands.add(front.checks, me)
    demands.add_profiles(front.profiles, me)
    if flags.schema is not None:
        demands.add_schema(flags.schema)
    if flags.judge is not None or flags.judge_model is not None:
        demands.add_judge(flags.judge, flags.judge_model)
    params.checks, params.without = demands.checks, demands.without
    params.tries = flags.tries or front.tries or demands.tries


def _options(given: Sequence[str] | None) -> dict[str, Any]:  # Any: JSON
    """Return `-o KEY VALUE`s: a value is JSON where it is JSON, and else the text itself."""
    return {key: _json_or_text(value) for key, value in pairs(given)}


def _json_or_text(value: str) -> Any:  # Any: JSON
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError:
        return value


def priority(wanted: methods.Priority | None) -> methods.Priority:
    """Return the class of the queue: a person's at a terminal, else normal; or a lower one."""
    natural: methods.Priority = "interactive" if sys.stdout.isatty() else "normal"
    if wanted is None:
        return natural
    if _RANKS.index(wanted) < _RANKS.index(natural):
        output.note(f"--priority {wanted} only lowers; this is asked as {natural}")
        return natural
    return wanted


def _demand_one_chat(flags: Flags, here: str | None) -> None:
    if flags.go_on and flags.chat is not None:
        raise typer.BadParameter("-c and -C name different chats")
    if flags.go_on == 1 and here is None:
        raise typer.BadParameter("-c needs a terminal, whose last chat it goes on in; try -C NAME")
    if flags.chat is not None and naming.names_turn(flags.chat):
        raise typer.BadParameter(f"-C {flags.chat} would name a turn: a chat's name may not end so")


def _max_time_s(text: str | None) -> float | None:
    try:
        return None if text is None else spans.parse(text)
    except ValueError as exc:
        raise typer.BadParameter(f"--max-time {text}: {exc}") from None
