"""What one token costs on its way through chatd, against the openai client that only reads it."""

import os
import statistics
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial

from bench import cpu, servers
from bench.comparison import Comparison, Meaningless, Report, take_turns
from bench.token_server import BLANK
from chat_rpc import methods
from chat_rpc.client import Client

ROUNDS = 7
TOKENS = {"burst": 5000, "paced": 500}  # by the token server's models
PACE_S = 0.001  # longer than chatd needs for a token, so that each is a read of its own
LIMIT = 0.25
MANY, ABOUT_ONE = 10.0, 1.1  # tokens that chatd finds in one read

Ask = Callable[[str], int]  # from a model's name to the tokens of its reply


class Relay:
    """A client of chatd, and how many events its turns had."""

    def __init__(self, client: Client):
        self._client = client
        self.deltas: dict[str, list[int]] = {"one": [], **{model: [] for model in TOKENS}}

    def ask(self, model: str) -> int:
        """Take a turn to its end and return its tokens; chatd has then done all of its work."""
        params = methods.TurnStart(prompt="hi", key=os.urandom(16).hex(), model=model)
        self._client.call(methods.START, params)
        text: list[str] = []
        for event in self._client.events():
            if isinstance(event, methods.Delta):
                text.append(event.text)
            if isinstance(event, methods.End):
                break
        self._client.call(methods.PING, methods.Nothing())  # what follows the end is done first
        self.deltas[model].append(len(text))
        return "".join(text).count(BLANK)


class Watch:
    """The CPU that another process uses meanwhile: the token server's."""

    def __init__(self, pid: int):
        self._pid = pid
        self.costs: dict[str, list[float]] = {model: [] for model in TOKENS}

    def cost(self, pid: int, ask: Ask, model: str) -> float:
        """Return the CPU of process `pid` for each token after a reply's first, in seconds."""
        pids = (pid, self._pid)
        begin = [cpu.of_process(each) for each in pids]
        _expect(ask("one"), 1)
        middle = [cpu.of_process(each) for each in pids]
        _expect(ask(model), TOKENS[model])
        end = [cpu.of_process(each) for each in pids]
        cost, here = (
            (last - half - (half - first)) / (TOKENS[model] - 1)
            for first, half, last in zip(begin, middle, end, strict=True)
        )
        self.costs[model].append(here)
        return cost


def measure(rounds: int) -> Report:
    """Compare the CPU of chatd with that of a process that reads the same stream with openai."""
    numbers = {"--tokens": TOKENS["burst"], "--paced-tokens": TOKENS["paced"], "--pace-s": PACE_S}
    arguments = [str(word) for pair in numbers.items() for word in pair]
    with ExitStack() as stack:
        source = stack.enter_context(closing(servers.Helper("token_server", *arguments)))
        url = f"http://127.0.0.1:{source.ready.split()[1]}/v1"
        reader = stack.enter_context(closing(servers.Helper("openai_reader", url)))
        chatd = stack.enter_context(servers.daemon(url))
        relay = Relay(stack.enter_context(chatd.client()))
        watch = Watch(source.pid)

        def read(model: str) -> int:
            return int(reader.tell(model))

        measures = [
            partial(watch.cost, pid, ask, model)
            for model in TOKENS
            for pid, ask in ((reader.pid, read), (chatd.pid, relay.ask))
        ]
        costs = take_turns(rounds, measures)
    comparisons = [
        Comparison(
            benchmark="relay",
            subject=f"chatd, {model}",
            baseline="openai client",
            unit="µs",
            subject_costs=[1e6 * cost for cost in costs[2 * index + 1]],
            baseline_costs=[1e6 * cost for cost in costs[2 * index]],
            limit=LIMIT,
        )
        for index, model in enumerate(TOKENS)
    ]
    return Report(comparisons, [_note(relay, watch, model) for model in TOKENS])


def _note(relay: Relay, watch: Watch, model: str) -> str:
    """Tell whether chatd found what it should: many tokens a read, or one."""
    joined = TOKENS[model] / statistics.median(relay.deltas[model])
    is_right = joined >= MANY if model == "burst" else joined <= ABOUT_ONE
    source = 1e6 * statistics.median(watch.costs[model])
    return (
        f"relay, {model}: {'' if is_right else 'DOUBTFUL: '}{joined:.1f} tokens a read; "
        f"the token server itself used {source:.2f} µs a token"
    )


def _expect(tokens: int, wanted: int) -> None:
    if tokens != wanted:
        raise Meaningless(f"a reply of {wanted} tokens came with {tokens}")
