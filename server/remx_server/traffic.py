"""Traffic: how many bytes came from clients and went to them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import ClassVar


class Traffic:
    """Counts bytes by channel: ``stream`` for commands and answers, ``bulk`` for the byte streams.

    Called once a message, from the threads of all streams.
    """

    CHANNELS: ClassVar = ("stream", "bulk")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._received = dict.fromkeys(self.CHANNELS, 0)
        self._sent = dict.fromkeys(self.CHANNELS, 0)

    def receive(self, channel: str, raw: bytes) -> bytes:
        """Count a message that came; returns it."""
        with self._lock:
            self._received[channel] += len(raw)
        return raw

    def send(self, channel: str, raw: bytes) -> bytes:
        """Count a message that goes; returns it."""
        with self._lock:
            self._sent[channel] += len(raw)
        return raw

    def receiving(self, channel: str, messages: Iterable[bytes]) -> Iterator[bytes]:
        """The messages, counted as they come."""
        for raw in messages:
            yield self.receive(channel, raw)

    def received(self, channel: str) -> int:
        """Bytes that came so far."""
        return self._received[channel]

    def sent(self, channel: str) -> int:
        """Bytes that went so far."""
        return self._sent[channel]
