"""`chat` alone at a terminal: a conversation, seen through a terminal's eyes."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.conftest import StartDaemon
from tests.fakes.scripts import hash_reply
from tests.harness import CHAT, Daemon, ModelServer, configured, run, wait_for
from tests.hostile.attacks import ATTACKS
from tests.terminal import Terminal

from chat_cli.talking import commands
from chat_cli.talking.about import ABOUT_THIS
from chat_cli.verbs import VERBS
from chat_rpc import methods

READY = "ends in"  # below the line, when something was asked
BEGUN = "a new conversation"
CTRL_C, CTRL_D, ALT_ENTER, UP, TAB, EDITOR = "\x03", "\x04", "\x1b\r", "\x1b[A", "\t", "\x18\x05"


class Talk:
    """A person in a conversation."""

    def __init__(self, terminal: Terminal):
        self.terminal = terminal
        self._seen = 0

    def say(self, text: str) -> None:
        self._seen = len(self.terminal.text)
        self.terminal.type(f"{text}\r")

    def sees(self, text: str) -> None:
        self.terminal.wait_for(text)

    def leaves(self) -> int:
        self.terminal.type(CTRL_D)
        status = self.terminal.wait()
        self.terminal.is_left_in_order()
        return status


@contextmanager
def talk(daemon: Daemon, *arguments: str, env: dict[str, str] | None = None) -> Iterator[Talk]:
    place = {"CHATD_SOCKET": str(daemon.socket), **(env or {})}
    with Terminal([CHAT, *arguments], env=place, lines=40) as terminal:
        terminal.wait_for("chat: " if {"-C", "-cc"} & {*arguments} else BEGUN)
        yield Talk(terminal)


def turns(daemon: Daemon) -> list[methods.Turn]:
    """Return the turns of the conversation that was used last."""
    with daemon.client() as client:
        last = client.call(methods.CHATS, methods.Page(limit=1)).chats[0].chat
        return client.call(methods.CHAT, methods.ChatGet(chat=last)).turns


def test_questions_are_one_conversation(chatd: Daemon) -> None:
    with talk(chatd, "-m", "hash") as person:
        person.sees("hash answers")
        person.say("one")
        person.sees(hash_reply("one")[:40])
        person.sees("chat: hash, scripted")
        person.sees(READY)
        person.say("two")
        person.sees(hash_reply("two")[:40])
        person.sees(READY)
        assert person.leaves() == 0
    assert [turn.prompt for turn in turns(chatd)] == ["one", "two"]


def test_alt_enter_adds_a_line_and_what_is_pasted_may_have_several(chatd: Daemon) -> None:
    with talk(chatd, "-m", "echo") as person:
        person.say(f"one{ALT_ENTER}two")
        person.sees(READY)
        person.say("\x1b[200~three\nfour\x1b[201~")
        wait_for(lambda: len(turns(chatd)) == 2, "the second question")
        person.leaves()
    assert [turn.prompt for turn in turns(chatd)] == ["one\ntwo", "three\nfour"]


def test_ctrl_c_stops_the_answer_keeps_what_was_said_and_the_talk_goes_on(
    chatd: Daemon, scripted: ModelServer
) -> None:
    with talk(chatd, "-m", "stall") as person:
        person.say("x")
        person.sees("canary-first")
        person.terminal.interrupt()
        person.sees("stopped; what was said is kept")
        assert scripted.counts(open_streams=0)["disconnects_seen"] == 1
        person.sees(READY)
        person.say("/model hash")
        person.sees("hash answers")
        person.say("y")
        person.sees(hash_reply("y")[:40])
        assert person.leaves() == 0
    first, second = turns(chatd)
    assert (first.state, first.text) == ("cancelled", "canary-first ")
    assert second.state == "done"


def test_ctrl_c_at_the_line_drops_it_and_ctrl_d_leaves(chatd: Daemon) -> None:
    with talk(chatd) as person:
        person.terminal.type(f"not to be asked{CTRL_C}")
        person.sees("Ctrl-D leaves")
        assert person.leaves() == 0
    with chatd.client() as client:
        assert not client.call(methods.CHATS, methods.Page()).chats


@pytest.mark.parametrize("word", ["/quit", "exit"])
def test_a_word_leaves_too(chatd: Daemon, word: str) -> None:
    with talk(chatd) as person:
        person.say(word)
        assert person.terminal.wait() == 0
        person.terminal.is_left_in_order()


def test_sigterm_leaves_the_terminal_in_order(chatd: Daemon) -> None:
    with talk(chatd) as person:
        person.terminal.signal(signal.SIGTERM)
        assert person.terminal.wait() == 143
        person.terminal.is_left_in_order()


def test_what_is_typed_during_an_answer_waits_for_the_next_line(chatd: Daemon) -> None:
    with talk(chatd, "-m", "slow") as person:
        person.say("x")
        person.sees("3 ")
        person.terminal.type("typed ahead")
        person.sees("18 19")
        assert "typed" not in person.terminal.text.partition("18 19")[0]
        person.sees("> typed ahead")
        person.terminal.type(CTRL_C)
        assert person.leaves() == 0


def test_the_history_is_what_was_asked_anywhere(chatd: Daemon) -> None:
    environment = {"CHATD_SOCKET": str(chatd.socket)}
    assert run([CHAT, "-0", "-m", "hash", "asked in a pipe"], env=environment).status == 0
    with talk(chatd, "-m", "hash") as person:
        person.terminal.type(UP)
        person.sees("> asked in a pipe")


def test_tab_completes_commands_models_and_conversations(chatd: Daemon) -> None:
    with talk(chatd, "-m", "hash") as person:
        person.say("hello")
        person.sees(READY)
        person.say("/rename greeting")
        person.sees("greeting ·")
        person.terminal.type(f"/mod{TAB}")
        person.sees("models ")
        person.terminal.type(f"{CTRL_C}/model lett{TAB}")
        person.sees("/model letters")
        person.terminal.type(f"{CTRL_C}/chat gree{TAB}")
        person.sees("/chat greeting")


def test_a_line_is_drawn_anew_when_the_terminal_changes_its_size(chatd: Daemon) -> None:
    with talk(chatd, "-m", "echo") as person:
        person.terminal.type("a b c " * 10)
        person.terminal.resize(40, 20)
        person.say("the end")
        person.sees("chat: echo, scripted")
        person.leaves()
    assert turns(chatd)[0].prompt == "a b c " * 10 + "the end"


def test_a_chatd_that_dies_in_mid_answer_is_not_noticed(chatd: Daemon) -> None:
    with talk(chatd, "-m", "slow") as person:
        person.say("x")
        person.sees("3 ")
        chatd.kill()
        chatd.start()
        person.sees("0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19")
        person.sees(READY)
        person.leaves()
    assert turns(chatd)[0].attempts == 2


def test_a_chatd_that_dies_between_two_questions_is_not_noticed(chatd: Daemon) -> None:
    with talk(chatd, "-m", "hash") as person:
        person.say("one")
        person.sees(READY)
        chatd.kill()
        chatd.start()
        person.say("two")
        person.sees(hash_reply("two")[:40])
        person.leaves()
    assert len(turns(chatd)) == 2


def test_a_question_that_could_not_be_asked_is_not_lost(chatd: Daemon) -> None:
    with talk(chatd, "-m", "nope") as person:
        person.say("a long question")
        person.sees("no model is called nope")
        person.sees("> a long question")


def test_a_conversation_that_was_destroyed_meanwhile_is_told(chatd: Daemon) -> None:
    with talk(chatd, "-m", "hash") as person:
        person.say("one")
        person.sees(READY)
        with chatd.client() as client:
            client.call(methods.WIPE, methods.Wipe(all=True))
        person.say("two")
        person.sees("the next question begins another conversation")
        person.terminal.type("\r")
        person.sees(hash_reply("two")[:40])
        person.leaves()


def test_commands_are_those_of_the_shell_about_this_conversation(chatd: Daemon) -> None:
    with talk(chatd, "-m", "echo") as person:
        person.say("one")
        person.sees(READY)
        person.say("/rename it's mine")
        person.sees('it is called "it\'s mine" now')
        person.say("/keep 7d")
        person.sees("ends in 7 d 0 h, unless")
        person.say("/show @1")
        person.sees("> one")
        person.say("/good to the point")
        person.sees("good: the answer to 'one'")
        person.say("/refine @1 shorter")
        person.sees("Send the whole reply anew")
        person.say("/retry -m hash")
        person.sees(hash_reply("one")[:40])
        person.say("/select @1/1")
        person.sees("the conversation goes on from there")
        person.say("/fork")
        person.sees("this is a copy now")
        person.say("/wipe -y")
        person.sees("destroyed: 1 conversation")
        person.sees("the next question begins another")
        person.say("/list --nope")
        person.sees("No such option: --nope /help list tells how")
        person.say('/search "unbalanced')
        person.sees("No closing quotation")
        person.say("/nonsense")
        person.sees("there is no /nonsense")
        person.say("/show")
        person.sees("nothing was asked here yet")
        person.say("/etc/passwd is what")
        person.sees("chat: echo, scripted")
        person.leaves()
    assert turns(chatd)[0].prompt == "/etc/passwd is what"


def test_new_chat_and_system_change_what_is_asked_next(chatd: Daemon) -> None:
    with talk(chatd, "-m", "echo", "-C", "deploy") as person:
        person.sees("the next question begins 'deploy'")
        person.say("/system be brief")
        person.sees("the model is told: be brief")
        person.say("one")
        person.sees("deploy ·")
        person.say("/new other@2")
        person.sees("a title may not end so")
        person.say("/new other")
        person.sees("begins 'other'")
        person.say("two")
        person.sees("other ·")
        person.say("/chat deploy")
        person.sees("'deploy', 1 turn")
        person.say("three")
        wait_for(lambda: len(turns(chatd)) == 2, "the third question")
        person.leaves()
    assert [turn.prompt for turn in turns(chatd)] == ["one", "three"]
    assert turns(chatd)[0].system == "be brief"


def test_it_goes_on_in_the_last_conversation_of_the_terminal(chatd: Daemon) -> None:
    with talk(chatd, "-m", "hash") as person:
        person.say("one")
        person.sees(READY)
        person.leaves()
    with talk(chatd, "-cc", "-m", "hash") as person:
        person.sees("'one', 1 turn")
        person.sees(READY)
        person.say("two")
        wait_for(lambda: len(turns(chatd)) == 2, "the second question")
        person.sees(hash_reply("two")[:40])
        assert person.leaves() == 0


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["--ephemeral"], 2, "--ephemeral is for one question"),
        (["-t", "nothing"], 66, "nothing"),
        (["-c"], 66, "no conversation yet"),
        (["-c", "-C", "x"], 2, "different chats"),
    ],
)
def test_what_cannot_be_asked_does_not_begin(
    chatd: Daemon, arguments: list[str], status: int, says: str
) -> None:
    place = {"CHATD_SOCKET": str(chatd.socket)}
    with Terminal([CHAT, *arguments], env=place) as terminal:
        assert terminal.wait() == status, terminal.text
        assert says in terminal.text
        terminal.is_left_in_order()


def test_without_chatd_it_does_not_begin(ram: Path) -> None:
    with Terminal([CHAT], env={"CHATD_SOCKET": str(ram / "nobody")}) as terminal:
        assert terminal.wait() == 79
        terminal.is_left_in_order()


def test_files_go_with_the_next_question(chatd: Daemon, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("some notes")
    with talk(chatd, "-m", "echo") as person:
        person.say(f"/file {tmp_path}/notes.txt")
        person.sees("notes.txt, 10 B, goes with")
        person.say("/file no-such-file")
        person.sees("no such file")
        person.say("read it")
        person.sees("some notes")
        person.sees(READY)
        person.say("again")
        wait_for(lambda: len(turns(chatd)) == 2, "the second question")
        person.leaves()
    assert [len(turn.files) for turn in turns(chatd)] == [1, 0]


def test_a_check_s_verdict_is_told(chatd: Daemon) -> None:
    with talk(chatd, "-m", "hash", "--check", "contains:nowhere", "--tries", "1") as person:
        person.say("x")
        person.sees("contains")
        person.leaves()


def test_the_editor_s_file_is_in_ram_and_removed(chatd: Daemon, tmp_path: Path) -> None:
    script = tmp_path / "editor"
    script.write_text(f'#!/bin/sh\necho "$1" >{tmp_path}/place\nprintf "by an editor" >"$1"\n')
    script.chmod(0o755)
    with talk(chatd, "-m", "echo", env={"VISUAL": str(script)}) as person:
        person.terminal.type(f"typed{EDITOR}")
        person.sees("> by an editor")
        person.say("")
        person.sees("chat: echo, scripted")
        person.leaves()
    place = Path((tmp_path / "place").read_text().strip())
    assert place.is_relative_to("/run/user") or place.is_relative_to("/dev/shm")
    assert not place.parent.exists()
    assert turns(chatd)[0].prompt == "by an editor"


def test_hostile_text_titles_and_models_leave_the_terminal_as_it_was(
    start_daemon: StartDaemon, start_server: Callable[..., ModelServer]
) -> None:
    names = ["letters", *(text.replace(",", " ") for text in ATTACKS.values())]
    server = start_server("--script", "letters", "--models", ",".join(names))
    daemon = start_daemon(configured(("hostile", server)))
    everything = "".join(ATTACKS.values())
    with daemon.client() as client:
        said = [methods.Said("user", everything), methods.Said("assistant", everything)]
        wanted = methods.Import(messages=said, title=everything[:200])
        made = client.call(methods.IMPORT, wanted).chat.chat
    with talk(daemon, "-C", made) as person:
        person.sees("1 turn")
        person.say("/model")
        person.sees("\ndemo")
        person.terminal.type(f"/model {TAB}{CTRL_C}")
        person.say("/show")
        person.say(f"\x1b[200~{everything}\x1b[201~")
        person.sees("letters, hostile")
        person.leaves()
        assert b"\x1b]" not in person.terminal.written


def test_without_a_terminal_it_does_not_begin(chatd: Daemon) -> None:
    ran = run([CHAT], env={"CHATD_SOCKET": str(chatd.socket)})
    assert (ran.status, ran.out) == (2, b"")
    assert "nothing to ask" in ran.err


def test_the_table_of_commands_is_total() -> None:
    table = commands.table()
    assert {*VERBS} == {*VERBS} & {*table} | {*commands.NOT_HERE} & {*VERBS}
    assert not {*table} & {*commands.NOT_HERE}
    assert {*ABOUT_THIS} <= {*VERBS}
    for command in table.values():
        assert command.summary.endswith(".")
        assert commands.of(f"/{command.name}") is not None
