"""API keys of model servers: they reach their server, and show nowhere else."""

from pathlib import Path

import pytest
from tests.conftest import StartDaemon, StartServer
from tests.harness import CHAT, ModelServer, run

from chat_rpc import methods
from chatd import config
from chatd.backends import keys
from chatd.config import Server

KEY = "sk-of-the-gpu-4711"


def with_key(server: ModelServer, setting: str) -> str:
    return (
        "[finding]\nenabled = false\n[logging]\nlevel = 'DEBUG'\n"
        f"[[servers]]\nname = 'gpu'\nurl = '{server.url}'\n{setting}\n"
    )


def server(**settings: object) -> Server:
    return Server.model_validate({"name": "gpu", "url": "http://127.0.0.1:1/v1", **settings})


@pytest.mark.parametrize("way", ["credential", "api_key_file"])
def test_a_key_reaches_its_server_and_nothing_that_anybody_is_shown(
    start_daemon: StartDaemon, start_server: StartServer, tmp_path: Path, way: str
) -> None:
    asked = start_server("--require-key", KEY)
    (tmp_path / "key_gpu").write_text(f"{KEY}\n")
    value = "key_gpu" if way == "credential" else str(tmp_path / "key_gpu")
    daemon = start_daemon(
        with_key(asked, f"{way} = '{value}'"),
        environment={"CREDENTIALS_DIRECTORY": str(tmp_path)},
    )
    with daemon.client() as client:
        turn = methods.TurnStart(prompt="x", key="k", model="hash", wait=True)
        reply = client.call(methods.START, turn).reply
        assert reply is not None
        assert reply.ending is not None
        assert reply.ending.backend == "gpu"
        told = [
            str(client.call(methods.STATUS, methods.Nothing())),
            str(client.call(methods.MODELS, methods.Nothing())),
            str(client.call(methods.PROBE, methods.Nothing())),
            str(client.call(methods.STATS, methods.Nothing())),
        ]
    told.append(run([CHAT, "models"], env={"CHATD_SOCKET": str(daemon.socket)}).out.decode())
    told += [daemon.log.read_text(), repr(reply)]
    told += [Path(f"/proc/{daemon.pid}/{name}").read_text() for name in ("environ", "cmdline")]
    assert not [text for text in told if KEY in text]


def test_a_wrong_key_is_told_without_the_key(
    start_daemon: StartDaemon, start_server: StartServer, tmp_path: Path
) -> None:
    asked = start_server("--require-key", "another")
    (tmp_path / "key_gpu").write_text(KEY)
    daemon = start_daemon(with_key(asked, f"api_key_file = '{tmp_path}/key_gpu'"))
    with daemon.client() as client:
        (probe,) = client.call(methods.PROBE, methods.Nothing()).servers
    assert probe.note == "gpu wants an API key (HTTP 401)"
    assert KEY not in daemon.log.read_text()


def test_a_new_key_counts_after_a_reload(
    start_daemon: StartDaemon, start_server: StartServer, tmp_path: Path
) -> None:
    asked = start_server("--require-key", KEY)
    daemon = start_daemon(with_key(asked, f"api_key_file = '{tmp_path}/key'"))
    with daemon.client() as client:
        (probe,) = client.call(methods.PROBE, methods.Nothing()).servers
        assert probe.note == "its API key cannot be read: No such file or directory"
        (tmp_path / "key").write_text(KEY)
        assert client.call(methods.RELOAD, methods.Nothing()).changed == []
        (probe,) = client.call(methods.PROBE, methods.Nothing()).servers
        assert probe.usable


@pytest.mark.parametrize("raw", [b"", b" \n", b"two words", b"a\nb", b"\xff\xfe", b"k\xc3\xa9y"])
def test_what_is_no_key_is_said_without_showing_it(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "key").write_bytes(raw)
    with pytest.raises(keys.KeyFault) as fault:
        keys.read(server(api_key_file=tmp_path / "key"))
    assert str(fault.value).startswith("its API key is ")
    assert "two" not in str(fault.value)
    assert fault.value.__cause__ is None


def test_no_key_is_asked_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "API_KEY", "gpu"):
        monkeypatch.setenv(name, KEY)
    assert keys.read(server()) == keys.NONE


def test_a_credential_without_systemd_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(keys.KeyFault, match="systemd has passed none"):
        keys.read(server(credential="key_gpu"))


@pytest.mark.parametrize("name", ["", ".", "..", "../passwd", "/etc/passwd", "a/b", "-x", "a b"])
def test_a_credential_is_a_name_and_no_path(tmp_path: Path, name: str) -> None:
    file = tmp_path / "chatd.toml"
    file.write_text(f"[[servers]]\nname='gpu'\nurl='http://127.0.0.1:1'\ncredential='{name}'\n")
    with pytest.raises(config.ConfigError, match=r"servers\.0\.credential"):
        config.load(file)


def test_a_key_comes_from_one_place(tmp_path: Path) -> None:
    file = tmp_path / "chatd.toml"
    both = "credential='a'\napi_key_file='/b'\n"
    file.write_text(f"[[servers]]\nname='gpu'\nurl='http://127.0.0.1:1'\n{both}")
    with pytest.raises(config.ConfigError, match="not from both"):
        config.load(file)
