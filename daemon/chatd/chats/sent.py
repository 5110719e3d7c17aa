"""Files that a user sends for turns to come: taken in parts, kept as long as a turn has them."""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
from msgspec import Struct

from chat_rpc import wire
from chat_rpc.errors import InvalidParams, NotSent, RpcError
from chat_rpc.methods import File, FileAdd
from chatd.chats.session import Session
from chatd.chats.turns import SentFile, Turn, boot_s, new_id
from chatd.store.session import PAGE

UNUSED_S = 3600.0
TAKEN = ("text/", "image/")
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Bounds:
    """How large a part and a file may be."""

    part_bytes: int
    file_bytes: int


class Note(Struct):
    """What stands behind the bytes of a whole file."""

    name: str
    media: str
    size_bytes: int
    boot_s: float


_decode_note = msgspec.json.Decoder(Note).decode


def add(session: Session, params: FileAdd, bounds: Bounds) -> SentFile:
    """Take a part of a file; raises InvalidParams, NotSent, StoreFull.

    What cannot be used is destroyed, and so is a file of which a part does not fit.
    """
    data = _decoded(params.data, bounds.part_bytes)
    sent = _begun(session, params) if params.file is None else _coming(session, params.file)
    try:
        _take(session, sent, data, bounds.file_bytes)
        if params.done:
            _finish(session, sent)
    except RpcError:
        drop(session, [sent])
        raise
    return sent


def recover(session: Session) -> None:
    """Note the files that are there; turns that name them come after."""
    for id_, payload in session.files.sent.recover():
        try:
            note = _decode_note(payload)
        except msgspec.DecodeError:
            # damaged: of use only to the turns that know what it is
            note = Note("", "", 0, float("-inf"))
        file = File(file=id_, name=note.name, media=note.media, size_bytes=note.size_bytes)
        session.sent[id_] = SentFile(file, note.boot_s, is_whole=bool(note.media))


def release(session: Session, turn: Turn) -> None:
    """Let go of the files of a turn that is being destroyed; raises StoreFull."""
    while turn.files:
        sent = session.sent.get(turn.files[-1])
        if sent is not None and sent.uses < 2:
            drop(session, [sent])
        elif sent is not None:
            sent.uses -= 1
        turn.files.pop()


def unused(session: Session, *, for_s: float = 0.0) -> list[SentFile]:
    """Return the files that no turn has, of those that have lain for so long."""
    end = boot_s() - for_s
    return [sent for sent in session.sent.values() if not sent.uses and sent.boot_s <= end]


def drop(session: Session, sent: Iterable[SentFile]) -> None:
    """Destroy files; raises StoreFull."""
    for each in sent:
        session.files.sent.erase(each.file.file)
        session.sent.pop(each.file.file, None)


def _decoded(data: str, part_bytes: int) -> bytes:
    if len(data) > (part_bytes + 2) // 3 * 4:
        raise InvalidParams(f"data: a part has {part_bytes} bytes at most; send the file in more")
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidParams("data: it is not base64") from None


def _begun(session: Session, params: FileAdd) -> SentFile:
    if not params.media.startswith(TAKEN):
        raise InvalidParams("media: only text/* and image/* are taken")
    file = File(file=new_id(), name=params.name, media=params.media, size_bytes=0)
    sent = session.sent[file.file] = SentFile(file, boot_s())
    return sent


def _coming(session: Session, id_: str) -> SentFile:
    sent = session.sent.get(id_)
    if sent is None:
        raise NotSent("there is no such file; what was not whole before a restart is gone")
    if sent.is_whole:
        raise InvalidParams("file: it is whole already")
    return sent


def _take(session: Session, sent: SentFile, data: bytes, file_bytes: int) -> None:
    file = sent.file
    is_new = not file.size_bytes and not sent.is_begun
    if file.size_bytes + len(data) > file_bytes:
        raise InvalidParams(f"the file is larger than {file_bytes / MIB:g} MiB")
    session.check_room(len(data) + PAGE, files=int(is_new))
    sent.is_begun = True
    session.files.sent.add(file.file, data, is_new=is_new)
    file.size_bytes += len(data)
    sent.boot_s = boot_s()


def _finish(session: Session, sent: SentFile) -> None:
    file = sent.file
    if file.media.startswith("text/"):
        try:
            (session.files.sent.read(file.file, file.size_bytes) or b"").decode()
        except UnicodeDecodeError as exc:
            raise InvalidParams(f"the file is no text in UTF-8 (byte {exc.start})") from None
    note = Note(file.name, file.media, file.size_bytes, sent.boot_s)
    session.files.sent.finish(file.file, wire.encode(note))
    sent.is_whole = True
