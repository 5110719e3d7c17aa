"""The conversation: reads a line, asks it or obeys it, and outlives what goes wrong."""

import signal
import time
from collections.abc import Callable
from dataclasses import replace
from types import FrameType
from typing import NoReturn

import typer

from chat_cli import link, naming, output, question, report, spans, terminals
from chat_cli.asking import shown
from chat_cli.files import send
from chat_cli.flags import Flags
from chat_cli.following import Following, Reply
from chat_cli.talking import commands
from chat_cli.talking.lines import Lines
from chat_cli.terminal import safe_line
from chat_rpc import client, errors, methods

TITLE_CHARS = 40


def converse(flags: Flags) -> int:
    """Converse until the person leaves; return the exit code."""
    if flags.ephemeral:
        raise typer.BadParameter("--ephemeral is for one question: nothing of it is remembered")
    return Talk(flags).run()


def _terminate(_: int, __: FrameType | None) -> NoReturn:
    raise output.Terminated


class Talk:
    """What the next question is asked with; commands change it."""

    def __init__(self, flags: Flags):
        self.flags = flags
        self.chat: methods.ChatLine | None = None  # None: the next question begins one, or finds it
        self.files: list[str] = []
        self._way = link.Way(may_start=not flags.no_start, quiet=flags.quiet)
        self._client: client.Client | None = None
        self._offered = ""  # what stands at the next prompt already
        self._lines = Lines(self.prompts, self._status)

    def run(self) -> int:
        signal.signal(signal.SIGTERM, _terminate)
        self._begin()
        while True:
            try:
                offered, self._offered = self._offered, ""
                text = self._lines.read(offered)
            except KeyboardInterrupt:
                output.note("Ctrl-D leaves, /help tells the commands")
            except EOFError:
                return 0
            else:
                if commands.leaves(text):
                    return 0
                self._guarded(lambda: self._take(text))  # noqa: B023  # it is called here

    def connect(self) -> client.Client:
        """Return a connection; where chatd has gone, wait for the next one."""
        if self._client is not None:
            self._client.close()
        self._client = client.patiently(self._way)
        return self._client

    def go_on_in(self, name: str | None) -> None:
        """Let the next question be of this chat; None: of a new one."""
        self.chat = None if name is None else self._line_of(name)
        self.flags = replace(self.flags, chat=None, go_on=0)

    @property
    def this(self) -> str:
        """The id of this conversation, for a command that is about it."""
        if self.chat is None:
            raise errors.NoSuchChat("nothing was asked here yet")
        return self.chat.chat

    def look_again(self) -> None:
        """Learn what a command has made of this conversation."""
        try:
            self.chat = self._line_of(self.this)
        except errors.NoSuchChat:
            self.chat = None
            output.note("the next question begins another conversation")

    def prompts(self) -> list[str]:
        """Return what was asked before, newest first: chatd knows, and nobody else."""
        try:
            return self.connect().call(methods.PROMPTS, methods.Recent()).prompts
        except errors.RpcError:
            return []  # a history is not worth a word

    def _take(self, text: str) -> None:
        if not text.strip():
            return
        if command := commands.of(text):
            command(self)
        else:
            self._ask(text)

    def _ask(self, text: str) -> None:
        flags = replace(self.flags, words=[text], file=self.files, leave_stdin=True)
        asked = question.of(flags)
        params = asked.params
        if self.chat is not None:
            params.chat, params.name, params.last = self.chat.chat, None, None
        reply = Reply(asked=params.model)
        how = shown(flags, asked)
        view = how.view()
        self._offered = text  # unless it is asked
        try:
            if asked.attached:
                params.files = send(self.connect(), asked.attached)
            Following(self.connect, view, reply, language=asked.extract).run(params)
        except KeyboardInterrupt:
            output.note("stopped; what was said is kept")
        finally:
            if reply.turn:
                self._offered, self.files = "", []
                self.chat = self._line_of(reply.chat)
        if reply.ending is not None:
            report.tell(reply, quiet=flags.quiet, usage=flags.usage, verbose=flags.verbose)

    def _line_of(self, name: str) -> methods.ChatLine:
        """Return the chat as it is in the list; it is mostly the first there."""
        client = self.connect()
        chat = client.call(methods.CHAT, methods.ChatGet(chat=name)).chat
        page = methods.Page(limit=1)
        while True:
            found = client.call(methods.CHATS, page)
            for line in found.chats:
                if line.chat == chat:
                    return line
            if found.next is None:
                raise errors.NoSuchChat("this conversation has ended")
            page = methods.Page(limit=1000, after=found.next)

    def _guarded(self, what: Callable[[], None]) -> None:
        """Do it; whatever goes wrong is told, and the conversation goes on."""
        try:
            what()
        except errors.NoSuchChat as exc:
            output.note(exc.message)
            if self.chat is not None:
                self.look_again()
        except errors.RpcError as exc:
            output.note(exc.message)
        except typer.TyperException as exc:
            output.note(exc.message)
        except SystemExit:
            pass  # what it had to say is said
        except KeyboardInterrupt:
            output.note("stopped")

    def _begin(self) -> None:
        """Greet; raises what is wrong with the flags, or that there is no chatd."""
        asked = question.of(replace(self.flags, words=["to see whether it can be asked"]))
        models = self._way().call(methods.MODELS, methods.Nothing()).models
        if self.flags.chat is not None or self.flags.go_on:
            self._find()
        if not models:
            output.note("no model is there yet; /doctor tells what is missing")
        elif not self.flags.quiet:
            who = asked.params.model or f"{models[0].model} ({models[0].backend})"
            output.note(f"{safe_line(who)} answers. /help tells the commands, Ctrl-D leaves")

    def _find(self) -> None:
        name = self.flags.chat
        try:
            self.go_on_in(name or self._last())
        except errors.NoSuchChat:
            if name is None:
                raise
            output.note(f"the next question begins {safe_line(name)!r}")
        else:
            commands.tell_of(self)

    def _last(self) -> str:
        """Return the chat that was used last: in this terminal, or with -cc in any."""
        here = terminals.terminal() if self.flags.go_on == 1 else None
        chats = self.connect().call(methods.CHATS, methods.Page(limit=1, terminal=here)).chats
        if not chats:
            raise errors.NoSuchChat("there is no conversation yet to go on with")
        return chats[0].chat

    def _status(self) -> str:
        """Return what stands below the line that is typed."""
        parts = [self.flags.model[0]] if self.flags.model else []
        if self.chat is None:
            parts.append("a new conversation")
        else:
            parts += [self.chat.model or ""] if not parts else []
            ends = spans.exact(max(0.0, self.chat.ends - time.time()))
            title, id_ = self.chat.title[:TITLE_CHARS], self.chat.chat[: naming.ID_CHARS]
            parts += [title, id_, f"ends in {ends}"]
        parts += [f"with {file}" for file in self.files]
        return " · ".join(safe_line(part) for part in parts if part)
