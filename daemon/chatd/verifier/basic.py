"""The checks that are always on: a reply is whole and says something."""

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
    if finish in CUT:
        raise errors.CutOff(f"{CUT[finish]} ended the reply")
    if finish not in WHOLE:  # abort, error, and what nobody has heard of
        raise errors.CutOff("the server ended the reply, and not for a reason that makes it whole")
    if is_blank and finish in TOOLS:
        raise errors.ChecksFailed("the reply is empty: the model asked for a tool instead")
    if is_blank:
        raise errors.ChecksFailed("the reply is empty")
