"""Models made by hand in a moment: real GGUF files with real weights, and no training."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import gguf
import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float64]

SPECIAL: Final = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
END: Final = SPECIAL.index("<|im_end|>")
TEMPLATE: Final = (
    "{% for message in messages %}"
    "<|im_start|>{{ message.role }}\n{{ message.content or '' }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@dataclass(frozen=True)
class _Shape:
    """The sizes of a model of the llama kind."""

    width: int
    blocks: int
    inner_width: int
    heads: int = 4
    context_tokens: int = 32_768


def write_counter(path: Path, n: int = 1000) -> None:
    """Write a model that answers `0 1 2 … n-1 ` to anything, a token for each number, then ends.

    It proves that every token arrives once and in order: between the engine and the user none is
    lost, doubled, swapped with a neighbour or mixed up with another conversation's.  Neither the
    prompt nor the temperature changes the answer.  Written in a tenth of a second; 1 MB.

    How: attention and the inner layers are all zero, so that the next token depends on the last one
    alone.  Each number has a random code of its own, and all other tokens share one code; the
    output row of a token is the code of the token before it.
    """
    plain = [*SPECIAL, *_byte_tokens()]
    tokens = [*plain, *(f"{number}Ġ" for number in range(n)), "ĠĠ"]
    shape = _Shape(width=256, blocks=1, inner_width=32)
    codes = np.random.default_rng(0).choice([-1.0, 1.0], (len(tokens), shape.width))
    codes[: len(plain)] = codes[-1]
    first, last = len(plain), len(plain) + n - 1
    output = np.zeros_like(codes)
    output[first] = codes[-1]
    output[first + 1 : last + 1] = codes[first:last]
    output[END] = codes[last]
    blocks = {name: np.zeros(size) for name, size in _block_sizes(shape).items()}
    _write(path, "counter", tokens, shape, blocks, codes, output)


def write_random(path: Path, seed: int = 0) -> None:
    """Write a model of random weights whose tokens are single bytes: what it says is noise.

    It proves that dirty text does no harm on its way: broken UTF-8 (which the server shows as
    U+FFFD), NUL and other control bytes, terminal escapes.  It ends after some hundred tokens, by
    chance: ask for a `seed` and a `max_tokens` where that matters.  Written at once; 0.1 MB.
    """
    tokens = [*SPECIAL, *_byte_tokens(), "ĠĠ"]
    shape = _Shape(width=64, blocks=1, inner_width=64)
    random = np.random.default_rng(seed)
    scale = shape.width**-0.5
    blocks = {name: random.normal(0, scale, size) for name, size in _block_sizes(shape).items()}
    codes = random.normal(0, 1, (len(tokens), shape.width))
    output = random.normal(0, scale, (len(tokens), shape.width))
    _write(path, "random", tokens, shape, blocks, codes, output)


def _byte_tokens() -> list[str]:
    """Byte-level BPE's printable character for each of the 256 bytes, in order."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte if byte in printable else 256 + others.index(byte)) for byte in range(256)]


def _block_sizes(shape: _Shape) -> dict[str, tuple[int, int]]:
    sizes: dict[str, tuple[int, int]] = {}
    for block in range(shape.blocks):
        for part in ("q", "k", "v", "output"):
            sizes[f"blk.{block}.attn_{part}.weight"] = (shape.width, shape.width)
        for part in ("gate", "up"):
            sizes[f"blk.{block}.ffn_{part}.weight"] = (shape.inner_width, shape.width)
        sizes[f"blk.{block}.ffn_down.weight"] = (shape.width, shape.inner_width)
    return sizes


def _write(
    path: Path,
    name: str,
    tokens: list[str],
    shape: _Shape,
    blocks: Mapping[str, Weights],
    codes: Weights,
    output: Weights,
) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    _add_shape(writer, shape)
    _add_vocabulary(writer, tokens)
    norms = [
        f"blk.{block}.{part}_norm" for block in range(shape.blocks) for part in ("attn", "ffn")
    ]
    for norm in (*norms, "output_norm"):
        writer.add_tensor(f"{norm}.weight", np.ones(shape.width, np.float32))
    matrices = {**blocks, "token_embd.weight": codes, "output.weight": output}
    kind = gguf.GGMLQuantizationType.Q8_0
    for tensor, values in matrices.items():
        packed = gguf.quants.quantize(values.astype(np.float32), kind)
        writer.add_tensor(tensor, packed, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_shape(writer: gguf.GGUFWriter, shape: _Shape) -> None:
    writer.add_context_length(shape.context_tokens)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.blocks)
    writer.add_feed_forward_length(shape.inner_width)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_rope_dimension_count(shape.width // shape.heads)
    writer.add_layer_norm_rms_eps(1e-5)


def _add_vocabulary(writer: gguf.GGUFWriter, tokens: list[str]) -> None:
    ordinary = len(tokens) - len(SPECIAL)
    kinds = [gguf.TokenType.CONTROL] * len(SPECIAL) + [gguf.TokenType.NORMAL] * ordinary
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    # llama.cpp refuses a vocabulary without a merge: this one joins two spaces
    writer.add_token_merges(["Ġ Ġ"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(END)
    writer.add_add_bos_token(value=False)
    writer.add_chat_template(TEMPLATE)
