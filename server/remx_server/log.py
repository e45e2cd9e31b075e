"""The server's structured log: one JSON object a line, on standard error. Tokens never go there."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from typing import Final

log: Final = logging.getLogger("remx_server")

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({})))


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON: time, level, event, and whatever was given as ``extra``."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{stamp}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "event": record.getMessage(),
        }
        line.update(
            {key: value for key, value in vars(record).items() if key not in _STANDARD and key != "message"}
        )
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def set_up(level: str) -> None:
    """Send the log to standard error from ``level`` on, and with it what gRPC and Python warn of."""
    # gRPC's core has a log of its own, where all who fail to connect with TLS leave lines that are no JSON.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.captureWarnings(True)
    for logger in (log, logging.getLogger("grpc"), logging.getLogger("py.warnings")):
        logger.handlers[:] = [handler]
        logger.propagate = False
    log.setLevel(level)
