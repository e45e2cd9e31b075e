"""Settings: flags, the environment, the file, and what ``--help`` and ``--print-config`` say of them."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from remx_server.command_line import parse, parser, rows
from remx_server.config import Config, Limits
from remx_server.settings import Count, Number, Seconds, Size, Switch

ROWS = list(rows())
OPEN = [row for *_, row in ROWS if not row.secret]

OTHERS = {
    "listen": ("127.0.0.1:1", "[::1]:2", "unix:/run/remx"),
    "device": ("cpu", "gpu", "cpu"),
    "log-level": ("DEBUG", "ERROR", "WARNING"),
    "state-dir": ("/a", "/b", "/c"),
    "isolation": ("process", "process", "process"),
    "log-format": ("json", "text", "json"),
    "metrics": ("127.0.0.1:1", "[::1]:2", "0.0.0.0:3"),
    "tls-cert": ("/a", "/b", "/c"),
    "tls-key": ("/a", "/b", "/c"),
    "token-file": ("/a", "/b", "/c"),
    "client-ca": ("/a", "/b", "/c"),
}
"""For settings that are no numbers, three values that are not the default."""
COMPANIONS = {"tls-cert": ["tls-key"], "tls-key": ["tls-cert"], "client-ca": ["tls-cert", "tls-key"]}
"""What else has to be set for a setting to make sense."""


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for *_, row in ROWS:
        monkeypatch.delenv(row.variable, raising=False)
    monkeypatch.delenv("REMX_CONFIG", raising=False)


def refusal(capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    """What the program says when it refuses these flags."""
    with pytest.raises(SystemExit) as caught:
        parse(flags)
    assert caught.value.code == 2
    # Without the usage.
    return capsys.readouterr().err.partition("error: ")[2]


def printed(capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    """What the program prints before it ends in good order."""
    with pytest.raises(SystemExit) as caught:
        parse(flags)
    assert not caught.value.code
    return capsys.readouterr().out


def value_of(config: Config, name: str) -> object:
    """What a config has for a setting."""
    [(cls, field)] = [(cls, field) for cls, field, _, row in ROWS if row.name == name]
    return getattr(config if cls is Config else config.limits, field)


def test_the_defaults_are_safe() -> None:
    config = parse([])
    assert config == Config()
    assert config.listen == "127.0.0.1:50051"
    assert config.token == ""
    assert config.loopback
    assert not config.insecure
    assert config.limits == Limits()


def test_every_field_is_a_setting_or_said_not_to_be_one() -> None:
    without = {"limits", "batch_words", "specs", "early_bytes", "early_uploads", "names"}
    fields = {each.name for cls in (Config, Limits) for each in dataclasses.fields(cls)}
    assert fields - {field for _, field, _, _ in ROWS} == without
    assert len({row.name for *_, row in ROWS}) == len(ROWS)
    assert len({row.variable for *_, row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", OPEN, ids=lambda row: row.name)
def test_a_setting_can_be_a_flag_a_variable_or_a_line_of_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, row: object
) -> None:
    kind, name = row.kind, row.name  # type: ignore[attr-defined]
    file = tmp_path / "remx.toml"
    monkeypatch.setenv("REMX_CONFIG", str(file))
    companions = [f"--{other}=/x" for other in COMPANIONS.get(name, [])]
    if isinstance(kind, Switch):
        steps = [("true", True), ("no", False), (f"--{name}", True)]
        line, text, flag = "true", "no", f"--{name}"
    elif isinstance(kind, Number):
        steps = [("70001", 70001), ("70002", 70002), ("70003", 70003)]
        line, text, flag = "70001", "70002", f"--{name}=70003"
    else:
        steps = [(value, value) for value in OTHERS[name]]
        line, text, flag = f'"{steps[0][0]}"', steps[1][0], f"--{name}={steps[2][0]}"
    found = []
    file.write_text(f"{name} = {line}\n")
    found.append(value_of(parse(companions), name))
    monkeypatch.setenv(row.variable, text)  # type: ignore[attr-defined]
    found.append(value_of(parse(companions), name))
    found.append(value_of(parse([*companions, flag]), name))
    assert [str(value) if isinstance(value, Path) else value for value in found] == [
        expected for _, expected in steps
    ]


def test_the_flag_names_the_file_and_wins_over_the_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(f'listen = "unix:/{name}"\n')
    monkeypatch.setenv("REMX_CONFIG", str(tmp_path / "one"))
    assert parse([]).listen == "unix:/one"
    assert parse([f"--config={tmp_path / 'two'}"]).listen == "unix:/two"


def test_files_are_looked_for_beside_the_file_that_names_them(tmp_path: Path) -> None:
    file = tmp_path / "remx.toml"
    file.write_text('token-file = "tokens.toml"\n')
    assert parse([f"--config={file}"]).token_file == tmp_path / "tokens.toml"
    assert parse(["--token-file=tokens.toml"]).token_file == Path("tokens.toml")


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMX_DEVICE", "")
    monkeypatch.setenv("REMX_TLS_CERT", " ")
    assert parse([]) == Config()


# Units.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4096", 4096),
        ("64 KiB", 65536),
        ("64kib", 65536),
        ("8GiB", 8 << 30),
        ("1.5 GiB", 3 << 29),
        ("2 MB", 2_000_000),
        ("3 TB", 3 * 10**12),
        ("7 B", 7),
    ],
)
def test_sizes_have_units(text: str, expected: int) -> None:
    assert Size().from_text(text) == expected
    assert Size().from_toml(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("10", 10.0), ("250 ms", 0.25), ("30s", 30.0), ("5 min", 300.0), ("2 h", 7200.0), ("1 d", 86400.0)],
)
def test_times_have_units(text: str, expected: float) -> None:
    assert Seconds().from_text(text) == expected


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (Size(), "8 gigs"),
        (Size(), "-1"),
        (Size(), "0.5"),
        (Size(), "1e3"),
        (Size(), 1.5),
        (Size(), True),
        (Size(), []),
        (Size(), "9" * 30),
        (Seconds(), "nan"),
        (Seconds(), "inf"),
        (Seconds(), float("nan")),
        (Seconds(), float("inf")),
        (Seconds(), -1),
        (Seconds(), "soon"),
        (Seconds(), "1000 d"),
        (Count(1), 0),
        (Count(1), "3 KiB"),
        (Switch(), "true"),
        (Switch(), 1),
    ],
)
def test_what_is_no_quantity_is_refused(kind: object, given: object) -> None:
    with pytest.raises(ValueError, match="is expected"):
        kind.from_toml(given)  # type: ignore[attr-defined]


def test_a_size_is_shown_as_one_would_write_it() -> None:
    assert [Size().to_help(value) for value in (0, 7, 1024, 64 << 20, 3 << 40, 1025)] == [
        "0 B",
        "7 B",
        "1 KiB",
        "64 MiB",
        "3 TiB",
        "1025 B",
    ]


# What is refused, and who is named for it.


@pytest.mark.parametrize(
    ("name", "value"),
    [("device", "tpu"), ("grace", "soon"), ("grace", "-1"), ("grace", "nan"), ("log-level", "loud")],
)
def test_a_value_that_makes_no_sense_is_refused_by_where_it_stands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, value: str
) -> None:
    said = refusal(capsys, f"--{name}={value}")
    assert said.startswith(f"--{name}: ")
    assert repr(value) in said
    variable = "REMX_" + name.upper().replace("-", "_")
    monkeypatch.setenv(variable, value)
    assert refusal(capsys).startswith(f"{variable}: ")
    monkeypatch.delenv(variable)
    file = tmp_path / "remx.toml"
    file.write_text(f'{name} = "{value}"\n')
    assert refusal(capsys, f"--config={file}").startswith(f"{file}: {name}: ")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('lisen = "unix:/x"', "is listen meant"),
        ("[limits]\nsessions = 3", "limits is unknown"),
        ("sessions = [3]", "a whole number"),
        ("die-with-stdin = 1", "true or false"),
        ("listen = 50051", "text in quotes"),
        ('token = "secret-itself"', "is a secret"),
        ("listen =", "no TOML"),
        ("\xff", "no TOML"),
        (None, "No such file"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str | None, expected: str
) -> None:
    file = tmp_path / "remx.toml"
    if content is not None:
        file.write_bytes(content.encode("latin-1"))
    said = refusal(capsys, f"--config={file}")
    assert str(file) in said
    assert expected in said
    assert "secret-itself" not in said


def test_an_unknown_flag_is_refused_and_none_is_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--sess" in refusal(capsys, "--sess=3")


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
def test_beyond_loopback_tokens_are_needed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], address: str
) -> None:
    listen = f"--listen={address}"
    assert "needs tokens" in refusal(capsys, listen)
    # A client's certificate says which machine it is, and not whose session.
    tls = ["--tls-cert=c.pem", "--tls-key=k.pem", "--client-ca=ca.pem"]
    assert "needs tokens" in refusal(capsys, listen, *tls)
    assert parse([listen, "--insecure"]).insecure
    assert parse([listen, "--token-file=tokens.toml"]).wants_token
    monkeypatch.setenv("REMX_TOKEN", "secret")
    assert parse([listen]).listen == address


@pytest.mark.parametrize(
    "address", ["127.0.0.1:0", "127.8.9.10:1", "localhost:5", "[::1]:7", "unix:/run/remx"]
)
def test_on_loopback_no_token_is_needed(address: str) -> None:
    assert parse([f"--listen={address}"]).loopback


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--tls-cert=c.pem"], "--tls-cert: --tls-key is needed"),
        (["--tls-key=k.pem"], "--tls-key: --tls-cert is needed"),
        (["--client-ca=a.pem"], "--client-ca: --tls-cert is needed"),
        (["--tls-cert=c.pem", "--tls-key=k.pem", "--listen=unix:/x"], "--tls-cert: a unix socket"),
    ],
)
def test_half_a_tls_is_refused(capsys: pytest.CaptureFixture[str], flags: list[str], expected: str) -> None:
    assert refusal(capsys, *flags).startswith(expected)


# Tokens.


def test_a_flag_s_token_file_wins_over_a_token_and_others_do_not_go_together(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("REMX_TOKEN", "of-my-clients")
    config = parse(["--token-file=tokens.toml"])
    assert (config.token, config.token_file) == ("", Path("tokens.toml"))
    monkeypatch.setenv("REMX_TOKEN_FILE", "tokens.toml")
    assert "REMX_TOKEN is set, and so is REMX_TOKEN_FILE" in refusal(capsys)
    monkeypatch.delenv("REMX_TOKEN_FILE")
    file = tmp_path / "remx.toml"
    file.write_text('token-file = "tokens.toml"')
    said = refusal(capsys, f"--config={file}")
    assert f"so is {file}: token-file" in said
    assert "of-my-clients" not in said


@pytest.mark.parametrize("token", ["a\nb", "tokén"])
def test_a_token_that_cannot_travel_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], token: str
) -> None:
    monkeypatch.setenv("REMX_TOKEN", token)
    said = refusal(capsys)
    assert said.startswith("REMX_TOKEN: one line of printable ASCII")
    assert token not in said


def test_a_token_is_not_shown() -> None:
    assert "hush" not in repr(Config(token="hush"))


# What is printed.


def test_help_is_for_a_stranger(capsys: pytest.CaptureFixture[str]) -> None:
    said = printed(capsys, "--help")
    words = " ".join(said.split())
    for *_, default, row in ROWS:
        assert row.variable in words
        assert " ".join(row.help.split()) in words
        assert row.secret or f"--{row.name}" in words
        if default not in (None, ""):
            assert f"(default {row.kind.to_help(default)}; {row.variable})" in words
    for heading in ("serving:", "access:", "limits:", "examples:", "signals:"):
        assert f"\n{heading}\n" in said
    assert "A flag wins over a variable, a variable over the file." in words
    assert "KiB" in words
    assert "SIGHUP" in words
    assert max(map(len, said.splitlines())) <= 100


def test_the_examples_of_help_are_command_lines(capsys: pytest.CaptureFixture[str]) -> None:
    said = printed(capsys, "--help")
    examples = re.findall(r"^  remx-server ?(.*)$", said.partition("examples:")[2], re.MULTILINE)
    assert len(examples) == 4
    for example in examples:
        if not example.startswith("new-token"):
            assert parser().parse_args(example.split())


def test_print_config_says_what_holds_and_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "remx.toml"
    file.write_text('queue-size = "2 MiB"\ntls-cert = "c.pem"\ntls-key = "k.pem"')
    monkeypatch.setenv("REMX_GRACE", "250 ms")
    monkeypatch.setenv("REMX_TOKEN", "hush-hush")
    flags = [f"--config={file}", "--sessions=3", "--insecure"]
    said = printed(capsys, *flags, "--print-config")
    assert 'queue-size = "2 MiB"  # ' + f"{file}: queue-size\n" in said
    assert "grace = 0.25  # REMX_GRACE\n" in said
    assert "sessions = 3  # --sessions\n" in said
    assert "insecure = true  # --insecure\n" in said
    assert 'device = "auto"  # default\n' in said
    assert "# client-ca: not set\n" in said
    assert "# REMX_TOKEN: set, not shown\n" in said
    assert "hush-hush" not in said
    # It is a file that says the same.
    again = tmp_path / "elsewhere" / "again.toml"
    again.parent.mkdir()
    again.write_text(said)
    expected = parse(flags)
    monkeypatch.delenv("REMX_GRACE")
    assert parse([f"--config={again}"]) == expected
