"""The vocabulary: byte-level BPE over our own text, cut as llama.cpp's `qwen2` cuts."""

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from demo.corpus import DECLINE

PAD, USER, REPLY, END = "<|pad|>", "<|user|>", "<|reply|>", "<|end|>"
# must cut as llama.cpp does for this name, or the model reads other tokens than it was trained on
LLAMA_CPP_NAME = "qwen2"
CUT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def topic_token(intent: str) -> str:
    """Return the unseen token that the model writes before an answer: it settles which one."""
    return f"<|topic:{intent}|>"


def special_tokens(intents: Iterable[str]) -> list[str]:
    """Return the tokens that no text of a person is made of; DECLINE is the only one shown."""
    return [PAD, USER, REPLY, END, DECLINE, *map(topic_token, sorted(intents))]


def train(texts: Iterable[str], intents: Iterable[str], *, size: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(CUT), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])  # fmt: skip
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=special_tokens(intents),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    # in both cases, and with a space ahead as within a sentence
    varied = (v for t in texts for v in (t, t.lower(), f" {t}", f" {t.lower()}"))
    tokenizer.train_from_iterator(varied, trainer)
    return tokenizer
