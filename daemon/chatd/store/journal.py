"""A journal: one user's events in order, in segments that only ever grow at their end.

A line is the payload's crc32 in eight hex digits, a space, the payload (one JSON object) and LF.  A
`Place` is where a line begins: the number of its segment and the offset in it, as one integer that
grows with time.  What is erased is overwritten with spaces, so that no other place moves.
"""

import os
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate

from chat_rpc.errors import RpcError, StoreFull
from chatd.store.own import full, open_file

Place = int

READ_BYTES, PAGE = 2**20, 4096
LINE_OVERHEAD = 10  # checksum, space, LF
OFFSET = 0xFFFFFFFF
SEGMENT = re.compile(r"([0-9]{6})\.ndj")
ERASED = b"  "  # how a line begins that is being erased: one blank may be a damaged digit
# no JSON string can hold an unescaped quote, so this stands only where a line begins
BEGIN = re.compile(rb"[0-9a-f]{8} \{\"type\":\"")


@dataclass(slots=True)
class Segment:
    """One file of the journal."""

    number: int
    file: int  # a descriptor, without O_APPEND: erasing writes in the middle
    size: int
    erased: int = 0  # bytes that hold nothing any more
    packable: int | None = None  # bytes that compaction could make fewer, if it has looked


class Journal:
    """The segments of one directory.  Only one process has it open (the store's lock)."""

    def __init__(self, directory: int, *, segment_bytes: int):
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._segments: dict[int, Segment] = {}
        self._to_erase: dict[Place, int] = {}  # what failed, with the sizes of the payloads
        try:
            for number in sorted(self._numbers()):
                self._open(number, os.O_RDWR)
            if not self._segments:
                self._open(1, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        except RpcError:
            self.close()
            raise

    @property
    def end(self) -> Place:
        """The place that the next line gets, unless a new segment is begun for it."""
        last = self._last
        return _place(last.number, last.size)

    @property
    def size_bytes(self) -> int:
        return self._closed_bytes + self._last.size

    @property
    def files(self) -> int:
        return len(self._segments)

    def append(self, payload: bytes) -> Place:
        """Write a line and return its place.  When this returns, it survives the daemon's death.

        Raises StoreFull, and then nothing of it was written.
        """
        return self._write(_line(payload))

    def append_all(self, payloads: Iterable[bytes]) -> list[Place]:
        """Write lines, all or none, and return their places; raises StoreFull."""
        lines = [_line(payload) for payload in payloads]
        begin = self._write(b"".join(lines))
        return [*accumulate(map(len, lines), initial=begin)][:-1]

    def read(self, begin: Place, end: Place | None = None) -> Iterator[tuple[Place, bytes]]:
        """Yield place and payload of the lines from `begin` up to `end`; erased ones are left out.

        Only lines that `recover` found sound, or that were appended since, are asked for.
        """
        for number in sorted(self._segments):
            segment = self._segments.get(number)
            if segment is None or number < begin >> 32:
                continue
            if end is not None and _place(number, 0) >= end:
                return
            first = begin & OFFSET if number == begin >> 32 else 0
            stop = segment.size if end is None or number < end >> 32 else end & OFFSET
            for offset, line in self._lines(segment, first, stop):
                place = _place(number, offset)
                # erased while it was read in two parts, a line ends in blanks
                if not line.endswith(b" ") and line and place not in self._to_erase:
                    yield place, line[9:]

    def recover(self) -> Iterator[tuple[Place, bytes, bool]]:
        """Yield place, payload and soundness of every line that is there; cut a torn tail off.

        An unsound line is damaged: its payload is the whole of what stood there, and it is erased.
        One of which the beginning was erased was to go as a whole, and is not told of.
        Raises StoreFull where what is to be mended cannot be written.
        """
        for number in sorted(self._segments):
            segment = self._segments[number]
            for offset, line in self._lines(segment, 0, segment.size, with_rest=True):
                whole = line.endswith(b"\n")
                text = line[:-1] if whole else line
                if not text.strip(b" "):
                    segment.erased += len(line)
                elif is_sound(text):
                    if not whole:  # only its end of line was lost
                        _write_at(segment, b"\n", offset + len(line))
                        segment.size += 1
                    yield _place(number, offset), text[9:], True
                elif whole or number != self._last.number:
                    yield from self._salvage(segment, offset, text)
                else:
                    segment.size = offset
                    _cut(segment)
            self._drop_if_empty(segment)  # the last daemon died before it could
        self._look()  # some lines were mended

    def erase(self, lines: Iterable[tuple[Place, int]]) -> None:
        """Overwrite lines, given by place and size of the payload, with spaces.

        It needs no room.  Raises StoreFull where nothing can be written at all: then nobody reads
        them any more, and the next call does the rest.
        """
        self._to_erase.update(lines)
        for place, payload_bytes in tuple(self._to_erase.items()):
            segment = self._segments[place >> 32]
            length = payload_bytes + LINE_OVERHEAD
            _write_at(segment, b" " * (length - 1) + b"\n", place & OFFSET)
            del self._to_erase[place]
            segment.erased += length
            self._drop_if_empty(segment)

    def erase_at(self, places: Iterable[Place]) -> None:
        """Overwrite the lines that begin at these places; those that are erased already stay so."""
        self.erase(
            (place, len(payload)) for at in places for place, payload in self.read(at, at + 1)
        )

    def closed(self) -> list[Segment]:
        """Return the segments that do not grow any more."""
        return [self._segments[number] for number in sorted(self._segments)[:-1]]

    def span(self, number: int) -> tuple[Place, Place]:
        """Return the first place of a segment, and of the one after it."""
        return _place(number, 0), _place(number + 1, 0)

    def close(self) -> None:
        for segment in self._segments.values():
            os.close(segment.file)

    # -- inside ---------------------------------------------------------------------------------

    def _look(self) -> None:
        """Note what every line asks for: the segment that grows, and the size of the others."""
        self._last = self._segments[max(self._segments)]
        sizes = sum(segment.size for segment in self._segments.values())
        self._closed_bytes = sizes - self._last.size

    def _numbers(self) -> Iterator[int]:
        for name in os.listdir(self._directory):
            if match := SEGMENT.fullmatch(name):
                yield int(match[1])

    def _open(self, number: int, flags: int) -> None:
        file = open_file(self._directory, f"{number:06}.ndj", flags)
        self._segments[number] = Segment(number, file, os.fstat(file).st_size)
        self._look()

    def _write(self, lines: bytes) -> Place:
        if self._last.size >= self._segment_bytes:
            with suppress(RpcError):  # no new file can be made: then this one goes on
                self._open(self._last.number + 1, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        segment = self._last
        begin = segment.size
        if begin + len(lines) > OFFSET:
            raise StoreFull("the journal's last file is full, and no other can be made")
        try:
            written = os.pwrite(segment.file, lines, begin)
        except OSError as exc:
            raise full(exc) from exc
        if written < len(lines):
            with suppress(StoreFull):  # then the next line overwrites it, or recovery cuts it off
                _cut(segment)
            raise StoreFull("the RAM store is full")
        segment.size += written
        return _place(segment.number, begin)

    def _salvage(
        self, segment: Segment, offset: int, line: bytes
    ) -> Iterator[tuple[Place, bytes, bool]]:
        """Take a damaged line apart: where only an LF was damaged, two good lines stand in one."""
        begins = [0, *(match.start() for match in BEGIN.finditer(line) if match.start())]
        for begin, end in zip(begins, [*begins[1:], len(line) + 1], strict=True):
            text = line[begin : end - 1]
            sound = is_sound(text)
            kept = text if sound else b" " * len(text)
            _write_at(segment, kept + b"\n", offset + begin)
            segment.size = max(segment.size, offset + end)
            if not sound:
                segment.erased += end - begin
            if sound or not text.startswith(ERASED):
                yield _place(segment.number, offset + begin), text[9:] if sound else text, sound

    def _lines(
        self, segment: Segment, begin: int, end: int, *, with_rest: bool = False
    ) -> Iterator[tuple[int, bytes]]:
        """Yield offset and bytes of the lines that begin before `end`; the LF only `with_rest`.

        The lines may be erased as they come, and with the last one the segment.
        """
        rest, offset, read = b"", begin, begin
        while offset < end and segment.number in self._segments:
            data = os.pread(segment.file, max(PAGE, min(READ_BYTES, end - read)), read)
            if not data:
                break
            read += len(data)
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                if offset >= end:
                    return
                yield offset, line + b"\n" if with_rest else line
                offset += len(line) + 1
        if rest and with_rest:
            yield offset, rest

    def _drop_if_empty(self, segment: Segment) -> None:
        if segment.erased >= segment.size and segment is not self._last:
            del self._segments[segment.number]
            self._look()
            with suppress(OSError):  # an empty file is no harm; the next start tries again
                os.ftruncate(segment.file, 0)
                os.unlink(f"{segment.number:06}.ndj", dir_fd=self._directory)
            os.close(segment.file)


def is_sound(line: bytes) -> bool:
    """Say whether a line without its LF is as it was written."""
    try:
        return line[8:9] == b" " and int(line[:8], 16) == zlib.crc32(line[9:])
    except ValueError:
        return False


def _line(payload: bytes) -> bytes:
    return b"%08x %b\n" % (zlib.crc32(payload), payload)


def _write_at(segment: Segment, data: bytes, offset: int) -> None:
    """Write in the middle or mend the end; raises StoreFull."""
    try:
        written = os.pwrite(segment.file, data, offset)
    except OSError as exc:
        raise full(exc) from exc
    if written < len(data):
        raise StoreFull("the RAM store is full")


def _cut(segment: Segment) -> None:
    """Cut off what stands behind the last line; raises StoreFull."""
    try:
        os.ftruncate(segment.file, segment.size)
    except OSError as exc:
        raise full(exc) from exc


def _place(number: int, offset: int) -> Place:
    return number << 32 | offset
