"""What the fast start began and could not finish: gone on with from where it stopped."""

import os
import signal
from typing import NoReturn

from chat_cli import fast, link, output, views
from chat_cli.answering import Shown, answer
from chat_cli.following import Following, Reply
from chat_cli.main import ended
from chat_rpc import methods, person
from chat_rpc.client import Known


def go_on(
    fields: dict[str, str],
    known: tuple[str, int],
    printed: str,
    *,
    quiet: bool,
    stop: BaseException | None,
) -> NoReturn:
    """Follow the turn of these parameters to its end; with `stop`, only stop it."""
    output.set_up()
    output.leave(ended(lambda: _go_on(fields, Known(*known), printed, quiet, stop)))


def _go_on(
    fields: dict[str, str],
    known: Known,
    printed: str,
    quiet: bool,  # noqa: FBT001  # go_on has it by name
    stop: BaseException | None,
) -> int:
    params = methods.TurnStart(**fields)  # type: ignore[arg-type]  # its own field names
    meanwhile = _stopped_meanwhile()
    stop = stop or meanwhile
    way = link.Way(may_start=stop is None, quiet=quiet)
    if stop is None:
        wanted = views.Wanted(think=views.thinking(person.load().think), quiet=quiet)
        shown = Shown(wanted=wanted, printed=printed)
        return answer(way, params, [], shown, known=known)
    Following(way, views.Silent(), Reply(turn=known.turn)).cancel(params)
    if isinstance(stop, fast.CannotWrite):
        output.raise_for(OSError(stop.args[0], os.strerror(stop.args[0])))
    raise output.Terminated if isinstance(stop, fast.Terminated) else stop


def _stopped_meanwhile() -> BaseException | None:
    """Let the signals through that were kept back while all this was loaded."""
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT, signal.SIGTERM])
    except (KeyboardInterrupt, fast.Terminated) as exc:
        return exc
    return None
