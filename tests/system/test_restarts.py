"""Promise 7: under the socket unit, a restart refuses no connection and loses no turn."""

import pytest
from tests.box.machine import Machine
from tests.campaigns.restart import Load, restart

pytestmark = pytest.mark.timeout(180)  # the first one installs


def test_restarts_under_load_refuse_and_lose_nothing(machine: Machine) -> None:
    figures = restart(machine, 5, Load())
    print(figures)  # noqa: T201  # the longest wait, for pytest -s
    assert isinstance(figures["turns asked"], int)
    assert figures["turns asked"] > 5 * 8
