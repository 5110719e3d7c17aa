"""A client of the kill campaign: it asks, drops its connection, and comes again."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec

from chat_rpc import aio, errors, methods
from tests.campaigns.ledger import Conversation, Question, demand

P = TypeVar("P", bound=msgspec.Struct)
R = TypeVar("R", bound=msgspec.Struct)

KEPT = 6  # chats of one caller: the oldest goes when there are more
BIG = 0.05  # the chance that a prompt has up to 800 kB
BIG_WORD = "big "
BIG_S = 0.006  # so long a big prompt is on its way
DROP = 0.02  # the chance that a caller leaves at an event
WORDS = (
    "tmpfs",
    "é日本",
    "🙂",
    'a "quote"',
    "back\\slash",
    "two\nlines",
    "\u2028",
    "\x01",
    "x" * 90,
)


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
    wiped: list[str] = field(default_factory=list)  # the ids of turns; none may ever come back


class Caller:
    """One client and all that it was told."""

    def __init__(self, name: str, world: World, chance: random.Random):
        self.chats: list[Conversation] = []
        self.open: list[Question] = []  # whose end was not told yet
        self._name = name
        self._world = world
        self._chance = chance
        self._asked = 0

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

    def _new_question(self, chat: str | None = None) -> None:
        self._asked += 1
        key = f"{self._name}.{self._asked}"
        words = self._chance.choices(WORDS, k=self._chance.randrange(1, 25))
        model = self._chance.choice(("hash", "echo"))
        if self._chance.random() < BIG:  # its line takes so long to write that a kill may tear it
            words, model = [*words, BIG_WORD * self._chance.randrange(1, 200_000)], "hash"
        prompt = " ".join([key, *words])
        # what is said at random may well go in circles, and that is no matter here
        params = methods.TurnStart(
            prompt=prompt, key=key, model=model, chat=chat, without=["no-loop"]
        )
        self.open.append(Question(params))
        self._world.figures["turns asked"] += 1

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

    async def _act(self, link: aio.Client) -> None:
        going = next((chat for chat in self.chats if chat.is_going), None)
        if going is not None:
            await self._wipe(link, going)
        elif self.open:
            await self._follow(link, self.open[0])
        elif len(self.chats) > KEPT:
            await self._wipe(link, self.chats[0])
        elif self.chats and self._chance.random() < 0.5:
            await self._use(link, self._chance.choice(self.chats))
        else:
            self._new_question()

    async def _use(self, link: aio.Client, chat: Conversation) -> None:
        """Do something with a chat that is there."""
        await self._look(link, chat)
        if chat.hidden == {True}:
            await self._undelete(link, chat)
            return
        match self._chance.randrange(5):
            case 0:
                await self._rename(link, chat)
            case 1:
                await self._delete(link, chat)
            case 2:
                await self._fork(link, chat)
            case 3 if chat.questions:
                await self._follow(link, self._chance.choice(chat.questions))
            case _:
                self._new_question(chat.id)

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
        if question.turn and self._chance.random() < 0.5:
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
        if chat is None:
            demand(question.params.chat is None, "a turn is in the chat that was named")
            title = " ".join(question.params.prompt[:240].split())[:60]
            chat = Conversation(question.chat, {title})
            self.chats.append(chat)
        chat.questions.append(question)

    def _finish(self, question: Question) -> None:
        figures = self._world.figures
        self.open.remove(question)
        question.judge()
        figures["turns done" if question.is_done else "turns interrupted"] += 1
        figures["most attempts"] = max(figures["most attempts"], question.attempts)

    async def _compare(self, link: aio.Client, question: Question) -> None:
        """Demand that what chatd keeps is what it has told: over the socket, and as files."""
        question.compare(await link.call(methods.GET, methods.TurnGet(turn=question.turn)))
        for folder, text in (("prompts", question.params.prompt), ("responses", question.text)):
            file = self._world.session / folder / f"{question.turn}.txt"
            demand(file.read_bytes() == text.encode(), f"{folder} are files", question.turn)
        self._world.figures["turns compared"] += 1

    # -- chats ------------------------------------------------------------------------------------

    async def _look(self, link: aio.Client, chat: Conversation) -> None:
        try:
            kept = await link.call(methods.CHAT, methods.ChatGet(chat=chat.id))
        except errors.NoSuchChat:
            kept = None
        chat.compare(kept)

    async def _rename(self, link: aio.Client, chat: Conversation) -> None:
        self._asked += 1
        title = f"{self._name}.{self._asked} é"
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
        self._world.figures["forks in doubt"] += 1
        made = (await self._call(link, methods.FORK, methods.Fork(chat=chat.id))).chat
        self._world.figures["forks in doubt"] -= 1
        self.chats.append(Conversation(made.chat, {made.title}, copied=chat.said))
        self._world.figures["changes of chats"] += 1

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
        self._world.wiped += [chat.id, *(question.turn for question in chat.questions)]
        self._world.figures["chats wiped"] += 1
