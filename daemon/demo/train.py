"""Trains the demo on one CPU thread: the vocabulary, then the network, into a folder.

python -m demo.train OUT
"""

import argparse
import math
import random
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from demo import corpus, model, tokenizer
from demo.corpus import DECLINE, Corpus
from demo.model import Shape, Weights

VOCABULARY = 3072
STEPS, REPORT = 2734, 100
RATE, WARM_UP_STEPS, DECAY, DROPOUT = 1.5e-3, 60, 0.1, 0.15
AVERAGE = 0.998  # of the weights: what is kept of the running mean at each step
QUESTIONS, ANSWERS, BATCHES_AHEAD = 64, 6, 16  # of each in a step: whole answers are long
# So much of every question is "decline" to the loss: at temperature 0 an answer is then given only
# when the network is surer of it than CAUTION / (1 - CAUTION), not whenever it is the likeliest.
CAUTION = 0.35
LONGEST = 160
IGNORED = -100

Sample = tuple[list[int], int]  # token ids; how many of them are given, the rest is to be said
Batch = tuple[Tensor, Tensor]  # token ids; the same or IGNORED


class Sampler:
    """Endless batches: what a question is about, and whole answers."""

    def __init__(self, text: Corpus, tokens: Tokenizer, seed: int) -> None:
        self.text, self.tokens, self.rng = text, tokens, random.Random(seed)
        self.answers = {i: self._encode(a) for i, a in text.answers.items()}
        self.user, self.reply, self.end, self.decline = (
            tokens.token_to_id(t) for t in (tokenizer.USER, tokenizer.REPLY, tokenizer.END, DECLINE)
        )
        self.ready: list[list[Sample]] = []

    def questions(self) -> Batch:
        """Return questions of about equal length, each up to the token that settles its topic."""
        if not self.ready:
            samples = [self._sample() for _ in range(QUESTIONS * BATCHES_AHEAD)]
            samples.sort(key=lambda sample: len(sample[0]))
            self.ready = [samples[i : i + QUESTIONS] for i in range(0, len(samples), QUESTIONS)]
            self.rng.shuffle(self.ready)
        return _pad(self.ready.pop())

    def with_answers(self) -> Batch:
        return _pad([self._sample(is_whole=True) for _ in range(ANSWERS)])

    def _sample(self, *, is_whole: bool = False) -> Sample:
        question, intent = self.text.sample(self.rng)
        ids = [self.user, *self._encode(question)[:LONGEST], self.reply, self._topic(intent)]
        if not is_whole:
            return ids, len(ids) - 1
        return [*ids, *self.answers.get(intent, []), self.end], len(ids)

    def _topic(self, intent: str) -> int:
        if intent == DECLINE:
            return int(self.decline)
        return int(self.tokens.token_to_id(tokenizer.topic_token(intent)))

    def _encode(self, text: str) -> list[int]:
        return list(self.tokens.encode(text, add_special_tokens=False).ids)


def train(tokens: Tokenizer, *, seed: int, steps: int) -> dict[str, np.ndarray]:
    """Return the weights, averaged over the last steps, and the sizes as `shape.NAME`."""
    torch.manual_seed(seed)
    sampler = Sampler(corpus.load(), tokens, seed)
    shape = Shape(tokens.get_vocab_size())
    weights = model.new_weights(shape)
    average = {name: w.detach().clone() for name, w in weights.items()}
    optimizer = _optimizer(weights)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = RATE * _schedule(step, steps)
        about = _cautious_loss(weights, shape, sampler.questions(), sampler.decline)
        whole = _loss(weights, shape, sampler.with_answers())
        optimizer.zero_grad(set_to_none=True)
        (about + whole).backward()
        torch.nn.utils.clip_grad_norm_(weights.values(), 1.0)
        optimizer.step()
        with torch.no_grad():
            for name, w in weights.items():
                average[name].lerp_(w, 1 - min(AVERAGE, step / (step + 10)))
        if step % REPORT == 0:
            print(f"{step} of {steps}: {about.item():.3f} {whole.item():.3f}", flush=True)
    sizes = {f"shape.{name}": np.array(size) for name, size in asdict(shape).items()}
    return {name: w.numpy() for name, w in average.items()} | sizes


def _optimizer(weights: Weights) -> torch.optim.Optimizer:
    matrices = [w for w in weights.values() if w.dim() > 1]
    vectors = [w for w in weights.values() if w.dim() == 1]
    return torch.optim.AdamW(
        [{"params": matrices, "weight_decay": DECAY}, {"params": vectors, "weight_decay": 0.0}],
        lr=RATE,
        betas=(0.9, 0.98),
        fused=True,
    )


def _cautious_loss(weights: Weights, shape: Shape, batch: Batch, decline: int) -> Tensor:
    guess, wanted = _guess(weights, shape, batch)
    said = functional.cross_entropy(guess, wanted)
    declined = functional.cross_entropy(guess, torch.full_like(wanted, decline))
    return (1 - CAUTION) * said + CAUTION * declined


def _loss(weights: Weights, shape: Shape, batch: Batch) -> Tensor:
    return functional.cross_entropy(*_guess(weights, shape, batch))


def _guess(weights: Weights, shape: Shape, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the scores of all tokens where one is to be said, and the one that is."""
    ids, wanted = batch[0], batch[1][:, 1:]
    state = model.hidden(weights, shape, ids, dropout=DROPOUT)[:, :-1]
    counts = wanted != IGNORED
    return model.logits(weights, state[counts]), wanted[counts]


def _schedule(step: int, steps: int) -> float:
    """Return the part of RATE that holds at `step`: up quickly, down along a cosine."""
    fall = 0.5 * (1 + math.cos(math.pi * step / steps))
    return min(1.0, (step + 1) / WARM_UP_STEPS) * (0.03 + 0.97 * fall)


def _pad(samples: list[Sample]) -> Batch:
    longest = max(len(ids) for ids, _ in samples)
    batch = torch.zeros(len(samples), longest, dtype=torch.long)
    wanted = torch.full((len(samples), longest), IGNORED)
    for row, (ids, given) in enumerate(samples):
        batch[row, : len(ids)] = torch.tensor(ids)
        wanted[row, given : len(ids)] = torch.tensor(ids[given:])
    return batch, wanted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=STEPS)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    text = corpus.load()
    tokens = tokenizer.train(text.every_text(), text.answers, size=VOCABULARY)
    tokens.save(str(options.out / "tokenizer.json"))
    arrays = train(tokens, seed=options.seed, steps=options.steps)
    # numpy's types fear an array named allow_pickle
    np.savez(options.out / "weights.npz", **arrays)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
