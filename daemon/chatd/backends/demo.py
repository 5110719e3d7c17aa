"""The demo: a model of a few MB, so that a bare machine answers at all.

What it cannot know it declines, by one reserved token; what it is not meant for is declined here,
without asking it.
"""

from collections.abc import Mapping
from pathlib import Path

from chat_rpc import errors

MODEL = "demo"
FILE = Path(__file__).with_name("demo.gguf")
URL = "http://engine/v1"
CONTEXT = 512  # tokens
PROMPT_CHARS = 400
DECLINE = "<|decline|>"
OPTIONS: Mapping[str, object] = {"temperature": 0, "max_tokens": 120}

GET_A_MODEL = (
    "to get a real model, start a model server on this machine (LM Studio, Ollama, vLLM, or "
    "`llama-server -m MODEL.gguf`): chatd finds it by itself, then ask again"
)


def refuse_unfit(prompt: str, data: str, system: str | None, earlier: int, *, files: int) -> None:
    """Raise DemoDeclined for what the demo must not be asked."""
    if data:
        raise declined("piped data is not for the built-in demo")
    if files:
        raise declined("files are not for the built-in demo")
    if system:
        raise declined("the built-in demo follows no system prompt")
    if earlier:
        raise declined("the built-in demo remembers no earlier turn")
    if len(prompt) > PROMPT_CHARS:
        raise declined("the prompt is too long for the built-in demo")


def declined(why: str) -> errors.DemoDeclined:
    return errors.DemoDeclined(f"{why}; {GET_A_MODEL}")
