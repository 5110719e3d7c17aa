"""Who owns a TCP listener on this machine, as the kernel's socket tables tell it.

Any local user can squat on a port and collect prompts, so a server that chatd found by itself
serves a user only if its listener is that user's or the system's.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address

SYSTEM_UIDS = 1000  # below it are root and system accounts
LISTEN = "0A"
TABLES = ("/proc/self/net/tcp", "/proc/self/net/tcp6")


@dataclass(frozen=True, slots=True)
class Row:
    """One socket: addresses as `(IPv4 or None for any, port)`, state, owner and inode."""

    local: tuple[IPv4Address | None, int]
    remote: tuple[IPv4Address | None, int]
    state: str
    uid: int
    inode: int


def is_trusted(owner: int, uid: int) -> bool:
    """Say whether a server of `owner` may see the prompts of `uid`."""
    return owner == uid or owner < SYSTEM_UIDS


def listeners() -> dict[int, Row]:
    """Return by port what would answer a connection to 127.0.0.1.

    Where an address and `any` both listen, the row of the address is given: it gets connections.
    """
    found: dict[int, Row] = {}
    for row in _rows():
        if row.state == LISTEN and row.local[0] in (None, LOOPBACK):
            port = row.local[1]
            if port not in found or row.local[0] is not None:
                found[port] = row
    return found


def peer_owners(local: tuple[str, int], remote: tuple[str, int]) -> set[int]:
    """Return the uids behind the other end of a connection from `local` to `remote`.

    Both the listener and the accepted socket count: a squatter who accepted and then made room for
    the true server still owns the accepted one.  Empty if there is no listener any more.
    """
    ours = (_ipv4(local[0]), local[1])
    theirs = (_ipv4(remote[0]), remote[1])
    owners: set[int] = set()
    listening = False
    for row in _rows():
        if row.state == LISTEN:
            if row.local[1] == theirs[1] and row.local[0] in (None, theirs[0]):
                owners.add(row.uid)
                listening = True
        elif row.local == theirs and row.remote == ours and row.inode:
            owners.add(row.uid)  # accepted; before that the row has inode 0 and no owner yet
    return owners if listening else set()


LOOPBACK = IPv4Address("127.0.0.1")


def _rows() -> list[Row]:
    rows = []
    for table in TABLES:
        try:
            with open(table, encoding="ascii") as lines:
                next(lines)
                rows += [row for line in lines if (row := _row(line.split())) is not None]
        except FileNotFoundError:
            continue  # a kernel without IPv6
    return rows


def _row(fields: list[str]) -> Row | None:
    local, remote = _address(fields[1]), _address(fields[2])
    if local is None or remote is None:
        return None
    return Row(local, remote, fields[3], int(fields[7]), int(fields[9]))


def _address(field: str) -> tuple[IPv4Address | None, int] | None:
    """Decode `0100007F:1F90`; None for an IPv6 address that no IPv4 connection can reach."""
    digits, _, port = field.partition(":")
    # each group of eight digits is a 32-bit word in the machine's byte order: little-endian here
    raw = b"".join(bytes.fromhex(digits[i : i + 8])[::-1] for i in range(0, len(digits), 8))
    if not any(raw):
        return None, int(port, 16)
    address = ip_address(raw)
    ipv4 = address if isinstance(address, IPv4Address) else address.ipv4_mapped
    return None if ipv4 is None else (ipv4, int(port, 16))


def _ipv4(text: str) -> IPv4Address:
    address = ip_address(text)
    mapped = address if isinstance(address, IPv4Address) else address.ipv4_mapped
    if mapped is None:
        raise ValueError(f"{text} is not an IPv4 address")
    return mapped
