"""Texts for the campaign `loops`: clean ones that others wrote, and loops by their mechanism.

Nothing is chosen by hand.  Clean texts are cut out of what lies on this machine, sorted by name,
then shuffled by a fixed seed; the same seed takes the words of the made loops from clean prose.
"""

import ast
import gzip
import json
import random
import re
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

DOC = Path("/usr/share/doc")
STDLIB = Path(sysconfig.get_path("stdlib"))
LENGTHS = (400, 4000)  # characters, as a reply has
SEED = 6


def clean(data: Path | None) -> dict[str, list[str]]:
    """Return texts by kind: prose, lists, code, tables; `data` has GSM8K and LLMBar."""
    prose = [*_docstrings(), *_plain(DOC, ("README*", "NEWS*", "copyright")), *_answers(data)]
    return {
        "prose": _sample(prose),
        "lists": _sample([*_plain(DOC, ("changelog*",)), *filter(_is_list, _plain(DOC, ("*",)))]),
        "code": _sample(_plain(STDLIB, ("*.py",))),
        "tables": _sample([*_tables(), *_solutions(data)]),
    }


def _plain(folder: Path, patterns: tuple[str, ...]) -> list[str]:
    """Return a piece of each file, from a place and of a length that its name decides."""
    pieces = []
    for path in sorted({path for pattern in patterns for path in folder.rglob(pattern)}):
        if path.is_file() and not path.is_symlink() and "test" not in path.parts:
            pieces.append(_piece(_read(path), str(path)))
    return pieces


def _piece(text: str, name: str) -> str:
    chance = random.Random(name)
    length = chance.randint(*LENGTHS)
    begin = text.find("\n", chance.randint(0, max(0, len(text) - length))) + 1
    return text[begin : begin + length].rpartition("\n")[0]


def _read(path: Path) -> str:
    raw = path.read_bytes()[:2_000_000]
    if path.suffix == ".gz":
        raw = gzip.decompress(path.read_bytes())[:2_000_000]
    return raw.decode("utf-8", "ignore") if b"\0" not in raw else ""


