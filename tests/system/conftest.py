"""Fixtures: boxes, and one in which install.sh --system has installed chatd."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from tests.box.box import why_not
from tests.box.machine import Machine, fetch_wheels

REQUIRE = "CHATD_REQUIRE_SYSTEMD"
IS_REQUIRED = os.environ.get(REQUIRE) == "1"  # now, for tests see no such names


def skip(reason: str) -> NoReturn:
    """Skip a test, or fail it where none may be skipped."""
    if IS_REQUIRED:
        pytest.fail(f"{REQUIRE}=1, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def _may_box() -> None:
    """Skip where no systemd can be booted."""
    if reason := why_not():
        skip(f"no systemd can be booted here: {reason}")


@pytest.fixture(scope="session")
def wheels(_may_box: None, request: pytest.FixtureRequest) -> Path:
    """What pip would download, for boxes have no network."""
    return fetch_wheels(request.config.cache.mkdir("wheels"))


@pytest.fixture(scope="session")
def installed(wheels: Path) -> Iterator[Machine]:
    """A machine with chatd, for all tests that leave it as it was."""
    with Machine(wheels) as machine:
        yield machine


@pytest.fixture
def machine(installed: Machine) -> Iterator[Machine]:
    """The same, and afterwards again as it was."""
    yield installed
    installed.restore()
