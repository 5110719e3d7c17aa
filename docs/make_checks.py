"""Makes docs/checks.md, and what `chat help checks` prints, from the verifier's table.

python docs/make_checks.py [--check]
"""

import textwrap
from collections.abc import Iterator

from pages import publish, table, wrapped

from chat_rpc.checks import parse
from chatd.verifier.kinds import ALWAYS, GROUPS
from chatd.verifier.rule import Kind

HELP = "../cli/chat_cli/checks.txt"

INTRODUCTION = """\
# Checks

<!-- made by docs/make_checks.py from daemon/chatd/verifier: do not edit -->

A check is one rule about a reply. chatd looks at every reply with them before it hands it on; the
same checks work in `--check`, in a profile of your configuration, for a chat, in a line of a batch
and in an RPC call. `chat check FILE` looks at any text with them and asks no model.
"""

SHORT = """\
## Two ways to write one

In short, `type:value`: what comes after the first colon is the value. Before the type may stand
`not-`, and `soft-` or `hard-`. A value that is a JSON array or object is one; any other is a text
as it stands.

As JSON or TOML, an object: `type`, `value`, and where wanted

- `not`: it passes where the check fails. An error stays an error.
- `severity`: a reply that fails a `hard` check is not handed on; a `soft` one only lowers the
  score. Most are hard.
- `weight`: of a soft check in the score; 1 if nothing is said.
- `on`: what it looks at: the whole `reply`, the first block of `code` in it, or the first `json`
  in it. A reply without that part fails.
- `message`: what is told in place of the reason.
- `id`: how results name it; else it is the type, numbered from the second on.

These are the same check:

```sh
{short}
```

```json
{long}
```

A *span* says how many: `5`, `5..9`, `..9`, `5..`, or an object with `min`, `max` or `eq`.

## Verdicts

A check says pass, fail, error or skip. An *error* is a check that could not run, and is never a
pass; a *skip* is one that does not apply, such as the language of three letters. A reply passes if
no hard check failed or is an error; a soft one is told, and only lowers the score.
"""

SHORT_EXAMPLE = "not-icontains:as an AI"
LONG_EXAMPLE = '{"type": "icontains", "value": "as an AI", "not": true}'


def main() -> None:
    always = wrapped(
        f"Always on, and hard: {', '.join(f'`{kind.type}`' for kind in ALWAYS)}. Each can be "
        f"switched off: `--no-check {ALWAYS[-1].type}`, or `without` in a call."
    )
    short = SHORT.replace("{short}", f"--check '{SHORT_EXAMPLE}'").replace("{long}", LONG_EXAMPLE)
    parts = [INTRODUCTION, always + "\n", short]
    for name, kinds in GROUPS.items():
        rows = [(f"`{kind.type}`", meaning(kind), f"`{kind.example}`") for kind in kinds]
        parts.append(f"## {name}\n\n{table(('check', 'what it says', 'example'), rows)}\n")
    publish("checks.md", "\n".join(parts))
    publish(HELP, "\n".join(help_lines()) + "\n")


def meaning(kind: Kind) -> str:
    value = f" Value: {kind.value}." if kind.value else ""
    soft = " Soft, if nothing else is said." if kind.severity == "soft" else ""
    return f"{kind.sentence}{value}{soft}"


def help_lines() -> Iterator[str]:
    """Yield what a terminal of 80 columns shows."""
    yield "A check is a rule about a reply: --check TYPE:VALUE, as often as you like."
    yield "not-TYPE turns it round; soft-TYPE only lowers the score; --no-check TYPE drops one."
    yield f"Always on: {', '.join(kind.type for kind in ALWAYS)}."
    yield 'A span says how many: 5, 5..9, ..9, 5.., or {"min": 5, "max": 9}.'
    for name, kinds in GROUPS.items():
        yield ""
        yield f"{name}:"
        for kind in kinds:
            yield f"  {kind.example}"
            yield from textwrap.wrap(
                meaning(kind), 78, initial_indent=" " * 6, subsequent_indent=" " * 6
            )


if __name__ == "__main__":
    assert parse(SHORT_EXAMPLE).not_  # noqa: S101  # the page shows it
    main()
