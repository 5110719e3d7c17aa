"""The documents are true: made pages are fresh, links lead somewhere, tables are total."""

import os
import pwd
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from chat_cli import manual, output
from chat_cli.exits import EXITS
from chat_cli.outline import Command, outline
from chat_cli.verbs import VERBS, Verb
from chat_rpc import errors, methods
from chatd import config
from chatd.store import journal
from tests.harness import ROOT, run

DOCS = ROOT / "docs"
README = ROOT / "README.md"
CI = ROOT / ".ci/run"
USAGE = 2  # typer's own
MADE_BY_OTHERS = {"__pycache__", "dist", "node_modules"}
STANDARD = frozenset(
    "bin boot dev etc home lib lib64 media mnt opt proc root run sbin srv sys tmp usr var".split()
)


def text_files() -> Iterator[Path]:
    """Yield the project's own files that are text."""
    for directory, children, names in os.walk(ROOT):
        children[:] = [
            child
            for child in children
            if (not child.startswith(".") or child == ".ci")
            and child not in MADE_BY_OTHERS
            and not child.endswith(".egg-info")
            and not Path(directory, child, "pyvenv.cfg").exists()
        ]
        for name in names:
            path = Path(directory, name)
            if path.is_file() and not path.is_symlink() and b"\0" not in path.read_bytes():
                yield path


def every_command() -> Iterator[Command]:
    for command in outline():
        yield command
        yield from command.commands