def _docstrings() -> Iterator[str]:
    for path in sorted(STDLIB.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8", errors="ignore"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                if (said := ast.get_docstring(node)) and len(said) >= LENGTHS[0]:
                    yield said[: LENGTHS[1]]


def _answers(data: Path | None) -> Iterator[str]:
    for path in sorted(data.glob("llmbar/*.json")) if data else []:
        for pair in json.loads(path.read_text()):
            yield from (pair["output_1"], pair["output_2"])


def _solutions(data: Path | None) -> Iterator[str]:
    """Yield solutions of GSM8K, with their models, as tables of Markdown."""
    path = data / "gsm8k" / "example_model_solutions.jsonl.gz" if data else None
    lines = gzip.decompress(path.read_bytes()).splitlines() if path else []
    for line in lines[::4]:
        row = json.loads(line)
        cells = [(name, text) for name, text in row.items() if isinstance(text, str)]
        body = "\n".join(f"| {name} | {' '.join(text.split())} |" for name, text in cells)
        yield f"| what | text |\n|---|---|\n{body}"


def _tables() -> Iterator[str]:
    """Yield files of columns: what says more than half of its lines in the same number of them."""
    folders = (Path("/etc"), Path("/usr/share/zoneinfo"), Path("/usr/share/misc"), STDLIB, DOC)
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            name_fits = path.suffix in ("", ".tab", ".txt", ".csv", ".gz", ".conf", ".py", ".rst")
            try:
                if name_fits and path.is_file() and not path.is_symlink():
                    text = _piece(_read(path), str(path))
                    if _is_table(text):
                        yield text
            except OSError:
                continue  # a file of root's


def _is_table(text: str) -> bool:
    rows = [len(re.split(r"\t+| {2,}|\|", line.strip())) for line in text.splitlines() if line]
    return len(rows) > 8 and sum(width >= 3 for width in rows) > len(rows) / 2


def _is_list(text: str) -> bool:
    lines = [line for line in text.splitlines() if line.strip()]
    return sum(bool(re.match(r"\s*([-*+]|\d+[.)]) ", line)) for line in lines) > len(lines) / 2


def _sample(texts: list[str]) -> list[str]:
    """Return all texts of a reply's length, each once, in an order that a seed decides."""
    found = sorted({text for text in texts if LENGTHS[0] <= len(text.strip()) <= LENGTHS[1]})
    random.Random(SEED).shuffle(found)
    return found


# -- loops by their mechanism ---------------------------------------------------------------------

Make = Callable[[random.Random, list[str]], str]


def made(prose: list[str], each: int) -> dict[str, list[str]]:
    """Return `each` texts of every mechanism, of words from the prose."""
    found = {}
    for name, make in MECHANISMS.items():
        chance = random.Random(f"{SEED} {name}")
        found[name] = [make(chance, _sentences(chance.choice(prose))) for _ in range(each)]
    return found


def _sentences(text: str) -> list[str]:
    found = [" ".join(part.split()) for part in re.split(r"(?<=[.!?])\s+", text)]
    return [part for part in found if len(part) > 25] or [text[:80]]


def _begun(chance: random.Random, said: list[str]) -> str:
    """Return how a reply begins before it goes wrong: up to three sentences."""
    return " ".join(said[: chance.randint(0, 3)]) + " "


def _sentence(chance: random.Random, said: list[str]) -> str:
    one = chance.choice(said)
    return _begun(chance, said) + f"{one} " * chance.randint(6, 30)


def _cut(chance: random.Random, said: list[str]) -> str:
    whole = _sentence(chance, said)
    return whole[: -chance.randint(1, 20)]


def _alternating(chance: random.Random, said: list[str]) -> str:
    one, two = chance.choice(said), chance.choice(said)
    return _begun(chance, said) + f"{one} {two} " * chance.randint(5, 15)


def _word(chance: random.Random, said: list[str]) -> str:
    word = chance.choice(" ".join(said).split())
    return _begun(chance, said) + f"{word} " * chance.randint(80, 300)


def _characters(chance: random.Random, said: list[str]) -> str:
    return _begun(chance, said) + chance.choice("aeH!0)\u2026\U0001f600") * chance.randint(200, 900)


def _phrase(chance: random.Random, said: list[str]) -> str:
    words = chance.choice(said).split()
    size = min(len(words), chance.randint(2, 6))
    return _begun(chance, said) + f"{' '.join(words[:size])}, " * chance.randint(20, 60)


def _lines(chance: random.Random, said: list[str]) -> str:
    return _begun(chance, said) + f"\n- {chance.choice(said)}" * chance.randint(6, 25)


def _numbered(chance: random.Random, said: list[str]) -> str:
    item = chance.choice(said)
    rows = (f"\n{number}. {item}" for number in range(1, chance.randint(8, 30)))
    return _begun(chance, said) + "".join(rows)


def _counting(chance: random.Random, said: list[str]) -> str:
    words = chance.choice(said).rstrip(".")
    steps = (f"{words} {number}. " for number in range(1, chance.randint(10, 40)))
    return _begun(chance, said) + "".join(steps)


def _paragraphs(chance: random.Random, said: list[str]) -> str:
    block = "\n".join(said[: chance.randint(3, 6)])
    return f"{block}\n\n" * chance.randint(4, 9)


def _again(chance: random.Random, said: list[str]) -> str:
    answer = " ".join(said[: chance.randint(2, 5)])
    return f"Question: {said[0]}\nAnswer: {answer}\n\n" * chance.randint(4, 8)


def _near(chance: random.Random, said: list[str]) -> str:
    """One word of the sentence is another one each time."""
    words = chance.choice(said).split()
    place, others = chance.randrange(len(words)), "one two three four five".split()
    rows = []
    for _ in range(chance.randint(10, 30)):
        words[place] = chance.choice(others)
        rows.append(" ".join(words))
    return _begun(chance, said) + " ".join(rows)


def _escaped(chance: random.Random, said: list[str]) -> str:
    return _sentence(chance, said) + " ".join(said[-2:])


def _code(chance: random.Random, said: list[str]) -> str:
    name = re.sub(r"\W", "", chance.choice(said))[:12].lower()
    rows = (f"    {name}_{number} = {name}({number})\n" for number in range(chance.randint(20, 60)))
    return f"```python\ndef main():\n{''.join(rows)}```"


MECHANISMS: dict[str, Make] = {
    "a sentence again and again": _sentence,
    "the same, cut off in the middle": _cut,
    "two sentences in turn": _alternating,
    "one word": _word,
    "one character": _characters,
    "a phrase with commas": _phrase,
    "a line of a list": _lines,
    "a numbered list of one item": _numbered,
    "a sentence that counts": _counting,
    "a block of lines": _paragraphs,
    "question and answer anew": _again,
    "a sentence, one word changed": _near,
    "a loop that ends by itself": _escaped,
    "code that counts": _code,
}
