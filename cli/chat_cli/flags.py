"""The flags of what asks a model, each on one place; what they do is in `asking`."""

from typing import Annotated, Literal

import typer

Words = Annotated[list[str] | None, typer.Argument(metavar="[WORDS]...", show_default=False)]
Models = Annotated[
    list[str] | None,
    typer.Option(
        "-m", "--model", metavar="NAME", help="Ask this model; repeated: the next if it fails."
    ),
]
Model = Annotated[
    str | None, typer.Option("-m", "--model", metavar="NAME", help="Ask this model (see models).")
]
System = Annotated[
    str | None, typer.Option("-s", "--system", metavar="TEXT", help="Tell the model how to be.")
]
Files = Annotated[
    list[str] | None,
    typer.Option("-f", "--file", metavar="FILE", help="Send a text or an image too; - is stdin."),
]
LeaveStdin = Annotated[
    bool, typer.Option("-0", "--no-stdin", help="Leave stdin alone, as in a `while read` loop.")
]
GoOn = Annotated[
    int,
    typer.Option(
        "-c", "--continue", count=True, help="Go on in this terminal's last chat; -cc: in the last."
    ),
]
Name = Annotated[
    str | None,
    typer.Option("-C", "--chat", metavar="NAME", help="Go on in this chat, made if need be."),
]
Options = Annotated[
    list[str] | None,
    typer.Option("-o", "--option", metavar="KEY VALUE", help="Give the server an option, as JSON."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object when it is done.")]
AsLines = Annotated[bool, typer.Option("--jsonl", help="Print each event, as a line of JSON.")]
Extract = Annotated[
    str | None,
    typer.Option(
        "-x",
        "--extract",
        metavar="[LANG]",
        help="Print only the first block of code (-xpython: of Python).",
    ),
]
Usage = Annotated[bool, typer.Option("-u", "--usage", help="Tell tokens and times on stderr.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing on stderr but errors.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Tell all steps on stderr.")]
DryRun = Annotated[bool, typer.Option("-n", "--dry-run", help="Print the request, send nothing.")]
IsRaw = Annotated[bool, typer.Option("--raw", help="Do not render Markdown on a terminal.")]
NoStream = Annotated[bool, typer.Option("--no-stream", help="Print nothing before the end.")]
Think = Annotated[
    Literal["show", "hide", "stderr"] | None,
    typer.Option(help="What the model thinks: in the answer, not, or on stderr."),
]
MaxTime = Annotated[
    str | None, typer.Option("--max-time", metavar="60s", help="Give up after so long: exit 124.")
]
Ephemeral = Annotated[
    bool, typer.Option("--ephemeral", help="Keep nothing of it, not even in RAM.")
]
RequireModel = Annotated[
    bool, typer.Option("--require-model", help="Fail if another model answers.")
]
Priority = Annotated[
    Literal["interactive", "normal", "batch"] | None,
    typer.Option(help="Wait behind others; it only lowers."),
]
NoInput = Annotated[bool, typer.Option("--no-input", help="Never ask the person anything.")]
Yes = Annotated[bool, typer.Option("-y", "--yes", hidden=True)]  # as elsewhere; nothing is asked
NoStart = Annotated[bool, typer.Option("--no-start", help="Do not start chatd if none runs.")]