PAGES = sorted(path for path in text_files() if path.suffix == ".md")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(page: Path, language: str, *, under: str | None = None) -> list[str]:
    """Return the fenced blocks of a page, or of one of its `## ` sections."""
    text = page.read_text()
    if under is not None:
        _, _, text = text.partition(f"\n## {under}\n")
        text = re.split(r"^## ", text, maxsplit=1, flags=re.MULTILINE)[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def prose(page: Path) -> str:
    return re.sub(r"^```.*?^```$|`[^`\n]+`", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return what its headings are called in a link."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def first_cells(page: Path, head: str) -> list[str]:
    """Return the first column of the table that begins with `head`."""
    lines = page.read_text().partition(f"\n{head}\n")[2].splitlines()[1:]
    cells = []
    for line in lines:
        if not line.startswith("|"):
            break
        cells.append(line.split("|")[1].strip())
    return cells


@pytest.mark.parametrize(
    "maker", ["make_protocol.py", "make_configuration.py", "make_checks.py", "make_man.py"]
)
def test_a_made_page_is_fresh(maker: str) -> None:
    ran = run([sys.executable, str(DOCS / maker), "--check"])
    assert ran.status == 0, ran.err


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert file.is_relative_to(ROOT), target
        assert not anchor or anchor in anchors(file), target


def test_the_protocol_tells_of_every_method_and_notification() -> None:
    page = (DOCS / "protocol.md").read_text()
    for name in (*methods.METHODS, *methods.NOTIFICATIONS):
        assert f"\n### {name}\n" in page, name


@pytest.mark.parametrize("error", errors.table(), ids=lambda error: error.__name__)
def test_the_protocol_tells_of_every_error(error: type[errors.RpcError]) -> None:
    row = rf"^\| {error.code} \| {error.kind} \| (yes|no) \| {error.exit} \| \S"
    assert re.search(row, (DOCS / "protocol.md").read_text(), re.MULTILINE)


def test_every_exit_code_is_told() -> None:
    exits = {error.exit for error in errors.table()} | {errors.NotRunning.exit}
    assert set(EXITS) == exits | {0, 1, USAGE, output.CLOSED_PIPE, output.TERMINATED}


@pytest.mark.parametrize(
    ("page", "head"),
    [(DOCS / "design.md", "| exit | means |"), (README, "| code | means |")],
    ids=["design", "README"],
)
def test_a_table_of_exit_codes_is_that_of_chat_help(page: Path, head: str) -> None:
    rows = page.read_text().partition(f"\n{head}\n")[2].partition("\n\n")[0].splitlines()[1:]
    assert rows == [f"| {code} | {meaning} |" for code, meaning in EXITS.items()]


def test_the_design_tells_of_every_module() -> None:
    page = (DOCS / "design.md").read_text()
    for folder in ("daemon/chat_rpc", "daemon/chatd", "cli/chat_cli"):
        for path in (ROOT / folder).rglob("*.py"):
            name = path.parent.name if path.stem == "__init__" else path.stem
            assert re.search(rf"\b{name}\b", page), name_of(path)


def test_the_journal_lines_in_the_design_are_real() -> None:
    page = (DOCS / "design.md").read_bytes()
    lines = re.findall(rb"^[0-9a-f]{8} \{.*\}$", page, re.MULTILINE)
    assert len(lines) > 3
    assert all(journal.is_sound(line) for line in lines)


def test_the_bare_machine_of_ci_gets_every_package_that_the_quick_start_names() -> None:
    (named,) = re.findall(r"apt-get install -y (.*?);", README.read_text(), re.DOTALL)
    (listed,) = re.findall(r"^packages=\((.*?)\)", CI.read_text(), re.DOTALL | re.MULTILINE)
    assert set(named.replace("\\", "").split()) <= set(listed.split())


def test_the_quick_start_has_one_block_to_ask_and_one_to_test() -> None:
    assert len(blocks(README, "sh", under="Quick start")) == 2


@pytest.mark.parametrize("page", sorted((DOCS / "man").iterdir()), ids=lambda page: page.name)
def test_a_man_page_has_nothing_that_man_warns_of(page: Path) -> None:
    if shutil.which("man") is None:
        pytest.skip("there is no man here")
    ran = run(["man", "--warnings", "-Tutf8", "-P", "cat", "-l", str(page)], env={"MANROFFSEQ": ""})
    assert (ran.status, ran.err) == (0, "")
    assert page.name.partition(".")[0].encode() in ran.out


@pytest.mark.parametrize("command", list(every_command()), ids=lambda command: command.name)
def test_the_man_page_tells_of_every_command_and_flag(command: Command) -> None:
    text = (DOCS / "man/chat.1").read_text().replace("\\-", "-")
    part = text.partition(f"\n.SS \\fBchat {command.name}\\fR")[2].partition("\n.SS ")[0]
    assert part
    for flag in command.flags:
        assert all(f"\\fB{name}\\fR" in part for name in flag.names)


@pytest.mark.parametrize("verb", VERBS.values(), ids=list(VERBS))
def test_the_help_of_chat_tells_of_every_command(verb: Verb) -> None:
    assert re.search(
        rf"^  {verb.name} +{re.escape(verb.summary)}$", manual.overview(), re.MULTILINE
    )


@pytest.mark.parametrize("command", list(every_command()), ids=lambda command: command.name)
def test_the_help_of_a_command_has_an_example(command: Command) -> None:
    assert re.search(
        rf"^  .*\bchat {command.name if ' ' in command.name else ''}", command.text, re.M
    )


@pytest.mark.parametrize("verb", VERBS)
def test_the_readme_tells_of_every_command(verb: str) -> None:
    assert re.search(rf"\bchat {verb}\b", README.read_text())


@pytest.mark.parametrize("page", [DOCS / "configuration.md", README], ids=name_of)
def test_an_example_of_chatd_toml_can_be_used(page: Path, tmp_path: Path) -> None:
    examples = blocks(page, "toml")
    assert examples
    for example in examples:
        file = tmp_path / "chatd.toml"
        file.write_text(example)
        assert config.load(file) != config.Config()


def test_no_file_names_a_package_index_or_the_machine_it_was_made_on() -> None:
    forbidden = {*indexes(), *own_paths()}
    pattern = re.compile(rf"(?<![\w.~/-])(?:{'|'.join(map(re.escape, forbidden))})(?![\w-])")
    found = {
        f"{name_of(path)}: {match[0]}"
        for path in text_files()
        if (match := pattern.search(path.read_text(errors="replace").replace("://", " ")))
    }
    assert not found


def indexes() -> set[str]:
    """Return the hosts and folders that packages come from: pip's own, and those set up here."""
    home = pwd.getpwuid(os.getuid()).pw_dir
    settings = run([sys.executable, "-m", "pip", "config", "list"], env={"HOME": home})
    own = "from pip._internal.models.index import PyPI as i; print(i.netloc, i.file_storage_domain)"
    places = run([sys.executable, "-c", own]).out.decode().split()
    for line in settings.out.decode().splitlines():
        name, _, value = line.partition("=")
        if re.search(r"index-url|find-links|trusted-host", name):
            places += value.strip("'\"").split()
    for name, value in os.environ.items():
        if re.search(r"INDEX|REGISTRY|FIND_LINKS", name.upper()):
            places += value.split()
    found = {place_of(place) for place in places}
    assert found, "pip tells of no index"
    return found - {"", "localhost"}


def place_of(address: str) -> str:
    """Return the host of an address, or the folder that it is."""
    parts = urlsplit(address)
    if parts.scheme in ("", "file"):
        return parts.path.rstrip("/")
    host = parts.hostname or ""
    return "" if host.startswith("127.") else host


def own_paths() -> set[str]:
    """Return where this tree and this Python are, when that is no usual place."""
    found = {str(ROOT)} if len(ROOT.parts) > 2 else set()
    for path in (ROOT, Path(sys.base_prefix)):
        if path.parts[1] not in STANDARD:
            found.add(f"/{path.parts[1]}")
    if Path(sys.base_prefix) not in (Path("/usr"), Path("/usr/local")):
        found.add(sys.base_prefix)
    return found


def test_help_env_tells_of_every_variable_that_is_read() -> None:
    read: set[str] = set()
    for folder in ("cli/chat_cli", "daemon/chat_rpc"):
        for path in (ROOT / folder).rglob("*.py"):
            read |= set(re.findall(r'environ(?:\.get\(|\[)b?"([A-Z_]+)"', path.read_text()))
    told = {name for names in manual.ENVIRONMENT for name in names.split(", ")}
    assert read - {"HOME"} <= told
