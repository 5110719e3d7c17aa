"""Makes lines: requests of every method with live and with hostile values, and damage to them.

Whatever a line is made of comes from the Random that is given, so that it can be made again.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from msgspec import structs

from chat_rpc.methods import METHODS

Pairs = list[tuple[bytes, bytes]]  # names and JSON texts: an object may name a field twice

BATCHES, DAMAGED, SPOILED, ODD_ENVELOPES = 0.10, 0.25, 0.20, 0.10
RARE = {"chat.wipe", "chat.delete", "admin.drain", "rpc.discover"}
OFTEN = {"turn.start": 4, "chat.import": 2, "chat.fork": 2, "turn.attach": 2}
NAMES = [name for name in METHODS for _ in range(OFTEN.get(name, 1)) if name not in RARE] * 3
NAMES += RARE
BOTH = (True, False)
FIELDS = {name: structs.fields(method.params) for name, method in METHODS.items()}
WORDS = ["tmpfs", "RAM", "é", "\U0001f600", "\u202e", "\x00", "\x1b[2J", "ß", "İ", "  ", "a" * 300]

HOSTILE = [
    b"null", b"true", b"false", b"0", b"-1", b"-0.0", b"1.5", b"1e308", b"1e400", b"-1e400",
    b"9223372036854775808", b"18446744073709551616", b"9" * 400, b"NaN", b"Infinity", b"01",
    b'""', b'" "', b'"."', b'".."', b'"../../../etc/passwd"', b'"/etc/passwd"', b'"..\\u0000"',
    b'"\\u0000"', b'"session_0"', b'"journal/000001.ndj"', b'"%s%n"', b'"\\n"', b'"a\\u000ab"',
    b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\ud83d\\ude00"', b'"\xff"', b'"\xed\xa0\x80"',
    b'"\\u202e"', b'"\xf0\x9f\x98\x80"', b'"\x01"', b'"' + b"A" * 4096 + b'"',
    b'"' + b"\\u00e9" * 4096 + b'"', b'"' + b"x" * 100_000 + b'"', b"[]", b"{}", b"[[[[]]]]",
    b"[" * 150 + b"]" * 150, b"[" * 2000, b'{"a":' * 2000 + b"1" + b"}" * 2000, b'{"a":1,"a":2}',
    b'[null,"a",{}]', b'{"type":"packed"}', b'"$ref"', b'{"__proto__":null}', b"[1,2,3,4,5,6,7,8]",
    b'"copy:aaaaaaaaaaaaaaaa"', b'"aaaaaaaaaaaaaaaa"', b'"chat"', b"undefined", b"",
]  # fmt: skip
SPLINTERS = [
    b"\x00", b"\xff", b"\xef\xbb\xbf", b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\\ud800",
    b"\\u0000", b"1e400", b"null", b"[" * 300, b"//", b" ", b"\r", b"\t", b"\x7f", b'"id":null,',
]  # fmt: skip


@dataclass(frozen=True)
class Known:
    """The ids that are there now: of one user, and a few of another."""

    chats: Sequence[str]
    turns: Sequence[str]
    keys: Sequence[str]


def line(random: Random, known: Known, last: bytes) -> bytes:
    """Return one line without its end; `last` is another one, to be spliced with."""
    if random.random() < BATCHES:
        size = random.choice((0, 1, 2, 3, 5, 64, 65))
        made = b"[%b]" % b",".join(_request(random, known) for _ in range(size))
    else:
        made = _request(random, known)
    if random.random() < DAMAGED:
        for _ in range(random.choice((1, 1, 1, 2, 8))):
            made = _damage(random, made, last)
    return made.replace(b"\n", b" ") or b" "


def _request(random: Random, known: Known) -> bytes:
    name = random.choice(NAMES)
    fields = _params(random, known, name)
    if random.random() < SPOILED:
        _spoil(random, fields)
    params = _object(random, fields)
    if random.random() < 0.05:
        params = b"[%b]" % b",".join(value for _, value in fields)
    envelope: Pairs = [(b"jsonrpc", b'"2.0"'), (b"method", _text(name)), (b"params", params)]
    if not fields and random.random() < 0.5:
        envelope.pop()
    if random.random() < 0.9:
        envelope.append((b"id", _id(random)))
    if random.random() < ODD_ENVELOPES:
        _spoil(random, envelope)
    return _object(random, envelope)


def _params(random: Random, known: Known, method: str) -> Pairs:
    fields: Pairs = []
    often = min(0.4, 4 / max(1, len(FIELDS[method])))  # of very many each would spoil the others
    for field in FIELDS[method]:
        if field.required or random.random() < often:
            number = field.name == "after" and field.type is int
            make = VALUES["number" if number else field.name]
            fields.append((field.encode_name.encode(), _text(make(random, known))))
    return fields


def _id(random: Random) -> bytes:
    if random.random() < 0.9:
        number = random.randrange(10**9)
        return _text(random.choice((number, number, f"{number:x}", -number, 2**64, 1.5, "", None)))
    return random.choice(HOSTILE)


def _spoil(random: Random, fields: Pairs) -> None:
    """Do one thing to the fields of an object that its reader does not expect."""
    at = random.randrange(len(fields)) if fields else 0
    match random.randrange(5 if fields else 1):
        case 0:
            fields.insert(at, (random.choice((b"x", b"", b"\\u0000", b"id")), _hostile(random)))
        case 1:
            fields[at] = (fields[at][0], _hostile(random))
        case 2:
            del fields[at]
        case 3:
            fields.append((fields[at][0], _hostile(random)))
        case _:
            fields.insert(0, (fields[at][0], _hostile(random)))


def _damage(random: Random, made: bytes, last: bytes) -> bytes:
    at = random.randrange(len(made) + 1)
    to = min(len(made), at + random.choice((1, 1, 2, 8, 100)))
    match random.randrange(6):
        case 0:
            flipped = bytes(byte ^ 1 << random.randrange(8) for byte in made[at : at + 1])
            return made[:at] + flipped + made[at + 1 :]
        case 1:
            return made[:at] + random.choice(SPLINTERS) + made[at:]
        case 2:
            return made[:at] + made[to:]
        case 3:
            return made[:at] + last[random.randrange(len(last) + 1) :]
        case 4:
            return made[:to] + made[at:]
        case _:
            return made[:at]


def _hostile(random: Random) -> bytes:
    return random.choice(HOSTILE)


def _object(random: Random, fields: Pairs) -> bytes:
    if random.random() < 0.1:
        random.shuffle(fields)
    return b"{%b}" % b",".join(b'"%b":%b' % pair for pair in fields)


def _text(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


# -- good values, or nearly -----------------------------------------------------------------------


def _words(random: Random, known: Known) -> str:
    return " ".join(random.choices(WORDS, k=random.choice((1, 2, 5, 40))))


def _one_of(random: Random, names: Sequence[str]) -> str:
    if not names or random.random() < 0.05:
        return random.choice(("aaaaaaaaaaaaaaaa", "a", "../..", "no such thing"))
    return random.choice(names)


def _chat(random: Random, known: Known) -> str:
    name = _one_of(random, known.chats)
    return name[: random.choice((1, 3, 8))] if random.random() < 0.2 else name


def _key(random: Random, known: Known) -> str:
    if random.random() < 0.2:
        return _one_of(random, known.keys)
    return f"k{random.getrandbits(40):x}"


def _messages(random: Random, known: Known) -> list[dict[str, str]]:
    roles = ["user", "assistant"] * random.choice((0, 1, 1, 2, 6))
    if random.random() < 0.3:
        roles.insert(0, "system")
    if random.random() < 0.2:
        roles.append(random.choice(("user", "assistant", "system", "tool")))
    return [{"role": role, "content": _words(random, known)} for role in roles]


def _either(*values: object) -> Callable[[Random, Known], object]:
    return lambda random, known: random.choice(values)


def _turn(random: Random, known: Known) -> str:
    return _one_of(random, known.turns)


def _checks(random: Random, known: Known) -> list[dict[str, object]]:
    """Return checks that nobody else has to answer: these take time, and the loop has none."""
    made: tuple[dict[str, object], ...] = (
        {"type": "words", "value": "..9"}, {"type": "not-contains", "value": "ab"},
        {"type": "contains", "value": "ab", "not": True}, {"type": "lines", "value": 1},
        {"type": "no-refusal"}, {"type": "words", "value": "many"}, {"type": "no such check"},
        {"type": "starts", "value": "a", "severity": "soft", "weight": 2}, {"type": "model"},
    )  # fmt: skip
    return random.choices(made, k=random.choice((0, 1, 1, 2)))


VALUES: dict[str, Callable[[Random, Known], object]] = {
    "after": _chat,
    "all": _either(*BOTH),
    "answers": _either([], [{"check": "exec", "verdict": "pass"}], [{"check": 1}]),
    "best_of": _either(1, 2, 3, 16, 0, 17),
    "chat": _chat,
    "check": _either("exec", "words", ""),
    "checks": _checks,
    "data": _words,
    "deleted": _either(*BOTH),
    "done": _either(*BOTH),
    "edited": _words,
    "ephemeral": _either(*BOTH),
    "extract": _either(*BOTH),
    "feedback": _words,
    "file": _turn,
    "files": _either([], ["aaaaaaaaaaaaaaaa"], ["..", "a"]),
    "finish": _either("stop", "length", "tool_calls", ""),
    "instead_of": _turn,
    "key": _key,
    "last": _either("terminal", "anywhere", "first"),
    "lifetime_s": _either(60, 61.5, 86400, 366 * 86400, 59, 10**9),
    "limit": _either(1, 2, 50, 1000, 0, 1001),
    "max_time_s": _either(0.001, 60, 0, -1),
    "media": _either("text/plain", "image/png", "application/zip", "text"),
    "messages": _messages,
    "model": _either(None, "echo", "Echo.gguf", "demo", "nothing"),
    "models": _either([], ["echo", "small"], ["nothing"]),
    "n": _either(0, 1, 2, -1),
    "name": _words,
    "number": _either(0, 1, 5, -1, 2**62, 2**65),
    "options": _either({}, {"temperature": 1}, {"model": "x"}, {"seed": "s", "max_tokens": 3}),
    "over": _turn,
    "priority": _either("interactive", "normal", "batch"),
    "prompt": _words,
    "reason": _words,
    "reply": _words,
    "require_model": _either(*BOTH),
    "system": _words,
    "terminal": _either(None, "12.345", "12.345;"),
    "thumb": _either("good", "bad", "so-so"),
    "title": _words,
    "tokens": _either(None, 0, 500),
    "total_ms": _either(None, 0, 9000),
    "tried": _either(*BOTH),
    "tries": _either(None, 1, 3, 10, 0, 11),
    "turn": _turn,
    "verdict": _either("pass", "fail", "error", "skip"),
    "vote": _either(*BOTH),
    "wait": _either(*BOTH),
    "without": _either([], ["no-loop"], ["whole", "nonempty"], ["nothing"]),
    "words": _words,
}
