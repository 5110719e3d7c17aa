"""What is asked in both ways: a command and a chatd for all tests of a file."""

import shutil
from collections.abc import Iterator

import pytest
from tests.harness import Daemon, ModelServer, configured, ram_directory
from tests.launcher import write


@pytest.fixture(scope="module")
def launcher() -> Iterator[list[str]]:
    home = ram_directory()
    script = write(home)
    yield [str(script)]
    shutil.rmtree(home)


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    home = ram_directory()
    server = ModelServer("model_server", "--port", "0", "--script", "hash")
    daemon = Daemon(home, configured(("scripted", server))).start()
    yield daemon
    daemon.stop()
    server.close()
    shutil.rmtree(home)
