"""The campaigns of load in short: the same checks, minutes made seconds."""

import os
import sys

import pytest
from tests.harness import ROOT, run


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to mount a tmpfs")
def test_a_reader_that_does_not_read_costs_its_buffer_and_stops_nobody() -> None:
    campaign = [sys.executable, "-m", "tests.campaigns", "readers", "--megabytes", "90"]
    # where the machine is busy, the one who reads lags as well, and milliseconds say little
    bounds = ["--rounds", "3", "--growth-mb", "40", "--slower", "2"]
    done = run([*campaign, *bounds], cwd=ROOT)
    assert done.status == 0, done.err


def test_thousands_of_turns_leave_nothing_behind() -> None:
    campaign = [sys.executable, "-m", "tests.campaigns", "soak", "--turns", "3000"]
    # the heap is still finding its size: the long form has the bound
    bounds = ["--samples", "30", "--expires", "0", "--growth-kb", "1500"]
    done = run([*campaign, *bounds], cwd=ROOT)
    assert done.status == 0, done.err


def test_checked_turns_pass_as_often_as_the_sums_say() -> None:
    campaign = [sys.executable, "-m", "tests.campaigns", "loop", "--items", "600"]
    done = run([*campaign, "--near", "0.12"], cwd=ROOT)  # of a large run 0.01
    assert done.status == 0, done.err
