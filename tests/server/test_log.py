"""The log: who and which call each line is about, in two formats, and no secrets."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
import time
from collections.abc import Iterator
from types import SimpleNamespace

import grpc
import pytest
from remx_server import log as log_module
from remx_server.log import JsonFormatter, TextFormatter, log, set_up
from remx_server.requests import REQUEST, Request
from support.admin import ask
from support.wire import Closed, Remote, ServerProcess, Wire, hello

TOKEN = "never-to-be-logged"


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Standard error, with the loggers put back as they were."""
    loggers = (log, logging.getLogger("grpc"), logging.getLogger("py.warnings"))
    before = [(logger.handlers[:], logger.propagate, logger.level) for logger in loggers]
    stream = io.StringIO()
    monkeypatch.setattr(log_module, "sys", SimpleNamespace(stderr=stream))
    yield stream
    logging.captureWarnings(False)
    for logger, (handlers, propagate, level) in zip(loggers, before, strict=True):
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)


def test_every_line_of_a_session_has_its_owner_and_its_call() -> None:
    with ServerProcess("--grace=5", environment={"REMX_TOKEN": TOKEN}) as server:
        wires = [
            Wire(Remote(server.address, TOKEN).stream, hello(client=f"client {index}")) for index in (1, 2)
        ]
        secrets = [wire.welcome.session for wire in wires]
        # One ends in good order, one breaks the contract.
        wires[0].read(wires[0].put([1]))
        wires[0].close()
        wires[1].code = [3]
        with pytest.raises(Closed):
            wires[1].settle()
        for attempt in (TOKEN + "x", "wrong"):
            with pytest.raises(grpc.RpcError):
                ask(server.address, "Status", attempt)
        server.signal()
        assert server.wait() == 0
    lines = [json.loads(line) for line in server.log.splitlines()]
    of_sessions = [line for line in lines if "session" in line]
    assert {line["event"] for line in of_sessions} == {"session opened", "session failed", "session closed"}
    for line in of_sessions:
        assert re.fullmatch("[0-9a-f]{8}", line["session"])
        assert re.fullmatch("[0-9a-f]{12}", line["request"])
        assert line["owner"]
    # All lines of a session name the call that it came with.
    assert len({(line["session"], line["request"]) for line in of_sessions}) == 2
    refused = [line for line in lines if line["event"] == "authentication failed"]
    assert len(refused) == 2
    assert len({line["request"] for line in refused}) == 2
    for secret in (
        TOKEN,
        "wrong",
        *(token.hex() for token in secrets),
        *(repr(token)[2:-1] for token in secrets),
    ):
        assert secret not in server.log
        assert secret not in server.line


def test_lines_within_a_call_get_its_id_and_others_none(stderr: io.StringIO) -> None:
    set_up("INFO", "json")
    log.info("before")
    reset = REQUEST.set(Request("abc", lambda reason: None))
    log.info("within", extra={"reason": "X"})
    log.info("of its own", extra={"request": "own"})
    log.info("of a session without a call", extra={"request": ""})
    REQUEST.reset(reset)
    lines = [json.loads(line) for line in stderr.getvalue().splitlines()]
    assert [line.get("request") for line in lines] == [None, "abc", "own", None]
    assert lines[1]["reason"] == "X"


@pytest.mark.parametrize(
    ("form", "terminal", "json_lines"),
    [
        ("json", False, True),
        ("json", True, True),
        ("text", False, False),
        ("text", True, False),
        ("auto", False, True),
        ("auto", True, False),
    ],
)
def test_people_get_text_and_machines_json(
    stderr: io.StringIO, monkeypatch: pytest.MonkeyPatch, form: str, terminal: bool, json_lines: bool
) -> None:
    monkeypatch.setattr(stderr, "isatty", lambda: terminal)
    set_up("INFO", form)
    log.info("hello", extra={"session": "abc"})
    line = stderr.getvalue()
    assert line.startswith("{") == json_lines
    assert ("session=abc" in line) != json_lines


def record(**extra: object) -> logging.LogRecord:
    """A record with some extra."""
    return log.makeRecord(log.name, logging.WARNING, "f", 1, "session opened", (), None, extra=extra)


def test_a_line_of_text_cannot_be_forged() -> None:
    text = TextFormatter().format(
        record(client="x\n12:00:00.000 ERROR   forged a=b", owner="two words", empty="")
    )
    assert len(text.splitlines()) == 1
    assert 'client="x\\n12:00:00.000 ERROR   forged a=b"' in text
    assert 'owner="two words"' in text
    assert 'empty=""' in text
    assert re.match(r"\d\d:\d\d:\d\d\.\d{3} WARNING session opened client=", text)
    forged = log.makeRecord(log.name, logging.WARNING, "f", 1, "a\nb \x1b[31m", (), None)
    assert len(TextFormatter().format(forged).splitlines()) == 1
    assert "\x1b" not in TextFormatter().format(forged)


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_an_exception_is_shown_with_its_traceback(formatter: logging.Formatter) -> None:
    try:
        raise ValueError("deep")
    except ValueError:
        made = log.makeRecord(log.name, logging.ERROR, "f", 1, "failed", (), sys.exc_info())
    assert "ValueError: deep" in formatter.format(made)


def test_times_are_in_utc_for_machines() -> None:
    made = record()
    stamp = json.loads(JsonFormatter().format(made))["time"]
    assert stamp.startswith(time.strftime("%Y-%m-%dT%H:%M", time.gmtime(made.created)))
    assert stamp.endswith("Z")
