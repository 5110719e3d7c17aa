"""What the makers of pages share: tables, sentences, and writing a page or finding it stale."""

import argparse
import sys
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

DOCS = Path(__file__).parent
WIDTH = 100


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; a cell may hold any text but a newline."""
    lines = []
    for row in (head, ["---"] * len(head), *rows):
        cells = " | ".join(cell.replace("|", r"\|") for cell in row)
        lines.append(f"| {cells} |")
    return "\n".join(lines)


def sentences(documented: type) -> str:
    """Return the docstring of a class as one line; empty if it has none."""
    return " ".join((documented.__doc__ or "").split())


def wrapped(text: str) -> str:
    """Return one paragraph on lines that are not too long."""
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def size(size_bytes: int) -> str:
    """Return a number of bytes, and in brackets what it is when that is a round one."""
    for unit, name in ((2**30, "GiB"), (2**20, "MiB"), (10**6, "MB"), (2**10, "KiB")):
        if size_bytes >= unit and size_bytes % unit == 0:
            return f"{size_bytes} ({size_bytes // unit} {name})"
    return str(size_bytes)


def publish(name: str, text: str) -> None:
    """Write docs/`name`; with `--check` in the command line, exit 1 if that would change it."""
    parser = argparse.ArgumentParser(description=f"Makes docs/{name}.")
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if it is stale")
    page = DOCS / name
    if not parser.parse_args().check:
        page.write_text(text, encoding="utf-8")
    elif not page.exists() or page.read_text(encoding="utf-8") != text:
        sys.exit(f"docs/{name} is stale: run python docs/{Path(sys.argv[0]).name}")
