"""`chat list`, `show`, `search` and `select`: conversations, to find and to read."""

import sys
import time
from typing import Annotated

import typer

from chat_cli import link, naming, output, spans
from chat_rpc import methods

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
Limit = Annotated[
    int, typer.Option("-n", "--limit", metavar="N", min=1, max=100_000, help="How many.")
]
PAGE = 1000


def _parse_answer(text: str) -> naming.Name:
    name = naming.parse(text)
    if name.answer is None:
        raise typer.BadParameter(f"{text!r} names no answer; ID@N/M and @N/M do (see show)")
    return name


def list_(
    *,
    limit: Limit = 50,
    deleted: Annotated[
        bool, typer.Option("--deleted", help="Those that `chat rm` deleted, till they go for good.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List your conversations, last used first.

    ENDS tells when one will be destroyed, unless it is used before or kept (see keep).

    \b
      chat list
      chat list --json | jq -r 'select(.turns > 5).title'
    """
    chats = _chats(limit, deleted=deleted)
    if as_json:
        for chat in chats:
            output.json(chat)
        return
    if not chats and sys.stdout.isatty():
        output.note("none is deleted" if deleted else 'none yet; to begin one: chat "Hello"')
        return
    now = time.time()
    output.table(
        ("ID", "USED", "ENDS", "TURNS", "STATE", "MODEL", "TITLE"),
        (
            (
                chat.chat[: naming.ID_CHARS],
                spans.ago(now - chat.used),
                f"in {spans.rough(chat.ends - now)}",
                str(chat.turns),
                chat.state,
                chat.model or "-",
                chat.title,
            )
            for chat in chats
        ),
    )


def show(
    name: naming.Named = None,
    *,
    all_: Annotated[
        bool, typer.Option("--all", help="With the answers that others stand in place of.")
    ] = False,
    attempts: Annotated[
        bool, typer.Option("--attempts", help="With each attempt, and what the checks said of it.")
    ] = False,
    is_raw: Annotated[
        bool, typer.Option("--raw", help="Do not render Markdown on a terminal.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print a conversation, or one turn of it.

    \b
      chat show              the last one that you used
      chat show 4fq@2        the second question and its answer
      chat show @-1/1        the first answer to the last question
      chat show deploy --attempts
    """
    client = link.connect()
    name = name or naming.Name()
    if name.turn is None:
        wanted = methods.ChatGet(chat=naming.chat_of(client, name.chat), all=all_, tried=attempts)
        chat = client.call(methods.CHAT, wanted)
        if as_json:
            output.json(chat)
            return
        turns = chat.turns
        first = None if all_ else 1  # with all, a turn's place in the list is not its number
    else:
        turn = naming.turn_of(client, name)
        if attempts:
            turn = client.call(methods.GET, methods.TurnGet(turn=turn.turn, tried=True))
        if as_json:
            output.json(turn)
            return
        turns, first = [turn], name.turn
    for index, turn in enumerate(turns):
        _print(turn, is_raw=is_raw)
        _tell_of_others(turn, None if first is None else first + index)
        output.line("")


def search(
    words: Annotated[list[str], typer.Argument(metavar="WORDS...", show_default=False)],
    *,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """Find words in your conversations.

    They are looked for as they stand, case apart, in questions and answers. Exits with 1 when they
    are nowhere, as grep does.

    \b
      chat search tmpfs
      chat search "out of memory" --json | jq -r .chat | sort -u
    """
    if not "".join(words):
        raise typer.BadParameter("there are no words to look for")
    client = link.connect()
    wanted = methods.Search(words=" ".join(words), limit=min(limit, PAGE))
    found = client.call(methods.SEARCH, wanted).found
    if as_json:
        for hit in found:
            output.json(hit)
    elif found:
        output.table(
            ("ID", "TITLE", "TEXT"),
            ((hit.chat[: naming.ID_CHARS], hit.title, hit.text) for hit in found),
        )
    if not found:
        raise SystemExit(1)


def select(
    name: Annotated[
        naming.Name,
        typer.Argument(
            parser=_parse_answer, metavar="ID@N/M", help="The M-th answer to the N-th question."
        ),
    ],
) -> None:
    """Go on from another answer than the last one made.

    What came after that answer comes with it. `chat show` tells where there are several.

    \b
      chat select @-1/1      the first answer to the last question
      chat select deploy@2/3
    """
    client = link.connect()
    turn = naming.turn_of(client, name)
    client.call(methods.SELECT, methods.Select(chat=turn.chat, turn=turn.turn))
    output.note("the conversation goes on from there")


def _print(turn: methods.Turn, *, is_raw: bool) -> None:
    said = "\n\n".join(part for part in (turn.prompt, turn.data) if part)
    output.line("\n".join(f"> {part}" for part in said.splitlines()) + "\n")
    for file in turn.files:
        output.line(f"> [{file.name}, {file.media}, {output.size(file.size_bytes)}]\n")
    for tried in turn.tried or ():
        output.line(f"[attempt {tried.n}, {tried.by}: {_judged(tried)}{_spent(tried)}]")
        _draw(tried.text, is_raw=is_raw)
        output.line("")
    _draw(turn.text or "(no reply)", is_raw=is_raw)
    if turn.feedback is not None:
        output.line(f"(made anew, after: {turn.feedback})")
    if turn.thumb is not None:
        output.line(f"({turn.thumb}{f': {turn.reason}' if turn.reason else ''})")
    if turn.state != "done":
        why = turn.ending and turn.ending.error and turn.ending.error.message
        output.line(f"({turn.state}{f': {why}' if why else ''})")


def _draw(text: str, *, is_raw: bool) -> None:
    """Print what a model said: rendered Markdown on a terminal, as it is off it."""
    from chat_cli import views  # what asking needs, which listing does without

    sink = views.sink(is_raw=is_raw)
    sink.write(text.rstrip("\n"), flush=True)
    sink.finish()


def _tell_of_others(turn: methods.Turn, number: int | None) -> None:
    answers = len(turn.siblings)
    if answers > 1:
        this = turn.siblings.index(turn.turn) + 1
        at = "N" if number is None else number
        other = f"{turn.chat[: naming.ID_CHARS]}@{at}/{this - 1 or answers}"
        output.line(f"(answer {this} of {answers}; another: chat select {other})")


def _judged(tried: methods.Tried) -> str:
    if tried.error is not None:
        return tried.error.message
    if tried.verdict is None:
        return "not checked"
    failed = [check for check in tried.verdict.checks if check.verdict in ("fail", "error")]
    reasons = "; ".join(f"{check.id}: {check.reason or check.verdict}" for check in failed)
    return tried.verdict.verdict + (f" ({reasons})" if reasons else "")


def _spent(tried: methods.Tried) -> str:
    counted = tried.usage and output.count(tried.usage.completion_tokens, "token")
    return f"{f', {counted}' if counted else ''}, {tried.total_ms / 1000:.2f} s"


def _chats(limit: int, *, deleted: bool) -> list[methods.ChatLine]:
    client = link.connect()
    chats: list[methods.ChatLine] = []
    after: str | None = None
    while len(chats) < limit:
        wanted = methods.Page(limit=min(PAGE, limit - len(chats)), after=after, deleted=deleted)
        page = client.call(methods.CHATS, wanted)
        chats += page.chats
        after = page.next
        if after is None:
            break
    return chats
