"""Promise 1 on a whole machine; it comes last, when all other tests have asked their questions."""

import secrets
import shlex

import pytest
from tests.box.machine import STORE, Machine

pytestmark = pytest.mark.timeout(180)  # the first one installs

# /run/box is what was written to the disk; the rest is in RAM, and no place for words either
PLACES = ("/run", "/tmp", "/var/tmp", "/dev/shm", "/proc/[0-9]*/environ", "/proc/[0-9]*/cmdline")
PATTERNS = "/tmp/patterns"


def places_with(machine: Machine, words: list[str]) -> str:
    """Return the files of the machine, and the lines of its journal, that have one of these."""
    box = machine.box
    box.write(PATTERNS, "\n".join(words) + "\n")
    search = f"grep --fixed-strings --file {PATTERNS} --text"
    options = f"--recursive --files-with-matches --devices=skip --exclude={PATTERNS[5:]}"
    found = box.run("sh", "-c", f"{search} {options} {' '.join(PLACES)}").out.decode()
    box.do("journalctl", "--sync")
    said = box.run("sh", "-c", f"journalctl --all --output export | {search}").out.decode()
    box.path(PATTERNS).unlink()
    return found + said


def test_no_word_of_a_conversation_is_anywhere_but_in_the_store(machine: Machine) -> None:
    for arguments in (["-0", "-m", "hash"], ["-0", "-m", "echo"], ["-0", "-m", "cut"]):
        machine.chat(*arguments, machine.prompt())
    machine.chat("-m", "hash", stdin=machine.prompt().encode())
    turn = machine.ask(machine.prompt())
    in_store = machine.box.do("grep", "--recursive", "-l", turn.prompt, STORE)
    assert turn.turn in in_store or "journal" in in_store
    assert places_with(machine, machine.words) == ""


def test_that_search_finds_what_is_there(machine: Machine) -> None:
    turn = machine.ask(machine.prompt())
    assert "chatd" in places_with(machine, [turn.turn]), "the turns' ids are in the journal"
    word = f"canary{secrets.token_hex(12)}"
    machine.box.do("logger", word)
    assert word in places_with(machine, [word])
    for path in ("/var/tmp/planted", "/etc/planted", "/home/alice/planted", "/dev/shm/planted"):
        word = f"canary{secrets.token_hex(12)}"
        machine.box.do("sh", "-c", f"echo {shlex.quote(word)} > {path}")
        found = places_with(machine, [word])
        machine.box.do("rm", path)
        assert "planted" in found, path
