"""What makes a reply none: it was cut off, or says nothing."""

from chatd.verifier.rule import Reply

CUT = {
    "length": "the token limit",
    "max_tokens": "the token limit",
    "model_length": "the token limit",
    "content_filter": "the server's content filter",
}
TOOLS = frozenset({"tool_calls", "function_call", "tool_use"})
WHOLE = frozenset({"stop", "eos", "eos_token", "end_turn", "stop_sequence"}) | TOOLS


def why_cut(finish: str) -> str | None:
    """Return why a reply that ended so is not whole."""
    if finish in CUT:
        return f"{CUT[finish]} ended the reply"
    if finish not in WHOLE:  # abort, error, and what nobody has heard of
        return "the server ended the reply, and not for a reason that makes it whole"
    return None


def why_empty(reply: Reply) -> str:
    """Return what to say of a reply that says nothing."""
    if reply.finish in TOOLS:
        return "the reply is empty: the model asked for a tool instead"
    if reply.has_thought:
        return "the reply is empty: all that came was what the model thought"
    return "the reply is empty"
