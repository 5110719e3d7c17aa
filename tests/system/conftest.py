"""Fixtures: boxes, and one in which install.sh --system has installed chatd."""

import os
from functools import cache

import pytest
from tests.box.box import missing

REQUIRE = "CHATD_REQUIRE_SYSTEMD"
IS_REQUIRED = os.environ.get(REQUIRE) == "1"  # now, for tests see no such names

_why_not = cache(missing)


@pytest.fixture(scope="session")
def _may_box() -> None:
    """Skip where no systemd can be booted, or fail there if it must be."""
    if reason := _why_not():
        said = f"no systemd can be booted here: {reason}"
        if IS_REQUIRED:
            pytest.fail(f"{REQUIRE}=1, but {said}")
        pytest.skip(said)
