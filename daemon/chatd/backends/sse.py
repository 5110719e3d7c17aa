"""Server-sent events, as model servers send them: bytes in, the data of whole events out."""

EVENT_BYTES = 8 * 2**20
FIELDS = (b"data:", b":", b"event:", b"id:", b"retry:")  # a comment is a field without a name


class EventTooLong(Exception):
    """An event is longer than EVENT_BYTES: no model server sends one."""


class Parser:
    """Splits a stream into events.  Comments and fields other than `data` are dropped.

    `has_noise`: there is a line that is no field at all.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0
        self._has_noise = False

    @property
    def has_noise(self) -> bool:
        return self._has_noise or _is_noise(self._rest)

    def feed(self, received: bytes) -> list[bytes]:
        """Return the data of the events that are whole now; lines end in LF or CRLF."""
        *lines, self._rest = (self._rest + received).split(b"\n")
        if len(self._rest) > EVENT_BYTES:
            raise EventTooLong
        events = []
        for line in lines:
            if line in (b"", b"\r"):
                if self._data:
                    events.append(b"\n".join(self._data))
                    self._data, self._size = [], 0
            elif line.startswith(b"data:"):
                self._data.append(line[5:].strip())
                self._size += len(line)
                if self._size > EVENT_BYTES:
                    raise EventTooLong
            elif _is_noise(line):
                self._has_noise = True
        return events


def _is_noise(line: bytes) -> bool:
    return not line.startswith(FIELDS) and not any(field.startswith(line) for field in FIELDS)
