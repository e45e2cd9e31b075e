"""The server's structured log on standard error: JSON, or text for people. Tokens never go there.

Whatever is given as ``extra`` is part of the line. Lines about a session take ``session.labels``: the
session, its owner, and the call that it came with; lines of a call have its request id anyway.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from typing import Any, Final

from .requests import request_id

log: Final = logging.getLogger("remx_server")

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message"}


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    """What was given with a record, without what is empty for want of a call."""
    found = {key: value for key, value in vars(record).items() if key not in _STANDARD}
    if not found.get("request", True):
        del found["request"]
    return found


def _request(record: logging.LogRecord) -> bool:
    """Put the id of the running call on a record that has none; lets every record pass."""
    if "request" not in vars(record) and (running := request_id()):
        record.request = running
    return True


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON: time, level, event, and whatever was given as ``extra``."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{stamp}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "event": record.getMessage(),
            **_extra(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class TextFormatter(logging.Formatter):
    """A record as a line for people: local time, level, event, then ``name=value``."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record; a traceback follows on lines of its own."""
        stamp = time.strftime("%H:%M:%S", time.localtime(record.created))
        pairs = [f"{key}={_plain(value)}" for key, value in _extra(record).items()]
        # What gRPC or a client put into the message must not look like lines of the log either.
        event = record.getMessage()
        event = event if event.isprintable() else json.dumps(event)
        text = " ".join([f"{stamp}.{int(record.msecs):03d} {record.levelname:<7} {event}", *pairs])
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def _plain(value: object) -> str:
    """A value on one line: as it is where it is one word, else quoted, control characters escaped."""
    text = str(value)
    return text if text and text.isprintable() and not set(text) & set(' "=') else json.dumps(text)


def set_up(level: str, form: str = "auto") -> None:
    """Send the log to standard error from ``level`` on, and with it what gRPC and Python warn of.

    Parameters
    ----------
    level : str
    form : {"auto", "json", "text"}
    """
    # gRPC's core has a log of its own, where all who fail to connect with TLS leave lines that are no JSON.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    handler = logging.StreamHandler(sys.stderr)
    as_text = form == "text" or (form == "auto" and sys.stderr.isatty())
    handler.setFormatter(TextFormatter() if as_text else JsonFormatter())
    handler.addFilter(_request)
    logging.captureWarnings(True)
    for logger in (log, logging.getLogger("grpc"), logging.getLogger("py.warnings")):
        logger.handlers[:] = [handler]
        logger.propagate = False
    log.setLevel(level)
