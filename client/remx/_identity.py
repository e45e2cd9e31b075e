"""What names this process to servers: where it is the same, equal handles mean the same array."""

from __future__ import annotations

import os
import secrets

_client_id = secrets.token_bytes(16)


def client_id() -> bytes:
    """16 random bytes, others in each process: a forked one goes on counting handles for itself."""
    return _client_id


def _after_fork_in_child() -> None:
    global _client_id
    _client_id = secrets.token_bytes(16)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
