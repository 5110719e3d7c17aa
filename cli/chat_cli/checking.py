"""`chat check`: a text from anywhere is checked as a reply would be, and no model is asked."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from chat_cli import exec_check, flags, link, output, piped
from chat_cli.demands import Demands
from chat_rpc import errors, methods, person
from chat_rpc.checks import named, plain

FAILED, CANNOT_RUN = errors.ChecksFailed.exit, errors.CheckError.exit
EXEC_S = 30.0
NO_JUDGE = "no model is asked here; chat --judge RUBRIC has one judge an answer"

Source = Annotated[
    str, typer.Argument(metavar="FILE", help="The text; - or nothing: stdin.", show_default=False)
]
Profiles = Annotated[
    list[str] | None,
    typer.Option("--profile", metavar="NAME", help="The checks of [checks.NAME] in config.toml."),
]
Asked = Annotated[
    str, typer.Option("--prompt", metavar="TEXT", help="What was asked, for checks of sources.")
]
Data = Annotated[
    str | None,
    typer.Option("--data", metavar="FILE", help="What was piped in, for checks of sources."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")]


def check(
    source: Source = "-",
    check: flags.Checks = None,
    no_check: flags.NoChecks = None,
    schema: flags.Schema = None,
    profile: Profiles = None,
    prompt: Asked = "",
    data: Data = None,
    *,
    as_json: AsJson = False,
) -> int:
    """Check a text as an answer is checked; no model is asked.

    Nothing is printed where it passes (exit 0). Else stderr has a line for each check that failed
    (exit 3) or could not run (exit 5).

    \b
      chat check answer.json --schema schema.json
      make notes | chat check --check words:..200 --check not-contains:TODO
    """
    me, demands = person.load(), Demands(without=list(no_check or ()))
    demands.add(check or (), me)
    demands.add_profiles(profile or (), me)
    if schema is not None:
        demands.add_schema(schema)
    text = _read(source)
    asked = methods.Validate(
        reply=text,
        prompt=prompt,
        data=_read(data) if data is not None else "",
        checks=named(demands.checks),
        without=demands.without,
    )
    client = link.connect()
    asked.answers = _answers(asked.checks, text)
    verdict = client.call(methods.VALIDATE, asked).verdict
    if as_json:
        output.line(msgspec.json.encode(verdict).decode())
    return _told(verdict)


def _told(verdict: methods.Verdict) -> int:
    """Tell of what did not pass, and return the exit code."""
    for result in verdict.checks:
        if result.verdict in ("fail", "error"):
            soft = " (soft)" if result.severity == "soft" else ""
            output.note(f"{result.verdict}: {result.id}{soft}: {' '.join(result.reason.split())}")
    if verdict.failed_hard:
        return FAILED
    return CANNOT_RUN if any(result.verdict == "error" for result in verdict.checks) else 0


def _answers(checks: list[methods.Check], text: str) -> list[methods.Answer]:
    """Run the programs of the `exec` checks; what is wrong with their values chatd tells."""
    answers = []
    for check in checks:
        if plain(check.type) == "judge":
            answers.append(methods.Answer(check=check.id, verdict="error", reason=NO_JUDGE))
        value = check.value if isinstance(check.value, dict) else {"argv": check.value}
        if plain(check.type) != "exec" or not (argv := exec_check.words(value.get("argv"))):
            continue
        verdict, reason = exec_check.run(argv, text, float(value.get("timeout_s", EXEC_S)))
        answers.append(methods.Answer(check=check.id, verdict=verdict, reason=reason))
    return answers


def _read(source: str) -> str:
    if source == "-":
        return piped.text(piped.read(told=True))
    try:
        return Path(source).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise errors.InvalidParams(f"{source} is not UTF-8 text") from None
    except FileNotFoundError:
        raise errors.NoSuchFile(f"{source}: no such file") from None
    except OSError as exc:
        raise errors.InvalidParams(f"{source}: {exc.strerror}") from None
