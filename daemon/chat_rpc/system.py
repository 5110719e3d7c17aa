"""What system.*, admin.* and rpc.* give: the daemon about itself."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from chat_rpc.shapes import Params


class Limits(Struct, kw_only=True):
    """What chatd accepts from one connection or one user."""

    line_bytes: int
    unanswered_requests: int
    connections_per_user: int
    connections: int
    first_line_s: float
    unread_bytes: int
    file_part_bytes: int = 0
    file_bytes: int = 0
    files_per_turn: int = 0


class Hello(Struct, kw_only=True):
    """Who answers.  `epoch` changes when the RAM store was lost."""

    protocol: int
    version: str
    epoch: str
    features: list[str]
    limits: Limits
    uid: int


class Pong(Struct):
    """chatd is alive."""

    pong: bool = True


class StoreStatus(Struct, kw_only=True):
    """The tmpfs below the store; `used_bytes` is the caller's own share."""

    path: str
    filesystem: str
    used_bytes: int
    size_bytes: int
    may_swap: bool = False  # to a disk, in the clear: the mount has no `noswap`


class ServerStatus(Struct, kw_only=True):
    """A model server as this user may see it; `busy` counts all users' turns."""

    backend: str
    url: str
    slots: int
    busy: int
    queued: int


class Status(Struct, kw_only=True):
    """The daemon as this user may see it: counts are the user's own."""

    version: str
    pid: int
    uid: int
    uptime_s: float
    socket: str
    store: StoreStatus
    chats: int
    turns: int
    running: int
    queued: int
    engine: Literal["stopped", "running", "missing"]
    servers: list[ServerStatus] = []


class Logs(Params):
    """Lines of chatd's log that are about the caller, after the line `after`."""

    after: int = 0
    limit: Annotated[int, Meta(ge=1, le=1000)] = 200


class LogLine(Struct, kw_only=True):
    """One line: ids, sizes and times, never text of a conversation."""

    n: int
    time: float
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"]
    logger: str
    message: str


class LogPage(Struct):
    """Oldest first; `last` is `after` of the next call."""

    lines: list[LogLine]
    last: int


class Finding(Struct, kw_only=True):
    """One thing that `system.doctor` looked at; `do` says what would mend it."""

    name: str
    state: Literal["good", "warning", "bad"]
    says: str
    do: str = ""


class Doctor(Struct):
    """What chatd finds about itself and its machine."""

    findings: list[Finding]


# -- admin, for those who run chatd: never a text, never an id ----------------------------------


class UserStats(Struct, kw_only=True):
    """What one user holds."""

    uid: int
    chats: int
    turns: int
    unfinished: int
    used_bytes: int
    used_files: int


class Stats(Struct, kw_only=True):
    """The whole daemon."""

    uptime_s: float
    connections: int
    queued: int
    store: StoreStatus
    users: list[UserStats]


class Reloaded(Struct, kw_only=True):
    """Sections of chatd.toml; both lists are empty when nothing in it is new."""

    changed: list[str]
    waiting: list[str]


class Discovered(Struct):
    """An OpenRPC document; see https://open-rpc.org."""

    openrpc: str
    info: dict[str, str]
    methods: list[dict[str, Any]]  # Any: JSON Schema
    components: dict[str, Any]
