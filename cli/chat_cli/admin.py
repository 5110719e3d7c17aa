"""`chat admin`: chatd for whoever runs it; counts of users, and nothing of theirs."""

from typing import Annotated

import typer

from chat_cli import apps, link, output, people, spans
from chat_rpc import methods

app = apps.new(
    help="""Count, reload or stop chatd: your own, or all users'.

    The latter is for root and the group chatd-admin.

    \b
      chat admin reload
      sudo chat admin stats
    """
)


@app.command()
def stats(
    *, as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False
) -> None:
    """Count what all users hold; no id, no title, no text.

    \b
      chat admin stats --json | jq '.users | length'
    """
    found = link.connect(may_start=False).call(methods.STATS, methods.Nothing())
    if as_json:
        output.json(found)
        return
    output.table(
        ("USER", "CHATS", "TURNS", "UNFINISHED", "SIZE", "FILES"),
        (
            (
                people.name_of(user.uid),
                str(user.chats),
                str(user.turns),
                str(user.unfinished),
                output.size(user.used_bytes),
                str(user.used_files),
            )
            for user in found.users
        ),
    )
    store = found.store
    connections = output.count(found.connections, "connection")
    used = f"{output.size(store.used_bytes)} of {output.size(store.size_bytes)} used"
    output.note(f"up {spans.exact(found.uptime_s)}, {connections}, {found.queued} queued; {used}")


@app.command()
def reload() -> None:
    """Have chatd read chatd.toml again, as at SIGHUP.

    \b
      sudo chat admin reload
    """
    done = link.connect(may_start=False).call(methods.RELOAD, methods.Nothing())
    output.note(f"changed: {', '.join(done.changed) or 'nothing'}")
    if done.waiting:
        output.note(f"changed, and used after a restart: {', '.join(done.waiting)}")


@app.command()
def drain() -> None:
    """Stop chatd as at SIGTERM: what runs is finished, or handed to the next chatd.

    \b
      sudo chat admin drain
    """
    link.connect(may_start=False).call(methods.DRAIN, methods.Nothing())
    output.note("chatd is stopping")
