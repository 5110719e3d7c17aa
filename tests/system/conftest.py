"""Fixtures: boxes, and one in which install.sh --system has installed chatd."""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from tests.box.box import Box, missing
from tests.box.machine import Machine, fetch_wheels

REQUIRE = "CHATD_REQUIRE_SYSTEMD"
IS_REQUIRED = os.environ.get(REQUIRE) == "1"  # now, for tests see no such names


@cache
def _why_not() -> str | None:
    """Return in one line why no systemd can be booted here, or None: it was tried."""
    if reason := missing():
        return reason
    try:
        with Box():
            return None
    except (OSError, RuntimeError, AssertionError) as exc:
        return f"it did not come up: {str(exc).strip().splitlines()[-1:]}"


@pytest.fixture(scope="session")
def _may_box() -> None:
    """Skip where no systemd can be booted, or fail there if it must be."""
    if reason := _why_not():
        said = f"no systemd can be booted here: {reason}"
        if IS_REQUIRED:
            pytest.fail(f"{REQUIRE}=1, but {said}")
        pytest.skip(said)


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
