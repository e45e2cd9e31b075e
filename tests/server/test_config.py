"""Flags and the environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from remx_server.config import Config, parse


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LISTEN", "DEVICE", "TOKEN", "TOKEN_FILE", "GRACE", "LOG_LEVEL"):
        monkeypatch.delenv(f"REMX_{name}", raising=False)


def refusal(capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    """What the program says when it refuses these flags."""
    with pytest.raises(SystemExit) as caught:
        parse(flags)
    assert caught.value.code == 2
    return capsys.readouterr().err


def test_the_defaults_are_safe() -> None:
    config = parse([])
    assert config == Config()
    assert config.listen == "127.0.0.1:50051"
    assert config.token == ""
    assert config.loopback


def test_flags_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "LISTEN": "127.0.0.1:1",
        "DEVICE": "gpu",
        "GRACE": "2.5",
        "LOG_LEVEL": "ERROR",
    }.items():
        monkeypatch.setenv(f"REMX_{name}", value)
    config = parse([])
    assert (config.listen, config.device, config.grace_seconds) == ("127.0.0.1:1", "gpu", 2.5)
    assert config.log_level == "ERROR"
    flags = ["--listen=[::1]:2", "--device=cpu", "--grace=0", "--log-level=DEBUG", "--die-with-stdin"]
    config = parse(flags)
    assert (config.listen, config.device, config.grace_seconds) == ("[::1]:2", "cpu", 0)
    assert config.log_level == "DEBUG"
    assert config.die_with_stdin


@pytest.mark.parametrize(
    ("name", "value"),
    [("DEVICE", "tpu"), ("GRACE", "soon"), ("GRACE", "-1"), ("GRACE", "nan"), ("LOG_LEVEL", "loud")],
)
def test_an_environment_that_makes_no_sense_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    monkeypatch.setenv(f"REMX_{name}", value)
    assert value in refusal(capsys)


@pytest.mark.parametrize(
    "address",
    ["", "50051", "localhost", "localhost:", "localhost:http", "unix:", "127.0.0.1:65536", ":50051"],
)
def test_an_address_that_is_none_is_refused(capsys: pytest.CaptureFixture[str], address: str) -> None:
    assert "host:port" in refusal(capsys, f"--listen={address}")


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0:50051",
        "[::]:50051",
        "192.168.1.5:50051",
        "example.org:50051",
        "127.0.0.1.example.org:50051",
        "localhost.example.org:1",
    ],
)
def test_beyond_loopback_a_token_is_needed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], address: str
) -> None:
    assert "needs a token" in refusal(capsys, f"--listen={address}")
    monkeypatch.setenv("REMX_TOKEN", "secret")
    assert parse([f"--listen={address}"]).listen == address


@pytest.mark.parametrize(
    "address", ["127.0.0.1:0", "127.8.9.10:1", "localhost:5", "[::1]:7", "unix:/run/remx"]
)
def test_on_loopback_no_token_is_needed(address: str) -> None:
    assert parse([f"--listen={address}"]).loopback


def test_the_token_comes_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from a file\n")
    assert parse([f"--token-file={file}"]).token == "from a file"


def test_the_flag_s_file_wins_over_the_token_and_that_over_the_environment_s_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("flag", "environment"):
        (tmp_path / name).write_text(name)
    monkeypatch.setenv("REMX_TOKEN_FILE", str(tmp_path / "environment"))
    assert parse([]).token == "environment"
    # A client that starts a server of its own sets the token and inherits the rest.
    monkeypatch.setenv("REMX_TOKEN", "itself")
    assert parse([]).token == "itself"
    assert parse([f"--token-file={tmp_path / 'flag'}"]).token == "flag"


@pytest.mark.parametrize("content", [None, b"", b" \n", b"two\nlines", b"\xff\xfe", "tokén".encode()])
def test_a_token_file_without_a_token_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    said = refusal(capsys, f"--token-file={file}")
    assert "token" in said
    assert "two\nlines" not in said


def test_a_token_that_cannot_travel_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REMX_TOKEN", "a\nb")
    assert "printable" in refusal(capsys)


def test_a_token_is_not_shown() -> None:
    assert "hush" not in repr(Config(token="hush"))
