"""What makes a reply none: it was cut off, or says nothing."""

from chat_rpc import errors

CUT = {
    "length": "the token limit",
    "max_tokens": "the token limit",
    "model_length": "the token limit",
    "content_filter": "the server's content filter",
}
TOOLS = frozenset({"tool_calls", "function_call", "tool_use"})
WHOLE = frozenset({"stop", "eos", "eos_token", "end_turn", "stop_sequence"}) | TOOLS


def check(finish: str, *, is_blank: bool) -> None:
    """Raise CutOff or ChecksFailed unless the reply may be handed on; `finish` is the server's."""
    if why := why_cut(finish):
        raise errors.CutOff(why)
    if is_blank:
        raise errors.ChecksFailed(why_empty(finish))


def why_cut(finish: str) -> str | None:
    """Return why a reply that ended so is not whole."""
    if finish in CUT:
        return f"{CUT[finish]} ended the reply"
    if finish not in WHOLE:  # abort, error, and what nobody has heard of
        return "the server ended the reply, and not for a reason that makes it whole"
    return None


def why_empty(finish: str) -> str:
    """Return what to say of an empty reply that ended so."""
    if finish in TOOLS:
        return "the reply is empty: the model asked for a tool instead"
    return "the reply is empty"
