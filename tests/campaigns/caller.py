"""A client of the kill campaign: it asks, drops its connection, and comes again."""

import asyncio
import base64
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec

from chat_rpc import aio, errors, methods
from tests.campaigns.asking import BIG_WORD, Asking
from tests.campaigns.ledger import DEMAND, Conversation, Question, Sent, demand, edit_of

P = TypeVar("P", bound=msgspec.Struct)
R = TypeVar("R", bound=msgspec.Struct)

KEPT = 6  # chats of one caller: the oldest goes when there are more
BIG_S = 0.006  # so long a big prompt is on its way
DROP = 0.02  # the chance that a caller leaves at an event


class Dropped(Exception):
    """The caller has left in the middle of a reply."""


@dataclass
class Strike:
    """A kill that waits for the next request of this kind."""

    method: str
    kill: Callable[[], None]
    was_answered: asyncio.Future[bool] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


@dataclass
class World:
    """What all callers share."""

    socket: Path
    session: Path  # its directory in the store
    is_up: asyncio.Event = field(default_factory=asyncio.Event)
    heard: asyncio.Event = field(default_factory=asyncio.Event)  # somebody got a part of a reply
    is_over: bool = False
    strike: Strike | None = None
    figures: Counter[str] = field(default_factory=Counter)
    # the ids of chats, turns and files; none may ever come back
    wiped: list[str] = field(default_factory=list)


