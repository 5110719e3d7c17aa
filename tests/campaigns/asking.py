"""What a client of the kill campaign asks."""

import json
import random

from chat_rpc import methods
from tests.campaigns.ledger import Conversation, Question, Sent

BIG = 0.05  # the chance that a prompt has up to 800 kB
BIG_WORD = "big "
LONG = methods.Check(type="words", value="5..")
WITH_FILES = 0.3  # the chance that a question comes with files, where there are some
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


class Asking:
    """Makes up one client's questions; `sent` are its files that no turn has."""

    def __init__(self, name: str, chance: random.Random):
        self.sent: list[Sent] = []
        self._name = name
        self._chance = chance
        self._asked = 0

    def new(self, chat: Conversation | None = None, beside: Question | None = None) -> Question:
        """Ask something: in a new chat, after the head of one, or in the place of a turn."""
        key = self.new_name()
        prompt = " ".join([key, *self.words()])
        model = self._chance.choice(("hash", "echo"))
        if self._chance.random() < BIG:  # its line takes so long to write that a kill may tear it
            prompt = f"{prompt} {BIG_WORD * self._chance.randrange(1, 200_000)}"
            model = "hash"
        files = []
        if self.sent and self._chance.random() < WITH_FILES:
            files, self.sent, model = self.sent, [], "hash"
        # what is said at random may well go in circles, and that is no matter here
        params = methods.TurnStart(
            prompt=prompt,
            key=key,
            model=model,
            files=[sent.file.file for sent in files],
            without=["no-loop"],
        )
        if beside is not None:
            params.instead_of = beside.turn
        elif chat is not None and chat.is_sole and self._chance.random() < 0.3:
            (params.name,) = chat.titles
        elif chat is not None:
            params.chat = chat.id
        elif self._chance.random() < 0.3:
            params.name = f"{key} named"
        return Question(params, prompt, files)

    def again(self, beside: Question) -> Question:
        """Ask what was asked before, in its place."""
        params = methods.TurnStart(
            prompt="",
            key=self.new_name(),
            model=beside.params.model,
            instead_of=beside.turn,
            without=["no-loop"],
        )
        files, played = beside.files, beside.played
        return Question(params, beside.prompt, files, played, demands=beside.demands)

    def checked(self) -> Question:
        """Ask what takes several attempts: each reply is longer, and the last one is long."""
        key = self.new_name()
        replies = [key, f"{key} is short"]
        good = f"{key} is long enough to pass"
        prompt = json.dumps([*replies[self._chance.randrange(2) :], good])
        params = methods.TurnStart(
            prompt=prompt, key=key, model="play", checks=[LONG], without=["no-loop"]
        )
        return Question(params, prompt, played=good)

    def words(self) -> list[str]:
        """Return something to say."""
        return self._chance.choices(WORDS, k=self._chance.randrange(1, 25))

    def new_name(self) -> str:
        """Return what no other thing of the campaign is called."""
        self._asked += 1
        return f"{self._name}.{self._asked}"
