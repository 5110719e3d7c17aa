"""`chat ask`, which is also `chat WORDS`: one question, its answer to stdout."""

from collections.abc import Sequence

import msgspec

from chat_cli import files, link, output, question, talking, views
from chat_cli.answering import Shown, answer
from chat_cli.arguments import taking
from chat_cli.flags import Flags
from chat_rpc import methods


@taking(Flags)
def ask(flags: Flags) -> None:
    """Ask a model. The answer goes to stdout, everything else to stderr.

    What is piped in is put after the words; alone, it is the question.

    \b
      chat "What is tmpfs?"
      git diff | chat "Review this. One line per finding."
      chat -C deploy "what failed?" <build.log
      chat --schema "name, age int" -f cv.txt | jq -r .name
      chat "Write a haiku" --check lines:3 --tries 5
    """
    if talking.is_wanted(flags):
        raise SystemExit(talking.talk(flags))
    asked = question.of(flags)
    if flags.dry_run:
        _show(asked.params, asked.attached)
        return
    way = link.Way(may_start=not flags.no_start, quiet=flags.quiet)
    raise SystemExit(answer(way, asked.params, asked.attached, shown(flags, asked)))


def shown(flags: Flags, asked: question.Question) -> Shown:
    return Shown(
        form=(
            "json"
            if flags.as_json
            else "jsonl"
            if flags.as_lines
            else "raw"
            if flags.is_raw
            else "text"
        ),
        wanted=views.Wanted(
            extract=asked.extract,
            think=views.thinking(asked.think),
            is_held=flags.no_stream or asked.is_checked,
            print_failed=flags.print_failed,
            quiet=flags.quiet,
        ),
        usage=flags.usage,
        verbose=flags.verbose,
    )


def _show(params: methods.TurnStart, attached: Sequence[files.Attached]) -> None:
    """Print what would be sent: the request, and of files what they are."""
    request = msgspec.to_builtins(params)
    if attached:
        request["files"] = [
            {"name": file.name, "media": file.media, "size_bytes": len(file.data)}
            for file in attached
        ]
    output.json({"method": methods.START.name, "params": request})
    output.note("nothing was sent; to leave nothing behind, as with llm's -n, there is --ephemeral")
