"""Markdown as lines for a terminal, block by block; nothing is printed or moved here.

Loaded only where it is needed: rich takes as long to load as eight bare starts of Python.
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich import markdown as rendering
from rich.color import ColorSystem
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.syntax import Syntax
from rich.theme import Theme

from chat_cli.terminal import safe

CODE_THEME = "ansi_dark"  # the terminal's own colours, whatever they are
THEME = Theme({"markdown.code": "bold cyan", "markdown.h1": "bold underline"})

# without HTML: `<br>` in a sentence is something that is talked about
_parse = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"]).parse


def blocks(source: str) -> list[str]:
    """Return the source of each block at the top, such as a paragraph, a list or a fence.

    Only the last can still change when more text comes.
    """
    starts = [token.map[0] for token in _parse(source) if token.level == 0 and token.map]
    starts = sorted(set(starts[1:]))
    lines = source.split("\n")
    ends = [*starts, len(lines)]
    return [
        "\n".join(lines[start:end]) + ("" if end == len(lines) else "\n")
        for start, end in zip([0, *starts], ends, strict=True)
    ]


class Page:
    """Renders for one width."""

    def __init__(self, width: int):
        self._console = Console(width=width, theme=THEME, highlight=False, legacy_windows=False)
        name = self._console.color_system
        self._colours = ColorSystem[_COLOURS[name]] if name else None

    def lines(self, source: str) -> list[str]:
        """Return a block as lines, without blank ones around and blanks at their ends."""
        document = _Document("", code_theme=CODE_THEME, hyperlinks=False)
        document.parsed = list(_plain(_parse(source)))
        segments = self._console.render_lines(document, pad=False, new_lines=False)
        lines = [self._line(line) for line in segments]
        while lines and not lines[-1]:
            lines.pop()
        while lines and not lines[0]:
            lines.pop(0)
        return lines

    def _line(self, segments: Sequence[Segment]) -> str:
        parts = [part for part in segments if not part.control]
        while parts and not parts[-1].text.strip():
            parts.pop()
        if parts:
            parts[-1] = Segment(parts[-1].text.rstrip(), parts[-1].style)
        return "".join(self._styled(part) for part in parts)

    def _styled(self, segment: Segment) -> str:
        style = segment.style
        if style is None:
            return segment.text
        if self._console.no_color:
            style = style.without_color
        return style.render(segment.text, color_system=self._colours)


_COLOURS = {"standard": "STANDARD", "256": "EIGHT_BIT", "truecolor": "TRUECOLOR"}


class _Code(rendering.CodeBlock):
    """Code as it can be copied: no frame, no margin, no background."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Syntax(
            str(self.text).rstrip("\n"),
            self.lexer_name,
            theme=self.theme,
            word_wrap=True,
            background_color="default",
        )


class _Heading(rendering.Heading):
    """A heading that begins where everything begins."""

    LEVEL_ALIGN: ClassVar = {}


class _Document(rendering.Markdown):
    elements: ClassVar[dict[str, type[rendering.MarkdownElement]]] = {
        **rendering.Markdown.elements,
        "fence": _Code,
        "code_block": _Code,
        "heading_open": _Heading,
    }


def _plain(tokens: Sequence[Token]) -> Iterator[Token]:
    """Make tokens what can be shown: the filter again, for Markdown writes characters as `&#27;`;
    a picture is its text and address; a line that the model ended ends."""
    for token in tokens:
        token.content = safe(token.content)
        token.attrs = {
            name: safe(value) if isinstance(value, str) else value
            for name, value in token.attrs.items()
        }
        if token.type == "image":
            token.type, token.tag = "text", ""
            token.content = f"{token.content} ({token.attrs.get('src', '')})"
            token.children = None
        elif token.type == "softbreak":
            token.type = "hardbreak"
        if token.children:
            token.children = list(_plain(token.children))
        yield token
