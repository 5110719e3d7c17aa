"""Promise 2 on a machine with several people: what one of them does, no other one learns."""

import json
import re

import pytest
from tests.box.machine import STORE, Machine
from tests.fakes.scripts import hash_reply

pytestmark = pytest.mark.timeout(180)  # the first one installs

ID = re.compile(rb"\b[a-z2-7]{16}\b")
# over the socket as it is, for `chat` may be kinder than chatd
RAW = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect("/run/chatd/chatd.sock")
s.sendall(sys.stdin.buffer.read())
s.shutdown(socket.SHUT_WR)
while data := s.recv(65536):
    sys.stdout.buffer.write(data)
"""


def raw(machine: Machine, user: str, *calls: tuple[str, dict[str, object]]) -> bytes:
    """Return what chatd answers to these calls of a user."""
    lines = [
        json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        for number, (method, params) in enumerate(calls)
    ]
    ran = machine.box.run("python3", "-c", RAW, user=user, stdin="\n".join([*lines, ""]).encode())
    assert ran.status == 0, ran.err
    return ran.out


def newest_chat(machine: Machine, user: str) -> str:
    """Return the id of the chat that a user has used last."""
    chats = json.loads(raw(machine, user, ("chat.list", {})))["result"]["chats"]
    return str(chats[0]["chat"])


def all_that_bob_can_ask(machine: Machine, turn: str, chat: str) -> bytes:
    """Return all answers that bob gets, the ids that he asks for and the times left out."""
    answers = raw(
        machine,
        "bob",
        ("chat.list", {}),
        ("chat.get", {"chat": chat}),
        ("chat.export", {"chat": chat}),
        ("chat.search", {"words": "canary"}),
        ("chat.rename", {"chat": chat, "title": "mine"}),
        ("chat.delete", {"chat": chat}),
        ("chat.undelete", {"chat": chat}),
        ("chat.keep", {"chat": chat, "lifetime_s": 60}),
        ("chat.select", {"chat": chat, "turn": turn}),
        ("chat.checks", {"chat": chat}),
        ("chat.fork", {"chat": chat}),
        ("chat.wipe", {"chat": chat}),
        ("chat.wipe", {"all": True}),
        ("chat.watch", {}),
        ("turn.get", {"turn": turn}),
        ("turn.attach", {"turn": turn}),
        ("turn.cancel", {"turn": turn}),
        ("turn.refine", {"turn": turn, "feedback": "shorter", "key": "bob"}),
        ("turn.feedback", {"turn": turn}),
        ("taste.show", {}),
        ("taste.forget", {"all": True}),
        ("system.status", {}),
        ("model.list", {}),
        ("admin.stats", {}),
        ("admin.reload", {}),
        ("admin.drain", {}),
    )
    answers = answers.replace(turn.encode(), b"TURN").replace(chat.encode(), b"CHAT")
    lines = re.sub(rb'"uptime_s":[0-9.]+', b"", answers).split(b"\n")
    return b"\n".join(sorted(lines))


def test_two_people_chat_and_neither_learns_of_the_other(machine: Machine) -> None:
    nobodys = "a" * 16
    before = all_that_bob_can_ask(machine, nobodys, nobodys)
    prompt = machine.prompt()
    ran = machine.chat("-0", "-m", "hash", prompt)
    assert (ran.status, ran.out.decode().strip()) == (0, hash_reply(prompt))
    chat = newest_chat(machine, "alice")
    shown = raw(machine, "alice", ("chat.get", {"chat": chat}))
    turn = json.loads(shown)["result"]["turns"][0]["turn"]
    after = all_that_bob_can_ask(machine, turn, chat)
    assert after == before
    for secret in (prompt, hash_reply(prompt), "alice"):
        assert secret.encode() not in after
    assert raw(machine, "alice", ("chat.get", {"chat": chat})) == shown, "bob has changed nothing"


def test_chat_shows_each_person_their_own(machine: Machine) -> None:
    prompts = {name: machine.prompt() for name in ("alice", "bob")}
    for name, prompt in prompts.items():
        ran = machine.chat("-0", "-m", "hash", prompt, user=name)
        assert (ran.status, ran.out.decode().strip()) == (0, hash_reply(prompt))
    for name, other in (("alice", "bob"), ("bob", "alice")):
        for verb in ("list", "show", "status"):
            said = machine.chat(verb, user=name)
            assert said.status == 0, said.err
            assert prompts[other].encode() not in said.out
        assert prompts[name].encode() in machine.chat("show", user=name).out
        others, nobodys = newest_chat(machine, other), "a" * 16
        refused, unknown = (machine.chat("show", id_, user=name) for id_ in (others, nobodys))
        assert refused.status == unknown.status == 66
        assert refused.err.replace(others, nobodys) == unknown.err


def test_nobody_reads_the_store_past_chatd(machine: Machine) -> None:
    assert machine.chat("-0", "-m", "hash", machine.prompt()).status == 0
    uid = machine.box.do("id", "-u", "alice").strip()
    for person in ("alice", "bob", "mallory"):
        for path in (STORE, f"{STORE}/session_{uid}"):
            ran = machine.box.run("ls", path, user=person)
            assert (ran.status, ran.out) == (2, b""), (person, path)


def test_who_is_not_in_the_group_is_told_so_in_a_line(machine: Machine) -> None:
    for arguments in (["-0", machine.prompt()], ["list"], ["status"]):
        ran = machine.chat(*arguments, user="mallory")
        assert (ran.status, ran.out) == (77, b"")
        assert len(ran.err.splitlines()) == 1, ran.err
        assert "`usermod -aG chatd mallory`" in ran.err
    assert "canary" not in ran.err


def test_a_member_of_chatd_admin_counts_but_does_not_read(machine: Machine) -> None:
    machine.box.do("useradd", "--create-home", "--groups", "chatd,chatd-admin", "carol")
    try:
        prompt = machine.prompt()
        assert machine.chat("-0", "-m", "hash", prompt).status == 0
        stats = raw(machine, "carol", ("admin.stats", {}))
        uid = int(machine.box.do("id", "-u", "alice"))
        users = {user["uid"]: user for user in json.loads(stats)["result"]["users"]}
        assert users[uid]["chats"] >= 1
        assert prompt.encode() not in stats
        assert not ID.search(stats)
    finally:
        machine.box.do("userdel", "--remove", "carol")
