"""What a check of a reply of 2 kB costs, and the watch on one token, beside a relayed token."""

import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial

from bench import servers
from bench.comparison import Comparison, Report, take_turns
from bench.relay import PACE_S, TOKENS, Relay, Watch
from chat_rpc.checks import parse
from chatd.verifier import watch as watching
from chatd.verifier.kinds import KINDS
from chatd.verifier.rule import Reply, Request
from chatd.verifier.verify import Checks, prepare, verify

ROUNDS = 5
TIMES = 20
WATCH_LIMIT = 0.5  # of a relayed token
PROSE = (
    "A file system in memory keeps what is written to it in pages, and gives them back when the"
    " file goes. Nothing of it is on a disk, so {number} files cost {number} inodes.\n\n"
)
TEXT = "".join(PROSE.format(number=number) for number in range(12))  # 2 kB
ROWS = "".join(f"| {number} | {PROSE[:60]} |\n" for number in range(25))
PERSON = '{{"name": "a name of {number}", "age": {number}}}'
JSON = f"[{', '.join(PERSON.format(number=number) for number in range(50))}]"
LINE = '    print("a line of {number}", file=out)\n'
CODE = "def main(out):\n" + "".join(LINE.format(number=number) for number in range(45))
REPLIES = {
    "json": JSON,
    "schema": JSON,
    "tool-call": JSON,
    "csv": ROWS.replace(" | ", ", ").replace("|", ""),
    "table": "| n | text |\n|---|---|\n" + ROWS,
    "code": f"```python\n{CODE}```",
    "yaml": "".join(f"- name: a name of {number}\n  age: {number}\n" for number in range(60)),
    "toml": "".join(f'[t{number}]\nname = "a name"\nage = {number}\n' for number in range(60)),
    "xml": "<a>" + "<b age='1'>a name</b>" * 90 + "</a>",
}
SCHEMA = 'schema:{"items": {"required": ["name"], "properties": {"age": {"type": "integer"}}}}'
CHECKS = {"schema": SCHEMA, "csv": "csv", "table": "table", "xml": "xml"}
STREAMED = ["no-loop", "words:..9999", "chars:..99999", "sentences:..999", "not-contains:as an AI"]
SOURCE = Request("a question", TEXT, "be brief")


def measure(rounds: int) -> Report:
    with ExitStack() as stack:
        numbers = {
            "--tokens": TOKENS["burst"],
            "--paced-tokens": TOKENS["paced"],
            "--pace-s": PACE_S,
        }
        arguments = [str(word) for pair in numbers.items() for word in pair]
        source = stack.enter_context(closing(servers.Helper("token_server", *arguments)))
        url = f"http://127.0.0.1:{source.ready.split()[1]}/v1"
        chatd = stack.enter_context(servers.daemon(url))
        relay, watch = Relay(stack.enter_context(chatd.client())), Watch(source.pid)
        token = partial(watch.cost, chatd.pid, relay.ask, "paced")
        kinds = [name for name, kind in KINDS.items() if not kind.is_outside]
        subjects: dict[str, Callable[[], float]] = {name: _check(name) for name in kinds}
        subjects["the three that are always on"] = partial(_cost, prepare([]), TEXT)
        subjects["the watch on one token"] = _watch_cost
        costs = take_turns(rounds, [token, *subjects.values()])
    return Report(
        [
            Comparison(
                benchmark="checks",
                subject=name,
                baseline="a relayed token",
                unit="µs",
                subject_costs=[1e6 * cost for cost in costs[number]],
                baseline_costs=[1e6 * cost for cost in costs[0]],
                limit=WATCH_LIMIT if name == "the watch on one token" else None,
            )
            for number, name in enumerate(subjects, 1)
        ]
    )


def _check(name: str) -> Callable[[], float]:
    check = parse(CHECKS.get(name, KINDS[name].example))
    without = {"whole", "nonempty", "no-loop"} - {name}
    return partial(_cost, prepare([check], without), REPLIES.get(name, TEXT))


def _cost(checks: Checks, text: str) -> float:
    """Return the CPU of one look; a process that a check starts is not counted."""
    reply = Reply(text, tokens=400, total_ms=900)
    verify(checks, SOURCE, reply)
    begin = time.thread_time()
    for _ in range(TIMES):
        verify(checks, SOURCE, reply)
    return (time.thread_time() - begin) / TIMES


def _watch_cost() -> float:
    pieces = [TEXT[begin : begin + 4] for begin in range(0, len(TEXT), 4)]
    watch = watching.Watch(prepare([parse(check) for check in STREAMED]))
    begin = time.thread_time()
    for piece in pieces:
        watch.take(piece)
    return (time.thread_time() - begin) / len(pieces)
