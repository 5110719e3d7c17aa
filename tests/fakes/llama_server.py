"""llama.cpp's own server on a TCP port, as one starts it by hand: no part of it is a fake."""

import argparse
import os
import sys
from importlib import import_module
from typing import Any, NoReturn

xllamacpp: Any = import_module("xllamacpp")  # it has no types


def main() -> NoReturn:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    params = xllamacpp.CommonParams()
    params.model.path = arguments.model
    params.hostnames = ["127.0.0.1"]
    params.port = arguments.port
    params.n_parallel, params.n_ctx = 4, 4 * 2048
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.cache_ram_mib = 0
    params.verbosity = 0
    server = xllamacpp.Server(params)
    sys.stdout.write(f"READY {arguments.port} {server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main()
