"""The flags of what asks a model, each on one place; what they do is in `asking`."""

from dataclasses import dataclass
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
        "-c",
        "--continue",
        count=True,
        show_default=False,
        help="Go on in this terminal's last chat; -cc: in the last anywhere.",
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
Template = Annotated[
    str | None,
    typer.Option("-t", "--template", metavar="NAME", help="Ask with a template (see templates)."),
]
Params = Annotated[
    list[str] | None,
    typer.Option("-p", "--param", metavar="KEY VALUE", help="Give the template a parameter."),
]
Checks = Annotated[
    list[str] | None,
    typer.Option(
        "--check", metavar="TYPE:VALUE", help="Demand something of the answer (see help checks)."
    ),
]
NoChecks = Annotated[
    list[str] | None,
    typer.Option("--no-check", metavar="TYPE", help="Do without one that is always on."),
]
Schema = Annotated[
    str | None,
    typer.Option("--schema", metavar="FILE", help="Demand JSON; also short: 'name, age int'."),
]
Tries = Annotated[
    int | None,
    typer.Option("--tries", min=1, max=10, metavar="N", help="Ask so often at most (3)."),
]
BestOf = Annotated[
    int,
    typer.Option(
        "--best-of",
        min=1,
        max=16,
        metavar="N",
        show_default=False,
        help="Ask so often, print the best.",
    ),
]
Vote = Annotated[bool, typer.Option("--vote", help="With --best-of: print what most of them say.")]
Judge = Annotated[
    str | None, typer.Option("--judge", metavar="RUBRIC", help="Have a model judge the answer.")
]
JudgeModel = Annotated[
    str | None, typer.Option("--judge-model", metavar="NAME", help="Have this model judge it.")
]
Repair = Annotated[
    bool, typer.Option("--repair", help="Cut JSON or code out of the answer where that mends it.")
]
PrintFailed = Annotated[
    bool, typer.Option("--print-failed", help="Print an answer that failed its checks too.")
]


@dataclass(frozen=True, kw_only=True)
class Flags:
    """All of `chat ask`, as they were given."""

    words: Words = None
    model: Models = None
    system: System = None
    template: Template = None
    param: Params = None
    file: Files = None
    leave_stdin: LeaveStdin = False
    go_on: GoOn = 0
    chat: Name = None
    option: Options = None
    check: Checks = None
    no_check: NoChecks = None
    schema: Schema = None
    tries: Tries = None
    best_of: BestOf = 1
    vote: Vote = False
    judge: Judge = None
    judge_model: JudgeModel = None
    repair: Repair = False
    print_failed: PrintFailed = False
    extract: Extract = None
    as_json: AsJson = False
    as_lines: AsLines = False
    is_raw: IsRaw = False
    no_stream: NoStream = False
    think: Think = None
    usage: Usage = False
    quiet: Quiet = False
    verbose: Verbose = False
    max_time: MaxTime = None
    priority: Priority = None
    require_model: RequireModel = False
    ephemeral: Ephemeral = False
    dry_run: DryRun = False
    no_input: NoInput = False
    no_start: NoStart = False
    yes: Yes = False
