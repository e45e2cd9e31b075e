"""What the front process and a session's worker say to each other, over sockets that nobody else can reach.

Each worker has one control link, of messages in JSON. Each call that the front passes on has a link of its
own, a socket that goes to the worker over the control link: the messages of the call cross it as they came,
behind a header of five bytes, so that neither side reads what it only passes on.
"""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import struct
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from .config import Config, Limits
from .owners import Owner, Quota

MESSAGE: Final = 0
END: Final = 1
"""Kinds of frames. The end going up says that the client has nothing more to say; going down it has the
call's Outcome."""

MAX_FRAME: Final = 128 << 20
"""More than any message that gRPC lets through."""
_HEADER: Final = struct.Struct("<IB")
_LENGTH: Final = struct.Struct("<I")
_SMALL: Final = 1 << 16
_BUFFER_BYTES: Final = 1 << 20
"""What a link holds that was not read yet; the system may allow less."""

Json = dict[str, Any]


class LinkBrokenError(Exception):
    """The other side of a link is gone, or has given the call up."""


class Link:
    """One side of a call's socket. One thread may write to it while another reads.

    Parameters
    ----------
    end : socket
        It belongs to the link from now on.
    """

    def __init__(self, end: socket.socket) -> None:
        with contextlib.suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        self._socket = end
        # The system's socket is closed when both of these are.
        self._file = end.makefile("rb", _SMALL)
        self._lock = threading.Lock()

    def send(self, data: bytes, kind: int = MESSAGE) -> None:
        """Send a frame; blocks while the other side does not read. LinkBrokenError where it is gone."""
        header = _HEADER.pack(len(data), kind)
        try:
            if len(data) <= _SMALL:
                self._socket.sendall(header + data)
            else:
                self._socket.sendall(header)
                self._socket.sendall(data)
        except OSError as error:
            raise LinkBrokenError from error

    def receive(self) -> tuple[int, bytes]:
        """The kind and the data of the next frame; LinkBrokenError where there is none."""
        try:
            header = self._file.read(_HEADER.size)
            if len(header) < _HEADER.size:
                raise LinkBrokenError
            length, kind = _HEADER.unpack(header)
            data = self._file.read(length) if length <= MAX_FRAME else b""
        except (OSError, ValueError) as error:
            raise LinkBrokenError from error
        if len(data) < length:
            raise LinkBrokenError
        return kind, data

    def break_off(self) -> None:
        """Wake whoever reads or writes, on both sides; may be called at any time."""
        with self._lock, contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def done_writing(self) -> None:
        """Nothing will be sent any more."""
        with self._lock:
            self._socket.close()

    def done_reading(self) -> None:
        """Nothing will be received any more."""
        with self._lock, contextlib.suppress(OSError):
            self._file.close()


class Control:
    """One side of a worker's control link. Several threads may send, one receives.

    Parameters
    ----------
    end : socket
        It belongs to the link from now on.
    """

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._sending = threading.Lock()

    def send(self, message: Json, passed: socket.socket | None = None) -> None:
        """Send a message, and a socket with it; LinkBrokenError where the other side is gone."""
        data = json.dumps(message).encode()
        try:
            with self._sending:
                length = _LENGTH.pack(len(data))
                if passed is None:
                    self._socket.sendall(length)
                else:
                    # With its first byte, so that the two cannot be told apart wrongly.
                    sent = socket.send_fds(self._socket, [length], [passed.fileno()])
                    self._socket.sendall(length[sent:])
                self._socket.sendall(data)
        except OSError as error:
            raise LinkBrokenError from error

    def receive(self, timeout: float | None = None) -> tuple[Json, socket.socket | None]:
        """The next message, and the socket that came with it; LinkBrokenError where there is none, or none
        in time."""
        try:
            self._socket.settimeout(timeout)
            head, numbers, _, _ = socket.recv_fds(self._socket, _LENGTH.size, 1)
            passed = socket.socket(fileno=numbers[0]) if numbers else None
            head += self._exactly(_LENGTH.size - len(head))
            data = self._exactly(*_LENGTH.unpack(head))
        except OSError as error:
            raise LinkBrokenError from error
        message: Json = json.loads(data)
        return message, passed

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            piece = self._socket.recv(size - len(data))
            if not piece:
                raise LinkBrokenError
            data += piece
        return bytes(data)

    def close(self) -> None:
        """Close this side."""
        self._socket.close()