class Caller:
    """One client and all that it was told."""

    def __init__(self, name: str, world: World, chance: random.Random):
        self.chats: list[Conversation] = []
        self.open: list[Question] = []  # whose end was not told yet
        self.felt: set[str] = set()  # judgements that are kept
        self.unfelt: set[str] = set()  # that were taken back
        self.clung: set[str] = set()  # files that a fork may have which was not acknowledged
        self._asking = Asking(name, chance)
        self._world = world
        self._chance = chance

    async def run(self) -> None:
        """Ask until it is over and every turn has been told to its end."""
        while True:
            await self._world.is_up.wait()
            await asyncio.sleep(0)  # a connect that is refused at once gives nobody else a turn
            with suppress(errors.NotRunning, Dropped):
                async with aio.connect(self._world.socket) as link:
                    while not self._world.is_over or self.open:
                        await self._act(link)
                    return

    async def _call(self, link: aio.Client, method: methods.Method[P, R], params: P) -> R:
        """Call; if a strike waits for such a call, it falls when the call has been sent."""
        strike = self._world.strike
        if strike is None or strike.method != method.name:
            return await link.call(method, params)
        self._world.strike = None
        calling = asyncio.create_task(link.call(method, params))
        await asyncio.sleep(0)  # now it is sent
        if getattr(params, "prompt", "").endswith(BIG_WORD):  # only a part of it was sent by now
            await asyncio.sleep(self._chance.uniform(0, BIG_S))
        strike.kill()
        await asyncio.wait([calling])
        strike.was_answered.set_result(not isinstance(calling.exception(), errors.NotRunning))
        return await calling

    def _ask(self, question: Question) -> None:
        self.open.append(question)
        self._world.figures["turns asked"] += 1
        self._world.figures["turns beside another"] += question.params.instead_of is not None
        self._world.figures["turns by name"] += question.params.name is not None
        self._world.figures["turns with files"] += bool(question.files)
        self._world.figures["turns with checks"] += bool(question.params.checks)

    @property
    def files(self) -> set[str]:
        """The files that are there."""
        unused = {sent.file.file for sent in self._asking.sent}
        return unused.union(*(chat.files for chat in self.chats))

    @property
    def is_midway(self) -> bool:
        """Say whether it has got a part of a reply and no end."""
        return any(q.events and isinstance(q.events[-1], methods.Delta) for q in self.open)

    async def check_all(self, link: aio.Client) -> None:
        """Demand that everything that was acknowledged is there."""
        for chat in tuple(self.chats):
            if chat.is_going:  # its wipe was sent, and may have been done
                await self._wipe(link, chat)
                continue
            await self._look(link, chat)
            if chat.hidden == {True}:
                await self._undelete(link, chat)
                await self._look(link, chat)
            for question in chat.questions:
                await self._compare(link, question)
        self._check_bytes(self._asking.sent)

    async def _act(self, link: aio.Client) -> None:
        going = next((chat for chat in self.chats if chat.is_going), None)
        if going is not None:
            await self._wipe(link, going)
        elif self.open:
            await self._follow(link, self.open[0])
        elif len(self.chats) > KEPT:
            await self._wipe(link, self.chats[0])
        elif self.chats and self._chance.random() < 0.8:
            await self._use(link, self._chance.choice(self.chats))
        elif self._chance.random() < 0.3:
            await self._send(link)
        elif self._chance.random() < 0.3:
            self._ask(self._asking.checked())
        else:
            self._ask(self._asking.new())

    async def _use(self, link: aio.Client, chat: Conversation) -> None:
        """Do something with a chat that is there."""
        await self._look(link, chat)
        if chat.hidden == {True}:
            await self._undelete(link, chat)
            return
        changes = (self._rename, self._delete, self._fork, self._demand)
        match self._chance.randrange(5):
            case 0 | 1:
                await self._chance.choice(changes)(link, chat)
            case 2 if chat.questions:
                await self._follow(link, self._chance.choice(chat.questions))
            case 3 if chat.questions:
                use = self._chance.choice((self._select, self._thumb, self._edit))
                await use(link, chat, self._chance.choice(chat.questions))
            case 4 if chat.questions:
                beside = self._chance.choice(chat.questions)
                if self._chance.random() < 0.5:
                    self._ask(self._asking.again(beside))
                else:
                    self._ask(self._asking.new(chat, beside))
            case _:
                self._ask(self._asking.new(chat))

    # -- turns ------------------------------------------------------------------------------------

    async def _follow(self, link: aio.Client, question: Question) -> None:
        """Go on with a turn, or hear one again that was told to its end."""
        seq = await self._begin(link, question)
        async for event in link.events(question.turn):
            seq += 1
            question.hear(event, seq)
            if isinstance(event, methods.Delta):
                self._world.heard.set()
            if question.ending is None and self._chance.random() < DROP:
                self._world.figures["client drops"] += 1
                raise Dropped
        if question in self.open:
            self._finish(question)
        await self._compare(link, question)

    async def _begin(self, link: aio.Client, question: Question) -> int:
        """Attach, or ask with the same key; returns the `seq` behind which the events go on."""
        figures = self._world.figures
        if question.turn and (question.edited or self._chance.random() < 0.5):
            after = len(question.events) if question in self.open else 0
            asked = methods.TurnAttach(turn=question.turn, after=after)
            attached = await link.call(methods.ATTACH, asked)
            demand(attached.seq >= after, "what was told is kept", question.turn)
            figures["re-attached"] += 1
            return after
        if question.was_sent:
            figures["keys repeated"] += 1
        question.was_sent = True
        started = await self._call(link, methods.START, question.params)
        is_new = not question.turn
        question.acknowledge(started)
        if is_new:
            self._file(question)
        return 0

    def _file(self, question: Question) -> None:
        """Put a question that was acknowledged into its chat."""
        self._world.figures["turns acknowledged"] += 1
        chat = next((chat for chat in self.chats if chat.id == question.chat), None)
        params = question.params
        if chat is None:
            demand(not params.chat and not params.instead_of, "a turn is in the chat it names")
            title = " ".join(question.prompt[:240].split())[:60]
            chat = Conversation(question.chat, {params.name or title})
            self.chats.append(chat)
        (question.parent,) = chat.heads
        if params.instead_of:
            beside = next(each for each in chat.questions if each.turn == params.instead_of)
            question.parent = beside.parent
        if params.prompt and not params.checks:  # else it demands what it does itself
            question.demands = set(chat.demands)
        chat.add(question)

    def _finish(self, question: Question) -> None:
        figures = self._world.figures
        self.open.remove(question)
        question.judge()
        figures["turns done" if question.is_done else "turns interrupted"] += 1
        figures["most attempts"] = max(figures["most attempts"], question.attempts)

    async def _compare(self, link: aio.Client, question: Question) -> None:
        """Demand that what chatd keeps is what it has told: over the socket, and as files."""
        get = methods.TurnGet(turn=question.turn, tried=True)
        question.compare(await link.call(methods.GET, get))
        for folder, text in (("prompts", question.prompt), ("responses", question.text)):
            file = self._world.session / folder / f"{question.turn}.txt"
            demand(file.read_bytes() == text.encode(), f"{folder} are files", question.turn)
        self._check_bytes(question.files)
        self._world.figures["turns compared"] += 1

    # -- chats ------------------------------------------------------------------------------------

    async def _look(self, link: aio.Client, chat: Conversation) -> None:
        kept: methods.Chat | None
        whole: methods.Chat | None
        try:
            kept = await link.call(methods.CHAT, methods.ChatGet(chat=chat.id))
            whole = await link.call(methods.CHAT, methods.ChatGet(chat=chat.id, all=True))
        except errors.NoSuchChat:
            kept = whole = None
        chat.compare(kept, whole)

    async def _rename(self, link: aio.Client, chat: Conversation) -> None:
        title = f"{self._asking.new_name()} é"
        chat.titles.add(title)
        await self._call(link, methods.RENAME, methods.Rename(chat=chat.id, title=title))
        chat.titles = {title}
        self._world.figures["changes of chats"] += 1

    async def _delete(self, link: aio.Client, chat: Conversation) -> None:
        chat.hidden |= {True}
        await self._call(link, methods.DELETE, methods.ChatNamed(chat=chat.id))
        chat.hidden = {True}
        self._world.figures["changes of chats"] += 1

    async def _undelete(self, link: aio.Client, chat: Conversation) -> None:
        chat.hidden |= {False}
        await self._call(link, methods.UNDELETE, methods.ChatNamed(chat=chat.id))
        chat.hidden = {False}
        self._world.figures["changes of chats"] += 1

    async def _fork(self, link: aio.Client, chat: Conversation) -> None:
        figures, files = self._world.figures, chat.copied_files | _files_of(chat.path)
        chat.is_sole = False
        figures["forks in doubt"] += 1
        try:
            made = (await self._call(link, methods.FORK, methods.Fork(chat=chat.id))).chat
        except errors.NotRunning:
            self.clung |= files
            raise
        figures["forks in doubt"] -= 1
        copy = Conversation(
            made.chat, {made.title}, copied=chat.said, copied_files=files, is_sole=False
        )
        copy.demands = set(chat.demands)
        self.chats.append(copy)
        figures["changes of chats"] += 1

    async def _demand(self, link: aio.Client, chat: Conversation) -> None:
        """Demand something of the chat's replies, or nothing any more."""
        id_ = self._chance.choice(("", f"{DEMAND}{self._asking.new_name()}"))
        wish = methods.Check(type="words", value="..3", severity="soft", id=id_)
        chat.demands.add(id_)
        asked = methods.ChatChecks(chat=chat.id, checks=[wish] if id_ else [])
        await self._call(link, methods.CHECKS, asked)
        chat.demands = {id_}
        self._world.figures["changes of chats"] += 1

    async def _select(self, link: aio.Client, chat: Conversation, question: Question) -> None:
        head = chat.newest_below(question)
        chat.heads.add(head)
        await self._call(link, methods.SELECT, methods.Select(chat=chat.id, turn=question.turn))
        chat.heads = {head}
        self._world.figures["turns selected"] += 1

    async def _wipe(self, link: aio.Client, chat: Conversation) -> None:
        """Look at everything in a chat for the last time, and destroy it."""
        if not chat.is_going:
            await self._look(link, chat)
            if chat.hidden == {True}:
                await self._undelete(link, chat)
            for question in chat.questions:
                await self._compare(link, question)
        was_sent, chat.is_going = chat.is_going, True
        try:
            await self._call(link, methods.WIPE, methods.Wipe(chat=chat.id))
        except errors.NoSuchChat:
            demand(was_sent, "a chat is there until it is wiped", chat.id)
        self.chats.remove(chat)
        files = chat.files.difference(self.clung, *(other.files for other in self.chats))
        demand(not any(map(self._has_file, files)), "files go with their chat", files)
        turns = [question.turn for question in chat.questions]
        self._world.wiped += [chat.id, *turns, *files]
        self._world.figures["files wiped"] += len(files)
        self._world.figures["chats wiped"] += 1

    # -- files and feedback ------------------------------------------------------------------------

    async def _send(self, link: aio.Client) -> None:
        """Send a file, in parts."""
        name = self._asking.new_name()
        text = " ".join([name, *self._asking.words() * self._chance.randrange(1, 500)])
        data, parts, id_ = text.encode(), self._chance.randrange(1, 4), None
        size = -(-len(data) // parts)
        for begin in range(0, len(data), size):
            part = base64.b64encode(data[begin : begin + size]).decode()
            end = min(begin + size, len(data))
            asked = methods.FileAdd(data=part, name=name, file=id_, done=end == len(data))
            self._world.figures["files in doubt"] += asked.done
            added = await self._call(link, methods.FILE, asked)
            self._world.figures["files in doubt"] -= asked.done
            demand(added.size_bytes == end, "a part is added", added.file)
            id_ = added.file
        demand(id_, "a file has a part")
        file = methods.File(file=str(id_), name=name, media="text/plain", size_bytes=len(data))
        self._asking.sent.append(Sent(file, text))
        self._world.figures["files sent"] += 1

    def _check_bytes(self, files: list[Sent]) -> None:
        """Demand that the bytes of files are there."""
        for sent in files:
            kept = (self._world.session / "files" / f"{sent.file.file}.bin").read_bytes()
            demand(kept.startswith(sent.text.encode()), "files stay whole", sent.file.file)

    def _has_file(self, id_: str) -> bool:
        return (self._world.session / "files" / f"{id_}.bin").exists()

    async def _thumb(self, link: aio.Client, chat: Conversation, question: Question) -> None:
        """Judge a reply, or take that back."""
        thumb: methods.Thumb | None = self._chance.choice(("good", "bad", None))
        reason = self._asking.new_name() if thumb else ""
        question.thumbs.add((thumb, reason))
        self.felt -= set(question.felt)  # in doubt
        asked = methods.Feedback(turn=question.turn, thumb=thumb, reason=reason)
        taken = await self._call(link, methods.FEEDBACK, asked)
        question.thumbs = {(thumb, reason)}
        self.unfelt |= set(question.felt)
        question.felt = [taken.feedback] if taken.feedback else []
        self.felt |= set(question.felt)
        self._world.figures["thumbs"] += 1

    async def _edit(self, link: aio.Client, chat: Conversation, question: Question) -> None:
        """Give a better text, which makes a turn of its own."""
        text = " ".join([self._asking.new_name(), *self._asking.words()])
        chat.edit = (question, text)
        asked = methods.Feedback(turn=question.turn, edited=text)
        taken = await self._call(link, methods.FEEDBACK, asked)
        chat.edit = None
        chat.add(edit_of(question, taken.turn, text))
        self.felt |= {taken.feedback} if taken.feedback else set()
        self._world.figures["replies edited"] += 1


def _files_of(questions: list[Question]) -> set[str]:
    """Return the files that a copy of these turns has."""
    return {sent.file.file for q in questions if q.is_done for sent in q.files}
