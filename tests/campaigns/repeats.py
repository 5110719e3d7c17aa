"""The loop detector on clean texts that others wrote, and on loops: of models, and made ones.

The detector was tuned on every other text; these figures are of those between them.
"""

import argparse
import json
import shutil
import socket
import urllib.request
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from chatd.backends import demo
from chatd.verifier import loop
from tests.campaigns import texts
from tests.campaigns.report import Broken, as_text
from tests.fakes.gguf_models import write_random
from tests.harness import ROOT, ModelServer, ram_directory

GGUF = ROOT / "daemon" / "chatd" / "backends" / "demo.gguf"
TOKENS = 400  # of 512, the demo's context
TIMEOUT_S = 300.0
TAIL, PIECE, TIMES = 800, 40, 4  # what makes a model's text a loop, whatever the detector says


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, help="a folder with gsm8k and llmbar, for more texts")
    parser.add_argument("--clean", type=int, default=400, help="texts of each kind, at most")
    parser.add_argument("--made", type=int, default=50, help="texts of each mechanism")
    parser.add_argument("--prompts", type=int, default=400, help="that the demo is given")
    parser.add_argument("--models", type=int, default=12, help="models of random weights")
    parser.add_argument("--flagged", type=float, default=0.005, help="of clean texts, at most")
    parser.add_argument("--caught", type=float, default=0.9, help="of loops, at least")


def run(arguments: argparse.Namespace) -> Mapping[str, object]:
    clean = {kind: found[: arguments.clean] for kind, found in texts.clean(arguments.data).items()}
    loops = texts.made(clean["prose"], arguments.made)
    loops |= model_loops(clean["prose"], arguments.prompts, arguments.models)
    figures: dict[str, object] = {}
    flagged = _look(clean, "clean", figures)
    caught = _look(loops, "loop", figures)
    figures["clean, all"] = _share(flagged)
    figures["loops, all"] = _share(caught)
    if flagged[0] > arguments.flagged * flagged[1] or caught[0] < arguments.caught * caught[1]:
        raise Broken(as_text("too many clean texts flagged, or too few loops caught", figures))
    return figures


def model_loops(prompts: list[str], count: int, models: int) -> dict[str, list[str]]:
    """Return what the engine's own models say at temperature 0 to the beginnings of clean texts.

    They go on to the limit, whether or not they would have ended.  Only what is a loop by a rule of
    its own is kept: at its end a piece of 40 characters stands four times.
    """
    begun = [prompt[:200] for prompt in prompts[:count]]
    home = ram_directory()
    try:
        said = {"the demo model": _said(GGUF, begun)}
        noise: list[str] = []
        for seed in range(models):
            write_random(home / "random.gguf", seed)
            noise += _said(home / "random.gguf", begun[seed::models][:20])
        said["models of random weights"] = noise
    finally:
        shutil.rmtree(home)
    return {
        f"{name} ({len(found)} texts)": sorted(filter(is_loop, found))
        for name, found in said.items()
    }


def is_loop(text: str) -> bool:
    tail = text[-TAIL:]
    pieces = Counter(tail[begin : begin + PIECE] for begin in range(len(tail) - PIECE + 1))
    return bool(pieces) and max(pieces.values()) >= TIMES


def _said(model: Path, prompts: list[str]) -> list[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    with closing(ModelServer("llama_server", str(model), "--port", port)) as server:
        address = f"http://127.0.0.1:{server.port}/completion"
        with ThreadPoolExecutor(4) as asking:
            return list(asking.map(lambda prompt: _completion(address, prompt), prompts))


def _completion(address: str, prompt: str) -> str:
    asked = {
        "prompt": prompt,
        "n_predict": TOKENS,
        "temperature": 0,
        "ignore_eos": True,
        "logit_bias": [[demo.DECLINE, False]],  # a word that is no text
        "cache_prompt": False,
    }
    request = urllib.request.Request(address, json.dumps(asked).encode())
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        said: str = json.load(answer)["content"]
    return said


def _look(found: Mapping[str, list[str]], what: str, figures: dict[str, object]) -> tuple[int, int]:
    """Note how many texts of each kind the detector takes for loops; return that of all."""
    hits = total = 0
    for kind, each in found.items():
        held_out = each[1::2]
        caught = sum(loop.found_in(text) is not None for text in held_out)
        figures[f"{what}: {kind}"] = _share((caught, len(held_out)))
        hits, total = hits + caught, total + len(held_out)
    return hits, total


def _share(counted: tuple[int, int]) -> str:
    hits, total = counted
    return f"{hits} of {total}, {hits / max(1, total):.2%}"