@dataclass(frozen=True)
class Outcome:
    """How a call ended, as gRPC says it; ``trailers`` are its trailing metadata.

    Attributes
    ----------
    code : int
        gRPC's number, 0 for success.
    details : str
    trailers : tuple of (str, str or bytes)
    """

    code: int = 0
    details: str = ""
    trailers: tuple[tuple[str, str | bytes], ...] = ()

    def to_bytes(self) -> bytes:
        """As the data of the last frame."""
        return json.dumps([self.code, self.details, pack_metadata(self.trailers)]).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Outcome:
        """What :meth:`to_bytes` made."""
        code, details, trailers = json.loads(data)
        return cls(code, details, unpack_metadata(trailers))


def pack_metadata(metadata: Any) -> list[list[str]]:
    """Metadata of gRPC for JSON: where a key ends in ``-bin``, the value is bytes."""
    return [
        [key, base64.b64encode(value).decode() if key.endswith("-bin") else value] for key, value in metadata
    ]


def unpack_metadata(packed: Any) -> tuple[tuple[str, str | bytes], ...]:
    """What :func:`pack_metadata` made."""
    return tuple((key, base64.b64decode(value) if key.endswith("-bin") else value) for key, value in packed)


def pack_owner(owner: Owner) -> Json:
    """An owner for JSON, without what proves that it is them."""
    devices = None if owner.devices is None else sorted(owner.devices)
    return {"name": owner.name, "quota": asdict(owner.quota), "devices": devices, "admin": owner.admin}


def unpack_owner(packed: Mapping[str, Any]) -> Owner:
    """What :func:`pack_owner` made."""
    devices = packed["devices"]
    return Owner(
        **{
            **packed,
            "quota": Quota(**packed["quota"]),
            "devices": None if devices is None else frozenset(devices),
        }
    )


FOR_WORKERS: Final = frozenset(
    {"device", "log_level", "log_format", "state_dir", "checkpoint_seconds", "limits"}
)
FOR_THE_FRONT: Final = frozenset(
    {
        "listen",
        "metrics",
        "grace_seconds",
        "isolation",
        "workers",
        "die_with_stdin",
        "token_file",
        "token",
        "tls_cert",
        "tls_key",
        "client_ca",
        "insecure",
    }
)
"""Which settings a worker is told, and which ones only the front has a use for. Each is in one of the two: a
new setting is no secret that a worker has by mistake, nor one that it lacks."""


def pack_config(config: Config) -> Json:
    """What a worker has to know of the server's configuration, for JSON: no address and no secret."""
    return {**_pack(config, FOR_WORKERS - {"limits"}), "limits": asdict(config.limits)}


def _pack(settings: Any, names: Iterable[str]) -> Json:
    packed: Json = {}
    for name in names:
        value = getattr(settings, name)
        packed[name] = {"path": str(value)} if isinstance(value, Path) else value
    return packed


def unpack_config(packed: Mapping[str, Any]) -> Config:
    """What :func:`pack_config` made; all else is as it is by default, and matters to the front alone."""
    return Config(**{**_unpack({**packed, "limits": []}), "limits": Limits(**packed["limits"])})


def _unpack(packed: Mapping[str, Any]) -> Json:
    settings = dict(packed)
    for name, value in packed.items():
        if isinstance(value, dict):
            settings[name] = Path(value["path"])
        elif isinstance(value, list):
            settings[name] = tuple(value)
    return settings
