"""Access: who may use the server, as the token file says now, and what a wrong token costs."""

from __future__ import annotations

import threading
import time
from typing import Final

from remx_contract.errors import UnauthenticatedError

from . import tokens
from .config import Config
from .log import log
from .owners import ANYBODY, Owner
from .tokens import Tokens

DELAY_SECONDS: Final = 0.2
"""How long whoever presents a wrong token waits for the answer: who tries again and again is slow."""
WAITING: Final = 8
"""How many wait at a time, each of them in a thread of the server; beyond that the answer comes at once."""
LINES: Final = 20
"""How many wrong tokens in a row are logged one by one; later ones once a second, with their number."""


class Refusals:
    """Slows those down who present wrong tokens, and logs them: neither takes more than a bounded part of
    the server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting = threading.BoundedSemaphore(WAITING)
        self._lines = float(LINES)
        self._noted = time.monotonic()
        self._unlogged = 0

    def note(self, peer: str) -> None:
        """Somebody presented a wrong token."""
        with self._lock:
            now = time.monotonic()
            self._lines = min(self._lines + now - self._noted, LINES)
            self._noted = now
            if self._lines < 1:
                self._unlogged += 1
            else:
                self._lines -= 1
                unlogged, self._unlogged = self._unlogged, 0
                log.warning("authentication failed", extra={"peer": peer, "unlogged_before": unlogged})
        if self._waiting.acquire(blocking=False):
            try:
                time.sleep(DELAY_SECONDS)
            finally:
                self._waiting.release()


class Access:
    """Who may use a server.

    Parameters
    ----------
    config : Config

    Raises
    ------
    ConfigError
        For a token file that makes no sense.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._refusals = Refusals()
        self._tokens = self._read()

    def _read(self) -> Tokens | None:
        """The tokens; None where the server wants none."""
        if self._config.token_file is not None:
            return tokens.read(self._config.token_file)
        return tokens.single(self._config.token) if self._config.token else None

    def authorize(self, token: str, peer: str = "") -> Owner:
        """Whoever a token stands for.

        Parameters
        ----------
        token : str
        peer : str
            Where it came from, for the log.

        Raises
        ------
        UnauthenticatedError
        """
        if self._tokens is None:
            return ANYBODY
        owner = self._tokens.owner_of(token)
        if owner is None:
            self._refusals.note(peer)
            raise UnauthenticatedError(
                "the server wants a token and this one is missing or wrong (REMX_TOKEN, or "
                "mx.connect(token=...))"
            )
        return owner

    def renewed(self, owner: Owner) -> Owner:
        """What an owner may use by now; UnauthenticatedError where their token was removed."""
        if self._tokens is None:
            return owner
        now = self._tokens.renewed(owner)
        if now is None:
            raise UnauthenticatedError("the token of this session was removed from the server")
        return now

    def reload(self) -> None:
        """Read the token file again; ConfigError where it makes no sense, and the tokens stay."""
        self._tokens = self._read()
