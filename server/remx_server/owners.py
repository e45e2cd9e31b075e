"""Owners: on whose behalf a session runs, and what they may use together."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Final


@dataclass(frozen=True)
class Quota:
    """What all sessions of one owner may hold at a time; None where nothing but the machine bounds it.

    Attributes
    ----------
    device_bytes, host_bytes : int or None
        Bytes of tensors on GPUs, and in host memory.
    sessions : int or None
    handles : int or None
        Tensors that clients hold.
    tape_nodes : int or None
        Recorded ops.
    stream_bytes : int or None
        Bytes of commands that wait to be run, in each session.
    upload_bytes : int or None
        Size of one upload.
    """

    device_bytes: int | None = None
    host_bytes: int | None = None
    sessions: int | None = None
    handles: int | None = None
    tape_nodes: int | None = None
    stream_bytes: int | None = None
    upload_bytes: int | None = None

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if value is not None and value < 0:
                raise ValueError(f"a quota's {each.name} is a number that is not negative, not {value}")


@dataclass(frozen=True)
class Owner:
    """Whoever a token stands for.

    Attributes
    ----------
    name : str
        What the log, the statistics and the command line call them. Two sessions belong together where
        it is the same.
    quota : Quota
    devices : frozenset of str, or None
        The devices they may use, as ``cpu`` and ``gpu(0)``; None for all.
    admin : bool
        Whether they may see and end the sessions of others.
    credential : bytes
        The hash of the token that they came with.
    """

    name: str
    quota: Quota = field(default_factory=Quota)
    devices: frozenset[str] | None = None
    admin: bool = False
    credential: bytes = field(default=b"", repr=False)

    def may_use(self, device: str) -> bool:
        """Whether they may use a device, which is called as in ``devices``."""
        return self.devices is None or device in self.devices


ANYBODY: Final = Owner("anybody", admin=True)
"""Who uses a server that wants no token."""
