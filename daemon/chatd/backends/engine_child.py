"""The engine's own process: llama.cpp's HTTP server on a Unix socket, for one GGUF file.

python -m chatd.backends.engine_child MODEL SOCKET SLOTS CONTEXT

Prints READY when it serves.  Ends when stdin closes, which is when chatd dies.
"""

import ctypes
import os
import signal
import sys
from importlib import import_module
from typing import Any, NoReturn

from chat_rpc import dumps

OOM_SCORE = "800"  # of 1000: when memory is short this process goes before the daemon


def main() -> NoReturn:
    model, socket, slots, context = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    with open("/proc/self/oom_score_adj", "w", encoding="ascii") as score:
        score.write(OOM_SCORE)
    dumps.forbid_cores()
    dumps.forbid_tracing()  # not before: the score is a file in /proc
    os.umask(0o077)

    gomp = os.path.join(sys.prefix, "lib", "libgomp.so.1")
    if os.path.exists(gomp):  # install.sh puts it there where the system has none
        ctypes.CDLL(gomp, mode=ctypes.RTLD_GLOBAL)
    xllamacpp: Any = import_module("xllamacpp")  # it has no types
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.hostnames = [socket]
    params.n_parallel = slots
    params.n_ctx = context * slots
    # one thread is enough for a few MB, and two spin at a barrier on a busy machine
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.cache_ram_mib = 0  # by default it keeps up to 8 GiB of old conversations
    params.cors_origins = ""
    params.ui = False
    params.verbosity = 0
    server = xllamacpp.Server(params)
    for stop in (signal.SIGTERM, signal.SIGINT):  # the wheel may have set its own
        signal.signal(stop, lambda *_: os._exit(0))
    print("READY", server.listening_address, flush=True)  # noqa: T201  # to chatd, over the pipe
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main()
