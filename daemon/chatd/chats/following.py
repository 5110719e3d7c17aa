"""Readers of turns: who is late is told from the journal, as fast as it reads, and then live."""

from collections.abc import Iterator

import msgspec

from chat_rpc import wire
from chat_rpc.methods import End
from chatd.chats import records
from chatd.chats.records import Packed
from chatd.chats.turns import Reader, Turn, damaged
from chatd.store.journal import LINE_OVERHEAD, Journal, Place


def follow(journal: Journal, turn: Turn, reader: Reader, *, after: int) -> None:
    """Deliver the events above `after` again, then those to come."""
    reader.follow(turn.id)
    if turn.has_ended or after < turn.seq:
        if reader in turn.readers:  # or what comes meanwhile would be told before what was
            turn.readers.remove(reader)
            reader.leave(turn.id)
        catch_up(journal, turn, reader, after, turn.begin)
    else:
        _listen(turn, reader)


def catch_up(journal: Journal, turn: Turn, reader: Reader, after: int, place: Place) -> None:
    """Tell a reader the events above `after`, of which the first is not before `place`."""
    reader.feed(CatchUp(journal, turn, reader, after, place).step)


def listen(readers: list[Reader], reader: Reader) -> bool:
    """Add a reader to those who are told; False if it is one of them.

    Nobody takes those out who have left since anything was told.
    """
    readers[:] = [each for each in readers if not each.is_gone]
    if reader in readers:
        return False
    readers.append(reader)
    return True


class CatchUp:
    """One reader's way through the lines of a turn; nothing is held between two steps.

    Lines that are erased meanwhile are passed over, and the one line that compaction makes of a
    turn comes after all of them.
    """

    def __init__(self, journal: Journal, turn: Turn, reader: Reader, after: int, place: Place):
        self._journal = journal
        self._turn = turn
        self._reader = reader
        self._seq = after
        self._place = place

    def step(self, room_bytes: int) -> bool:
        """Look at about so much of the journal; False when the reader has caught up or left."""
        turn = self._turn
        try:
            if self._tell(room_bytes):
                return not self._reader.is_gone
        except msgspec.DecodeError:  # damaged since chatd has read it
            turn.is_damaged = True
        if turn.is_damaged or (turn.has_ended and self._seq < turn.seq):
            # its lines are damaged, or gone with its chat: that is all there is to tell
            ending = damaged() if turn.is_damaged else turn.ending
            end = wire.encode(End(turn.id, turn.seq, ending or damaged()))
            if not self._reader.deliver(wire.notification(b"turn.end", end)):
                return not self._reader.is_gone
        if turn.has_ended or turn.is_damaged:
            self._reader.leave(turn.id)
        else:
            _listen(turn, self._reader)
        return False

    def _tell(self, room_bytes: int) -> bool:
        """Tell of lines; True: there may be more, or there is no room for them now."""
        turn = self._turn
        begin = max(self._place, turn.begin)
        for place, payload in self._journal.read(begin, turn.stop):
            room_bytes -= len(payload)
            for seq, line in self._told(payload):
                if not self._reader.deliver(line):
                    return True
                self._seq = seq
                room_bytes -= len(line)
                if room_bytes <= 0:
                    return True
            self._place = place + len(payload) + LINE_OVERHEAD
            if room_bytes <= 0:
                return True
        return False

    def _told(self, payload: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield number and notification of what a line says of the turn and was not told yet."""
        stamp = records.decode_stamp(payload)
        if stamp.turn != self._turn.id or stamp.type == "turn":
            return
        if stamp.type != "packed":
            if stamp.seq > self._seq:
                yield stamp.seq, wire.notification(b"turn." + stamp.type.encode(), payload)
            return
        packed = records.decode(payload)
        assert isinstance(packed, Packed)  # noqa: S101  # its stamp said so
        for event in records.unpack(packed):
            if event.seq > self._seq:
                name = f"turn.{type(event).__struct_config__.tag}"
                yield event.seq, wire.notification(name.encode(), wire.encode(event))


def _listen(turn: Turn, reader: Reader) -> None:
    if not listen(turn.readers, reader):
        reader.leave(turn.id)  # it is told already, and once is enough
