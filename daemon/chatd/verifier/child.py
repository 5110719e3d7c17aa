"""The verifier's own process: it looks at replies with the heavy checks, one job after the other.

python -m chatd.verifier.child

A job and its answer are msgpack with its length before it.  Ends when stdin does, which is when
chatd dies, and when a job takes more CPU than it may.
"""

import os
import resource
import signal
import sys
from functools import lru_cache
from typing import BinaryIO, NoReturn

import msgspec
from msgspec import Struct

from chat_rpc import dumps
from chat_rpc.checks import Check
from chatd.verifier.rule import Reply, Request
from chatd.verifier.verify import Ready, ready, result

CPU_S = 10.0  # of one job
MEMORY_BYTES = 2**31
OOM_SCORE = "800"  # of 1000: when memory is short this process goes before the daemon
HEAD_BYTES = 8


class Job(Struct):
    """What is to be looked at, and by which checks."""

    checks: list[Check]
    request: Request
    reply: Reply


decode_job = msgspec.msgpack.Decoder(Job).decode


def framed(message: bytes) -> bytes:
    return len(message).to_bytes(HEAD_BYTES) + message


def size_of(head: bytes) -> int:
    return int.from_bytes(head)


def main() -> NoReturn:
    with open("/proc/self/oom_score_adj", "w", encoding="ascii") as score:
        score.write(OOM_SCORE)
    dumps.forbid_cores()
    dumps.forbid_tracing()  # not before: the score is a file in /proc
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.SIG_IGN)  # a terminal's Ctrl-C is the daemon's to handle
    with open(os.dup(1), "wb") as answers:
        os.dup2(2, 1)  # what a library may print is no answer
        _serve(sys.stdin.buffer, answers)
    os._exit(0)


def _serve(jobs: BinaryIO, answers: BinaryIO) -> None:
    while head := jobs.read(HEAD_BYTES):
        job = decode_job(jobs.read(size_of(head)))
        signal.setitimer(signal.ITIMER_PROF, CPU_S)  # SIGPROF, which nobody handles, ends it
        results = [result(_made(check), job.request, job.reply, {}) for check in job.checks]
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(framed(msgspec.msgpack.encode(results)))
        answers.flush()


def _made(check: Check) -> Ready:
    return _ready(msgspec.msgpack.encode(check))


@lru_cache(maxsize=64)
def _ready(encoded: bytes) -> Ready:
    return ready(msgspec.msgpack.decode(encoded, type=Check))


if __name__ == "__main__":
    main()
