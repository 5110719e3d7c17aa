"""`chat logs`: the lines of chatd's log that are about the caller."""

import sys
import time
from collections import deque
from collections.abc import Iterator
from typing import Annotated

import typer

from chat_cli import link, output
from chat_rpc import methods
from chat_rpc.client import Client

PAGE = 1000
STEP_S = 0.5


def logs(
    *,
    limit: Annotated[
        int, typer.Option("-n", "--limit", metavar="N", min=0, help="The last so many.")
    ] = 50,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Go on with those to come, until Ctrl-C.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one line each.")] = False,
) -> None:
    """Print the lines of chatd's log that are about you.

    They have ids, sizes and times, and never a word of a conversation.

    \b
      chat logs -f
      chat logs -n 1000 --json | jq -r 'select(.level == "ERROR").message'
    """
    client = link.connect(may_start=False)
    last = 0
    lines: deque[methods.LogLine] = deque(maxlen=limit)
    for page in _pages(client, 0):
        lines.extend(page.lines)
        last = page.last
    for line in lines:
        _print(line, as_json=as_json)
    while follow:
        time.sleep(STEP_S)  # chatd keeps nobody waiting who reads its log
        for page in _pages(client, last):
            last = page.last
            for line in page.lines:
                _print(line, as_json=as_json)


def _pages(client: Client, after: int) -> Iterator[methods.LogPage]:
    while True:
        page = client.call(methods.LOGS, methods.Logs(after=after, limit=PAGE))
        yield page
        if len(page.lines) < PAGE:
            return
        after = page.last


def _print(line: methods.LogLine, *, as_json: bool) -> None:
    if as_json:
        output.json(line)
        return
    form = "%H:%M:%S" if sys.stdout.isatty() else "%Y-%m-%dT%H:%M:%S%z"
    when = time.strftime(form, time.localtime(line.time))
    output.line(f"{when} {line.level} {line.logger} {line.message}")
