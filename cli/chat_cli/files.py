"""Files that go with a question: read as the user, told apart by their content, sent in parts."""

import base64
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chat_cli import piped
from chat_rpc import errors, methods
from chat_rpc.client import Client

PART_BYTES = 3 * 2**19  # 2 MiB in base64
STDIN = "-"
NAME_CHARS = 200

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
# what people try, and what makes text of it
_MAKERS = (
    (b"%PDF-", "a PDF", "pdftotext {name} -"),
    (b"PK\x03\x04", "a zip archive or an office document", "unzip -p {name}"),
    (b"\x1f\x8b", "compressed", "zcat {name}"),
    (b"\xfd7zXZ\x00", "compressed", "xzcat {name}"),
    (b"\x28\xb5\x2f\xfd", "compressed", "zstdcat {name}"),
    (b"\xff\xfe", "UTF-16", "iconv -f UTF-16 -t UTF-8 {name}"),
    (b"\xfe\xff", "UTF-16", "iconv -f UTF-16 -t UTF-8 {name}"),
)


@dataclass(frozen=True)
class Attached:
    """One file, read and known."""

    name: str
    media: str
    data: bytes


def read(path: str) -> Attached:
    """Return the file at `path`, or stdin for `-`; raises InvalidParams or NoSuchFile."""
    if path == STDIN:
        return of_stdin(piped.read(told=True))
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise errors.NoSuchFile(f"{path}: no such file") from None
    except OSError as exc:
        raise errors.InvalidParams(f"{path}: {exc.strerror}") from None
    name = _printable(os.path.basename(path)) or "file"
    return Attached(name, _media(data, path), data)


def of_stdin(data: bytes) -> Attached:
    return Attached("stdin", _media(data, "stdin"), data)


def send(client: Client, attached: Sequence[Attached]) -> list[str]:
    """Hand the files to chatd and return what it calls them."""
    return [_send(client, file) for file in attached]


def _send(client: Client, file: Attached) -> str:
    name: str | None = None
    starts = range(0, max(1, len(file.data)), PART_BYTES)
    for start in starts:
        part = base64.b64encode(file.data[start : start + PART_BYTES]).decode()
        added = client.call(
            methods.FILE,
            methods.FileAdd(
                data=part, name=file.name, media=file.media, file=name, done=start == starts[-1]
            ),
        )
        name = added.file
    assert name is not None  # noqa: S101  # there is at least one part
    return name


def _media(data: bytes, path: str) -> str:
    for magic, media in _MAGIC:
        if data.startswith(magic):
            return media
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    for magic, what, maker in _MAKERS:
        if data.startswith(magic):
            way = maker.format(name=path)
            raise errors.InvalidParams(f"{path} is {what}, not text; try: {way} | chat ...")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise errors.InvalidParams(
            f"{path} is neither UTF-8 text (byte {exc.start}) nor a PNG, JPEG, GIF or WebP image"
        ) from None
    if b"\x00" in data:
        raise errors.InvalidParams(f"{path} is not text: it has a zero byte ({data.index(0)})")
    return "text/plain"


def _printable(name: str) -> str:
    """Return a name as it may cross the wire: a file may be called by any bytes."""
    whole = os.fsencode(name).decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "\ufffd" for c in whole)[:NAME_CHARS]
