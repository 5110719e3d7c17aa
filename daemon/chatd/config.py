"""chatd.toml: every setting of the daemon, its default and what it means."""

import os
import tomllib
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, ValidationError, model_validator

from chat_rpc import toml

Level = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


class ConfigError(Exception):
    """The configuration cannot be used; the message names file, line and field."""


class Section(BaseModel):
    """A table of chatd.toml: an unknown key is an error, and nothing changes in it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Server(Section):
    """`[[servers]]`: a model server that chatd is told of; it comes before those that it finds."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", description="how chatd calls it")
    url: HttpUrl = Field(description="its OpenAI base URL, such as http://10.0.0.5:8000/v1")
    api_key_file: Path | None = Field(default=None, description="a file with nothing but the key")
    credential: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$",
        description="the same, as a credential that systemd passes: its name",
    )
    slots: int = Field(default=4, ge=1, le=1024, description="requests that it is given at once")

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if self.api_key_file is not None and self.credential is not None:
            raise ValueError("a key comes from api_key_file or from credential, not from both")
        return self


class Finding(Section):
    """`[finding]`: servers that are found on loopback, if their owner is you or the system."""

    enabled: bool = Field(default=True, description="look for servers at all")
    ports: dict[str, list[int]] = Field(
        default={
            "lmstudio": [1234],
            "ollama": [11434],
            "llamacpp": [8080, 9931],
            "vllm": [8000],
        },
        description="name and ports on 127.0.0.1, in the order in which they are preferred",
    )
    slots: int = Field(default=4, ge=1, le=1024, description="requests that each is given at once")
    fresh_s: float = Field(default=10, ge=0, description="how long a list of models is believed")
    probe_timeout_s: float = Field(default=2, gt=0, description="how long a model list may take")


class Engine(Section):
    """`[engine]`: the built-in llama.cpp server, for the demo model."""

    enabled: bool = Field(default=True, description="offer the demo when no server is there")
    idle_s: float = Field(default=300, gt=0, description="stop it after this time without work")
    start_timeout_s: float = Field(default=30, gt=0, description="how long its start may take")


class Limits(Section):
    """`[limits]`: what one turn, connection or user may take."""

    first_token_s: float = Field(default=300, gt=0, description="wait for a model's first token")
    token_s: float = Field(default=60, gt=0, description="wait for each token after it")
    connect_s: float = Field(default=5, gt=0, description="wait for a model server's connection")
    line_bytes: int = Field(default=4 * 2**20, ge=4096, description="longest line on the socket")
    unanswered_requests: int = Field(default=64, ge=1, description="per connection")
    connections_per_user: int = Field(default=256, ge=1, description="open at once")
    connections: int = Field(default=2048, ge=1, description="open at once, all users")
    first_line_s: float = Field(default=10, gt=0, description="a connection must speak by then")
    unread_bytes: int = Field(
        default=8 * 2**20, ge=65536, description="who leaves more unread hears no more of chats"
    )
    file_bytes: int = Field(
        default=32 * 2**20, ge=4096, description="the largest file that is taken with a question"
    )
    stop_s: float = Field(default=5, ge=0, description="how long running turns may go on at a stop")


class Store(Section):
    """`[store]`: how much is kept, and how long."""

    path: Path | None = Field(default=None, description="the tmpfs directory; default by mode")
    bytes: int = Field(
        default=2**30, ge=2**23, description="in user mode: of the free RAM, at most this is used"
    )
    segment_bytes: int = Field(default=2**24, ge=4096, description="a journal's files grow to this")
    chat_lifetime_s: float = Field(
        default=86400, ge=60, description="a chat ends so long after its last use"
    )
    housekeeping_s: float = Field(
        default=10, gt=0, description="so often chats that are over go, and journals shrink"
    )


class Logging(Section):
    """`[logging]`: ids, sizes and times; never a word of a conversation."""

    level: Level = Field(default="INFO", description="of chatd")
    levels: dict[str, Level] = Field(
        default={}, description="of single loggers, such as chatd.backends"
    )
    file: Path | None = Field(default=None, description="also write here; the file is rotated")
    file_bytes: int = Field(default=5_000_000, ge=4096, description="it is rotated at this size")
    file_backups: int = Field(default=3, ge=0, description="rotated files that are kept")

    @model_validator(mode="after")
    def _only_our_loggers(self) -> Self:
        # the model client's own loggers print whole requests at DEBUG
        for name in self.levels:
            if name.split(".")[0] != "chatd":
                raise ValueError(f"levels: {name} is not a logger of chatd's")
        return self


class Config(Section):
    """The whole of chatd.toml; an empty file is a good one."""

    servers: list[Server] = Field(default=[], description="configured model servers")
    finding: Finding = Finding()
    engine: Engine = Engine()
    limits: Limits = Limits()
    store: Store = Store()
    logging: Logging = Logging()

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [server.name for server in self.servers]
        if double := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"servers: the name {min(double)} is there twice")
        return self


def load(path: Path | None, *, may_be_missing: bool = False) -> Config:
    """Read `path`, or give the defaults for None; raises ConfigError."""
    if path is None or (may_be_missing and not os.path.lexists(path)):
        return Config()
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as exc:
        raise ConfigError(f"{path}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path}: not UTF-8 (byte {exc.start})") from exc
    try:
        return Config.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(f"{path}: {exc}") from exc
    except ValidationError as exc:
        raise ConfigError("\n".join(_explain(path, text, exc))) from exc


def _explain(path: Path, text: str, error: ValidationError) -> list[str]:
    """Return a line for each wrong field; the values stay out, for one may be a secret."""
    lines = []
    for fault in error.errors(include_url=False, include_input=False, include_context=False):
        where = ".".join(str(part) for part in fault["loc"]) or "the file"
        line = toml.line_of(text, fault["loc"])
        lines.append(f"{path}{f':{line}' if line else ''}: {where}: {fault['msg']}")
    return lines
