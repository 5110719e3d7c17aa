"""Writes what train.py left in a folder as a GGUF file for llama.cpp.

python -m demo.export OUT chatd/backends/demo.gguf
"""

import json
import sys
from pathlib import Path
from typing import Any  # JSON of the tokenizers library

import gguf
import numpy as np
from gguf import GGMLQuantizationType, LlamaFileType, TokenType

from demo.corpus import DECLINE
from demo.tokenizer import END, LLAMA_CPP_NAME, PAD

# the last message alone: one question, no system prompt, no earlier turn
TEMPLATE = "<|user|>{{ messages[-1]['content'] }}<|reply|>"
NORM_EPSILON, ROPE_BASE = 1e-5, 10000.0


def export(folder: Path, path: Path) -> None:
    """Write `path`, eight bits a weight."""
    arrays = dict(np.load(folder / "weights.npz"))
    shape = {key: int(arrays.pop(f"shape.{key}")) for key in
             ("vocabulary", "width", "layers", "heads", "inner", "context")}  # fmt: skip
    writer = gguf.GGUFWriter(path, "llama")
    _describe(writer)
    _add_shape(writer, shape)
    _add_vocabulary(writer, json.loads((folder / "tokenizer.json").read_text()))
    for name, array in arrays.items():
        if array.ndim == 1:
            writer.add_tensor(name, array)
        else:
            kind = GGMLQuantizationType.Q8_0
            writer.add_tensor(name, gguf.quants.quantize(array, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _describe(writer: gguf.GGUFWriter) -> None:
    writer.add_name("demo")
    writer.add_description("The small model built into chatd, trained only on text written for it.")
    writer.add_license("MIT")
    writer.add_file_type(LlamaFileType.MOSTLY_Q8_0)


def _add_shape(writer: gguf.GGUFWriter, shape: dict[str, int]) -> None:
    writer.add_context_length(shape["context"])
    writer.add_embedding_length(shape["width"])
    writer.add_block_count(shape["layers"])
    writer.add_feed_forward_length(shape["inner"])
    writer.add_head_count(shape["heads"])
    writer.add_head_count_kv(shape["heads"])
    writer.add_layer_norm_rms_eps(NORM_EPSILON)
    writer.add_rope_dimension_count(shape["width"] // shape["heads"])
    writer.add_rope_freq_base(ROPE_BASE)
    writer.add_vocab_size(shape["vocabulary"])


def _add_vocabulary(writer: gguf.GGUFWriter, tokenizer: dict[str, Any]) -> None:
    ids = tokenizer["model"]["vocab"]
    special = {token["content"] for token in tokenizer["added_tokens"]}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(LLAMA_CPP_NAME)
    names = sorted(ids, key=ids.__getitem__)
    writer.add_token_list(names)
    writer.add_token_types([_kind(name, special) for name in names])
    writer.add_token_merges([" ".join(pair) for pair in tokenizer["model"]["merges"]])
    writer.add_bos_token_id(ids[PAD])
    writer.add_eos_token_id(ids[END])
    writer.add_pad_token_id(ids[PAD])
    writer.add_add_bos_token(value=False)
    writer.add_chat_template(TEMPLATE)


def _kind(name: str, special: set[str]) -> TokenType:
    if name == DECLINE:
        return TokenType.USER_DEFINED  # llama.cpp writes it out; a control token it would hide
    return TokenType.CONTROL if name in special else TokenType.NORMAL


if __name__ == "__main__":
    export(Path(sys.argv[1]), Path(sys.argv[2]))
