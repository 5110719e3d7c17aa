"""The network: llama's, as functions over a dictionary of weights with GGUF's tensor names."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

Weights = dict[str, Tensor]
EPSILON = 1e-5
ROPE_BASE = 10000.0


@dataclass(frozen=True)
class Shape:
    """Sizes of the network; `context` is what the file promises, not a size of any weight."""

    vocabulary: int
    width: int = 256
    layers: int = 3
    heads: int = 4
    inner: int = 768
    context: int = 512


def new_weights(shape: Shape) -> Weights:
    weights: Weights = {}
    narrow = 0.02 / math.sqrt(2 * shape.layers)

    def add(name: str, rows: int, columns: int, deviation: float = 0.02) -> None:
        weights[name] = torch.randn(rows, columns) * deviation

    add("token_embd.weight", shape.vocabulary, shape.width)
    weights["output_norm.weight"] = torch.ones(shape.width)
    for layer in range(shape.layers):
        at = f"blk.{layer}."
        weights[f"{at}attn_norm.weight"] = torch.ones(shape.width)
        weights[f"{at}ffn_norm.weight"] = torch.ones(shape.width)
        for part in ("attn_q", "attn_k", "attn_v"):
            add(f"{at}{part}.weight", shape.width, shape.width)
        add(f"{at}attn_output.weight", shape.width, shape.width, narrow)
        add(f"{at}ffn_gate.weight", shape.inner, shape.width)
        add(f"{at}ffn_up.weight", shape.inner, shape.width)
        add(f"{at}ffn_down.weight", shape.width, shape.inner, narrow)
    for weight in weights.values():
        weight.requires_grad_()
    return weights


def hidden(weights: Weights, shape: Shape, ids: Tensor, *, dropout: float = 0.0) -> Tensor:
    """Return the last layer's state for each of `ids`: (batch, length, width)."""
    x = functional.embedding(ids, weights["token_embd.weight"])
    x = functional.dropout(x, dropout)
    rope = _rope(shape, ids.shape[1])
    for layer in range(shape.layers):
        block = {n: weights[f"blk.{layer}.{n}.weight"] for n in BLOCK}
        x = x + functional.dropout(_attend(block, shape, x, rope), dropout)
        x = x + functional.dropout(_feed(block, x), dropout)
    return _norm(x, weights["output_norm.weight"])


def logits(weights: Weights, state: Tensor) -> Tensor:
    return functional.linear(state, weights["token_embd.weight"])


BLOCK = (
    "attn_norm", "attn_q", "attn_k", "attn_v", "attn_output",
    "ffn_norm", "ffn_gate", "ffn_up", "ffn_down",
)  # fmt: skip


def _attend(block: Weights, shape: Shape, x: Tensor, rope: tuple[Tensor, Tensor]) -> Tensor:
    batch, length, width = x.shape
    normed = _norm(x, block["attn_norm"])

    def heads(name: str) -> Tensor:
        y = functional.linear(normed, block[name])
        return y.view(batch, length, shape.heads, width // shape.heads).transpose(1, 2)

    mixed = functional.scaled_dot_product_attention(
        _rotate(heads("attn_q"), rope), _rotate(heads("attn_k"), rope), heads("attn_v"),
        is_causal=True,
    )  # fmt: skip
    joined = mixed.transpose(1, 2).reshape(batch, length, width)
    return functional.linear(joined, block["attn_output"])


def _feed(block: Weights, x: Tensor) -> Tensor:
    normed = _norm(x, block["ffn_norm"])
    gate = functional.silu(functional.linear(normed, block["ffn_gate"]))
    return functional.linear(gate * functional.linear(normed, block["ffn_up"]), block["ffn_down"])


def _norm(x: Tensor, weight: Tensor) -> Tensor:
    return functional.rms_norm(x, (x.shape[-1],), weight, EPSILON)


def _rope(shape: Shape, length: int) -> tuple[Tensor, Tensor]:
    size = shape.width // shape.heads
    frequency = 1.0 / (ROPE_BASE ** (torch.arange(0, size, 2).float() / size))
    angle = torch.outer(torch.arange(length).float(), frequency)
    return angle.cos(), angle.sin()


def _rotate(x: Tensor, rope: tuple[Tensor, Tensor]) -> Tensor:
    # neighbours are pairs: llama.cpp's order for the architecture "llama"
    cos, sin = rope
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)
