"""The checks that are always on: a reply is whole and says something."""

from chat_rpc import errors

CUT = {"length": "the token limit", "content_filter": "the server's content filter"}


def check(finish: str, *, is_blank: bool) -> None:
    """Raise CutOff or ChecksFailed unless the reply may be handed on; `finish` is the server's."""
    if finish in CUT:
        raise errors.CutOff(f"{CUT[finish]} ended the reply")
    if is_blank:
        raise errors.ChecksFailed("the reply is empty")
