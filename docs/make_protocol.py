"""Makes docs/protocol.md from chat_rpc: its methods, notifications and errors.

python docs/make_protocol.py [--check]
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
from msgspec import Struct, inspect
from pages import DOCS, publish, sentences, size, table, wrapped

from chat_rpc import PROTOCOL, errors, methods, wire
from chatd import config, limits

INTRODUCTION = """\
# The protocol

<!-- made by docs/make_protocol.py from daemon/chat_rpc and docs/fields.toml: do not edit -->

chatd speaks [JSON-RPC 2.0](https://www.jsonrpc.org/specification) on a Unix stream socket: UTF-8,
one JSON object a line. This is protocol {protocol}. `chat status --json` tells the socket's
path; where it may be is in [design.md](design.md#where-things-are).

- Every method works without a handshake.
- Parameters are an object. One that the method does not know is an error, and so are parameters by
  position. Where none is required, `params` may be left out.
- Results are objects. Fields may be added to them: ignore those that you do not know.
- A request without an `id` is done and not answered.
- A line may be a batch: an array of requests, as many at most as may be unanswered. Its answers
  come as one array, when the last of them is there, in the order in which they were ready. What is
  told of its turns may come before.
- Who calls is what the kernel says of the connection (`SO_PEERCRED`). Whatever a method gives or
  does is this user's own: what belongs to another does not exist. `admin.*` is for root, the
  user that chatd runs as and the group chatd-admin, and counts what all users have.
- Requests of one connection are answered in order, but for `turn.start` with `wait`, `turn.cancel`,
  `model.list`, `model.probe`, `system.doctor` and `chat.wipe`: these are answered when they are
  done.
- `params` may be an array: the fields in the order in which they stand below.
- A line whose bytes are not UTF-8 is no JSON: -32700.
- Units are part of the names: `_ms`, `_s`, `_bytes`. `created`, `used` and `ends` are Unix time in
  seconds.
- `rpc.discover` gives all this to a program, as [OpenRPC](https://open-rpc.org).

## Try it

With OpenBSD's `nc`:

```sh
socket=$(chat status --json | jq -r .socket)
nc -U "$socket"
```

or with `socat - "UNIX-CONNECT:$socket"`. Then type the first of these lines, and read the second:

```json
{ping}
{pong}
```

In a script, a question and its whole answer:

```sh
echo '{wait}' |
    nc -N -U "$socket"
```

and the answer as it comes:

```sh
echo '{start}' |
    nc -N -U "$socket"
```

`-N` closes the sending side when the input ends. chatd then answers what was asked, tells the turns
that are followed to their ends, and closes. To watch chats does not keep such a connection open.
`socat` closes its sending side too, but waits only half a second for what comes: give it a `-t`, as
in `socat -t 600 - "UNIX-CONNECT:$socket"`.

## Following a turn

`turn.start` answers at once and then tells what happens, as notifications on the same connection:

```json
{events}
```

- `seq` counts the events of a turn from 1 without a gap. Each is in the journal before it is sent.
- A lost connection stops nothing. `turn.attach` with the last `seq` that came sends the rest, over
  any connection of the same user, also when chatd was killed and started again meanwhile.
- A turn that had not ended when chatd did is asked again by the next one. A new `attempt` voids all
  deltas before it: the reply is what comes after the last. A turn of which ten attempts were cut
  short by the ends of chatd is `interrupted`.
- `key` makes a second `turn.start` harmless. The same request with the same key of the same user is
  the same turn, told from its beginning; another request with it is an error. A key is kept as long
  as its turn.
- So to ask through restarts: connect, `turn.start`, and when the connection is lost or error 1006
  comes, connect and send the same again, or `turn.attach`. `chat_rpc.client.ask` does it.
- A connection that reads slowly is told each event of a turn when it has read those before, however
  long that takes; no model waits for it. Of the events of chats none is kept: who leaves more than
  `unread_bytes` unread is sent `stream.lagged`, and watches again.
- Fields of `turn.event` and `chat.event` that are null are left out. Those inside `ending` are not.

## Several attempts

Where checks are demanded, or `tries`, `best_of` or `vote`, there may be several attempts, and
`checked` is true in the answer of `turn.start`: whoever must not show what may be void a second
later holds the text until the end. The rule above is all that is needed to find the reply:

- `attempt` with `by: model`: a model is asked. `repair`: what follows was cut out of attempt `n`.
  `kept`: what follows is attempt `n` again, for it was the best.
- `verify` comes after each attempt, with its verdict and what it cost, or with the error that it
  ended with. `refine` comes before a model is shown its last reply, with the reasons it is told.
- `check` asks the client that started the turn to run a program on what attempt `n` has said so
  far, and to answer with `turn.verdict`; nobody else can, so such a turn is refused with `wait` and
  for a batch. No answer in time, or nobody who follows the turn, is an error of the check.
- A turn whose reply passes is `done`. Any other is `failed`: with 3004 if the reply that was kept
  is cut off, with 5001 if it fails a check, with 5002 if a hard check could not run, with 1010 if
  `max_time_s` was over. Its text is the best that there was.

## When chatd stops

At SIGTERM, SIGINT and `admin.drain`, chatd shuts the receiving side of each connection: what it has
got by then is answered, and the client's next write fails, so that nobody takes for asked what
nobody has read. A connection that has not spoken yet has half a second for it. New turns are
refused with 1006, running ones go on for `limits.stop_s`, and a `turn.start` with `wait` that is
not done then gets 1006. The turn is the next chatd's.

## How long a chat lives

A chat is destroyed `store.chat_lifetime_s` after its last use, which is 24 hours unless
[chatd.toml](configuration.md#store) says otherwise; `chat.keep` sets it for one chat. A turn that
begins is a use, and so are `chat.keep` and `chat.undelete`. `ends` tells when. The clock is the
machine's time since its start, so to set the date changes nothing. `chat.delete` stops the chat's
turns and hides it; an hour later it is destroyed. `chat.wipe` does that at once. To destroy is to
overwrite and to remove all that chatd has of it; its turns and keys are unknown then. A chat with a
turn that has not ended lives on until it has.

## What one connection may do

`system.limits` tells what holds. These are the defaults; [chatd.toml](configuration.md#limits)
changes them.

{limits}

A line that is too long is answered with error 1004, and the connection is closed. A line that is no
request is answered with an `id` of null, and the next line is read.
"""

ERRORS = """\
## Errors

`error` has `code`, `message` (for a person; never a word of a prompt or a reply) and `data`:

| field of `data` | type | meaning |
| --- | --- | --- |
| `kind` | string | the code in words |
| `retryable` | boolean | may work later: under a new `key` if a turn has failed, but for 1006 |
| `retry_after_ms` | integer | after which time; only where chatd knows |
| `turn` | string | the turn that failed; only where there is one |

`exit` is the exit code of `chat` for it.

{table}

One more is of `chat` alone, for nobody is there to send it: exit {exit}, {kind}.
"""

Meanings = Mapping[str, Mapping[str, str]]


def main() -> None:
    meanings: Meanings = tomllib.loads((DOCS / "fields.toml").read_text(encoding="utf-8"))
    check_total(meanings)
    parts = [introduction(), "## Methods\n"]
    parts += [method_section(method, meanings) for method in methods.METHODS.values()]
    parts.append("## Notifications\n")
    parts += [
        f"### {name}\n\n{with_table(told, meanings)}"
        for name, told in methods.NOTIFICATIONS.items()
    ]
    parts.append("## Shapes\n\nWhat the fields above are made of.\n")
    parts += [f"### {shape.__name__}\n\n{with_table(shape, meanings)}" for shape in shapes()]
    parts.append(error_section())
    publish("protocol.md", "\n".join(parts))


# -- sections --------------------------------------------------------------------------------


def introduction() -> str:
    start = methods.TurnStart(prompt="What is tmpfs?", key="my-1")
    waiting = msgspec.structs.replace(start, key="my-2", wait=True)
    texts = {
        "protocol": PROTOCOL,
        "ping": plain(wire.request(1, methods.PING.name, methods.Nothing())),
        "pong": plain(wire.response(1, methods.Pong())),
        "wait": plain(wire.request(1, methods.START.name, waiting)),
        "start": plain(wire.request(1, methods.START.name, start)),
        "events": "\n".join(example_turn()),
        "limits": limits_table(),
    }
    text = INTRODUCTION
    for name, value in texts.items():
        text = text.replace(f"{{{name}}}", str(value))  # format() would stumble over JSON
    return text


def example_turn() -> Iterator[str]:
    turn, chat = "3bodzn7h4txtzt5o", "hlmytcacqomqmgkk"
    told: tuple[tuple[str, methods.Delta | methods.Event | methods.End], ...] = (
        ("event", methods.Event(turn=turn, seq=1, kind="attempt", n=1, model="m", backend="gpu")),
        ("delta", methods.Delta(turn, 2, "A file system ")),
        ("delta", methods.Delta(turn, 3, "in memory.")),
        (
            "end",
            methods.End(
                turn,
                4,
                methods.Ending(
                    state="done",
                    finish="stop",
                    model="m",
                    backend="gpu",
                    usage=methods.Usage(12, 7),
                    timings=methods.Timings(queued_ms=1, first_ms=80, total_ms=210),
                ),
            ),
        ),
    )
    yield plain(wire.response(1, methods.Started(turn=turn, chat=chat, replayed=False)))
    for name, event in told:
        yield plain(wire.notification(f"turn.{name}".encode(), wire.encode(event)))


def limits_table() -> str:
    defaults = limits.told(config.Limits(), open_files=2**20)
    rows = []
    for field in fields_of(methods.Limits):
        value = getattr(defaults, field.name)
        shown = size(value) if field.name.endswith("_bytes") else f"{value:g}"
        rows.append((f"`{field.name}`", shown))
    return table(("limit", "default"), rows)


def method_section(method: methods.Method[Struct, Struct], meanings: Meanings) -> str:
    section = f"### {method.name}\n\n{method.summary}\n\n"
    if fields_of(method.params):
        section += with_table(method.params, meanings, "*Parameters.* ", defaults=True)
    else:
        section += "*Parameters.* None.\n"
    if method.result in shapes():
        return f"{section}\n*Result.* {link(method.result)}.\n"
    return f"{section}\n{with_table(method.result, meanings, '*Result.* ')}"


def error_section() -> str:
    rows = [
        (str(e.code), e.kind, "yes" if e.retryable else "no", str(e.exit), sentences(e))
        for e in errors.table()
    ]
    return ERRORS.format(
        table=table(("code", "kind", "retryable", "exit", "meaning"), rows),
        exit=errors.NotRunning.exit,
        kind=errors.NotRunning.kind,
    )


def with_table(
    shape: type[Struct], meanings: Meanings, label: str = "", *, defaults: bool = False
) -> str:
    """Return what a Struct says of itself and a table of its fields."""
    head = ("field", "type", "default", "meaning") if defaults else ("field", "type", "meaning")
    rows: list[Sequence[str]] = []
    info = inspect.type_info(shape)
    if isinstance(info, inspect.StructType) and info.tag_field is not None:
        rows.append((f"`{info.tag_field}`", f"`{json_of(info.tag)}`", "always this"))
    for field in fields_of(shape):
        cells = [f"`{field.encode_name}`", type_name(field.type)]
        if defaults:
            cells.append("required" if field.required else f"`{json_of(default_of(field))}`")
        rows.append((*cells, meanings[shape.__name__][field.name]))
    return f"{wrapped(label + sentences(shape))}\n\n{table(head, rows)}\n"


# -- what the Structs tell ---------------------------------------------------------------------


def check_total(meanings: Meanings) -> None:
    """Exit unless fields.toml explains every field of the contract, and nothing else."""
    found = {f"{shape.__name__}.{field.name}" for shape in contract() for field in fields_of(shape)}
    explained = {f"{name}.{field}" for name, lines in meanings.items() for field in lines}
    if wrong := sorted(found ^ explained):
        raise SystemExit(f"docs/fields.toml: missing, or of no field: {', '.join(wrong)}")


def contract() -> list[type[Struct]]:
    """Return every Struct that crosses the wire, each once."""
    return list(dict.fromkeys([*_roots(), *shapes()]))


def shapes() -> list[type[Struct]]:
    """Return the Structs that are fields of others, in the order in which they are met."""
    found: dict[type[Struct], None] = {}
    waiting = _roots()
    while waiting:
        for field in fields_of(waiting.pop(0)):
            for shape in _structs_in(field.type):
                if shape not in found:
                    found[shape] = None
                    waiting.append(shape)
    return list(found)


def _roots() -> list[type[Struct]]:
    roots: list[type[Struct]] = []
    for method in methods.METHODS.values():
        roots += [method.params, method.result]
    return roots + list(methods.NOTIFICATIONS.values())


def _structs_in(kind: inspect.Type) -> Iterator[type[Struct]]:
    match kind:
        case inspect.StructType():
            yield kind.cls
        case inspect.ListType():
            yield from _structs_in(kind.item_type)
        case inspect.UnionType():
            for part in kind.types:
                yield from _structs_in(part)


def fields_of(shape: type[Struct]) -> Iterable[inspect.Field]:
    info = inspect.type_info(shape)
    if not isinstance(info, inspect.StructType):
        raise TypeError(f"{shape} is no Struct")
    return info.fields


def type_name(kind: inspect.Type) -> str:
    match kind:
        case inspect.StrType(pattern=str(pattern)):
            plain_pattern = pattern.removeprefix(r"\A").removesuffix(r"\Z")
            return f"string, `{plain_pattern}`"
        case inspect.StrType(min_length=low, max_length=int(high)):
            return f"string of {low or 0} to {high} characters"
        case inspect.IntType(ge=int(low), le=int(high)):
            return f"integer, {low} to {high}"
        case inspect.FloatType(ge=int(low), le=int(high)):
            return f"number, {low} to {high}"
        case inspect.LiteralType():
            return ", ".join(f"`{json_of(value)}`" for value in kind.values)
        case inspect.UnionType():
            return " or ".join(type_name(part) for part in kind.types)
        case inspect.ListType():
            inner = type_name(kind.item_type)
            limit = "" if kind.max_length is None else f", {kind.max_length} at most"
            return (f"array of {inner}s" if inner.isalpha() else f"array of {inner}") + limit
        case inspect.StructType():
            return link(kind.cls)
    try:
        return NAMES[type(kind)]
    except KeyError:
        raise TypeError(f"make_protocol.py has no word for {kind}") from None


NAMES: Mapping[type[inspect.Type], str] = {
    inspect.StrType: "string",
    inspect.IntType: "integer",
    inspect.FloatType: "number",
    inspect.BoolType: "boolean",
    inspect.NoneType: "null",
    inspect.DictType: "object",
    inspect.AnyType: "any JSON",
}


def link(shape: type[Struct]) -> str:
    return f"[{shape.__name__}](#{shape.__name__.lower()})"


def default_of(field: inspect.Field) -> object:
    made = field.default_factory
    return field.default if made is msgspec.NODEFAULT else made()


def json_of(value: object) -> str:
    return msgspec.json.encode(value).decode()


def plain(line: bytes) -> str:
    return line.decode().rstrip("\n")


if __name__ == "__main__":
    main()
