"""What chatd finds about itself, its machine and its model servers, for one user.

What only the user can see, such as the history of a shell, `chat doctor` looks at.
"""

import ctypes
import resource
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

from chat_rpc.methods import Finding
from chatd.backends.pool import Pool
from chatd.chats.session import Session
from chatd.store import swap
from chatd.store.tmpfs import Store

PR_GET_DUMPABLE = 3
CORE_PATTERN = Path("/proc/sys/kernel/core_pattern")
NEARLY_FULL = 0.8
MIB = 2**20


async def findings(store: Store, session: Session, pool: Pool) -> AsyncIterator[Finding]:
    """Yield what was looked at, good or not."""
    yield _store(store)
    yield _share(session)
    yield _swap(store)
    yield _cores()
    yield _engine(pool)
    async for finding in _servers(pool, session.uid):
        yield finding


def _store(store: Store) -> Finding:
    kind = f"a {store.mount.filesystem} of its own" if store.is_mount else store.mount.filesystem
    return Finding(
        name="store", state="good", says=f"conversations are at {store.root}, which is {kind}"
    )


def _share(session: Session) -> Finding:
    """How full it is by others is not a user's to know."""
    used, share = session.files.used_bytes, session.share.bytes
    says = f"you use {used // MIB} of the {share // MIB} MiB that you may have"
    used_files, files = session.files.used_files, session.share.files
    if used <= NEARLY_FULL * share and used_files <= NEARLY_FULL * files:
        return Finding(name="room", state="good", says=says)
    return Finding(
        name="room",
        state="warning",
        says=f"{says}, and {used_files} of {files} files",
        do="chat wipe what you need no more; `chat list` shows when each conversation ends",
    )


def _swap(store: Store) -> Finding:
    if store.mount.never_swaps:
        return Finding(
            name="swap", state="good", says="the store is mounted so that it never swaps"
        )
    if not swap.reaches_disk():
        says = "there is no swap, or it is encrypted or in RAM"
        return Finding(name="swap", state="good", says=says)
    return Finding(
        name="swap",
        state="warning",
        says="this machine swaps to a disk in the clear, and conversations may get there",
        do="mount the store with noswap (Linux 6.4), or encrypt the swap, or use zram",
    )


def _cores() -> Finding:
    """A core dump has all that is in memory; where it goes, the kernel's pattern says."""
    pattern = ""
    with suppress(OSError):  # hidden by systemd's ProcSubset=
        pattern = CORE_PATTERN.read_text("utf-8", "replace").strip()
    where = f" (the machine's go to {pattern})" if pattern else ""
    is_dumpable = ctypes.CDLL(None).prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0
    soft, _ = resource.getrlimit(resource.RLIMIT_CORE)
    if not is_dumpable:
        says = f"chatd writes no core dumps, and only root can look into it{where}"
        return Finding(name="cores", state="good", says=says)
    if soft in (0, 1) and not (soft == 0 and pattern.startswith("|")):
        says = f"chatd writes no core dumps{where}"
        return Finding(name="cores", state="good", says=says)
    return Finding(
        name="cores",
        state="bad",
        says=f"a crash of chatd would write a core dump with what is in its memory{where}",
        do="start chatd with `ulimit -c 0`",
    )


def _engine(pool: Pool) -> Finding:
    why = pool.why_no_demo()
    if not why:
        return Finding(name="engine", state="good", says="the built-in engine can run the demo")
    return Finding(name="engine", state="warning", says=f"there is no demo model: {why}")


async def _servers(pool: Pool, uid: int) -> AsyncIterator[Finding]:
    """Yield what is found about model servers: the usable ones, those that are not, or none."""
    servers = await pool.probe(uid)
    for server in servers:
        if server.usable:
            says = f"{server.backend} at {server.url} has {server.models} models"
            yield Finding(name="server", state="good", says=says)
        else:
            yield Finding(
                name="server",
                state="warning",
                says=f"{server.backend} at {server.url}: {server.note}",
                do="start it, correct its address in chatd.toml, or run a server as yourself "
                "on another port",
            )
    if not any(server.usable for server in servers):
        yield _no_server(has_demo=not pool.why_no_demo())


def _no_server(*, has_demo: bool) -> Finding:
    return Finding(
        name="server",
        state="warning" if has_demo else "bad",
        says="there is no model server"
        + (", only the built-in demo model, which knows little" if has_demo else ""),
        do="start one on its usual port (LM Studio 1234, Ollama 11434, llama.cpp 8080, "
        "vLLM 8000), or name it in chatd.toml",
    )
