"""Config: what a server is told by flags and the environment, frozen once it runs."""

from __future__ import annotations

import argparse
import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

DEVICES: Final = ("auto", "cpu", "gpu")
LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")


@dataclass(frozen=True)
class Limits:
    """The bounds of one session.

    Attributes
    ----------
    inline_bytes : int
        Arrays up to this size ride the command stream.
    batch_words : int
        Code words of one batch.
    queued_bytes : int
        How much of the command stream may wait to be run before the stream stops reading.
    unread_bytes : int
        How much may wait for the client to read it before its commands stop running.
    specs : int
        Interned specs at a time.
    names : int
        Named tensors.
    random_threads : int
        Client threads with a random state, which takes some megabytes.
    upload_bytes : int
        Size of one upload.
    early_bytes, early_uploads : int
        How much of uploads that no command has asked for yet is kept, and of how many.
    download_bytes, downloads : int
        How much may wait to be fetched, and how many.
    history_nodes : int
        Nodes of the largest history that is told.
    transfer_seconds : float
        How long a command waits for the next piece of its upload, and a download to be fetched.
    call_seconds : float
        How long a backward pass waits for a Function of the client.
    hello_seconds : float
        How long a new stream may be silent.
    lease_seconds : float
        How long a session outlives a broken connection.
    detached_seconds : float
        How long at most it waits for another client after its own has detached it.
    sessions : int
        How many at a time.
    """

    inline_bytes: int = 64 * 1024
    batch_words: int = 1 << 20
    queued_bytes: int = 128 << 20
    unread_bytes: int = 64 << 20
    specs: int = 200_000
    names: int = 100_000
    random_threads: int = 1024
    upload_bytes: int = 16 << 30
    early_bytes: int = 64 << 20
    early_uploads: int = 1024
    download_bytes: int = 16 << 30
    downloads: int = 256
    history_nodes: int = 500_000
    transfer_seconds: float = 30.0
    call_seconds: float = 600.0
    hello_seconds: float = 10.0
    lease_seconds: float = 300.0
    detached_seconds: float = 86_400.0
    sessions: int = 256


@dataclass(frozen=True)
class Config:
    """How a server runs.

    Attributes
    ----------
    listen : str
        ``host:port`` (port 0 for any free one) or ``unix:/path``.
    device : str
        ``auto``, ``cpu`` or ``gpu``.
    token : str
        What clients must present; empty for none. Never logged.
    die_with_stdin : bool
        Stop when standard input ends: the embedded server's tie to its parent.
    grace_seconds : float
        How long a stop waits for running sessions.
    """

    listen: str = "127.0.0.1:50051"
    device: str = "auto"
    token: str = field(default="", repr=False)
    die_with_stdin: bool = False
    grace_seconds: float = 10.0
    log_level: str = "INFO"
    limits: Limits = field(default_factory=Limits)

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the address."""
        if self.listen.startswith("unix:"):
            return True
        host = self.listen.rpartition(":")[0].strip("[]")
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            # Any other name may stand for any address.
            return host == "localhost"


def parse(arguments: Sequence[str] | None = None) -> Config:
    """The Config that flags and the environment describe; exits with a message where they make no sense."""
    parser = argparse.ArgumentParser(
        prog="remx-server",
        description="Serve tensors, autograd and random state to remx clients.",
        epilog="A server that listens beyond loopback needs a token: --token-file or REMX_TOKEN.",
    )
    environment = os.environ.get
    parser.add_argument(
        "--listen",
        metavar="ADDRESS",
        default=environment("REMX_LISTEN", Config.listen),
        help="host:port (port 0: any free one) or unix:/path; default %(default)s (REMX_LISTEN)",
    )
    parser.add_argument(
        "--device",
        choices=DEVICES,
        default=environment("REMX_DEVICE", Config.device),
        help="auto uses GPUs where there are any, gpu insists on one; default %(default)s (REMX_DEVICE)",
    )
    parser.add_argument(
        "--token-file",
        metavar="FILE",
        type=Path,
        help="the file with the token that clients present (REMX_TOKEN_FILE; REMX_TOKEN is the token itself)",
    )
    parser.add_argument(
        "--grace",
        metavar="SECONDS",
        type=_seconds,
        default=environment("REMX_GRACE", str(Config.grace_seconds)),
        help="how long SIGTERM waits for sessions to finish; default %(default)s (REMX_GRACE)",
    )
    parser.add_argument(
        "--function-timeout",
        metavar="SECONDS",
        type=_seconds,
        default=environment("REMX_FUNCTION_TIMEOUT", str(Limits.call_seconds)),
        help="how long a backward pass waits for a client's autograd.Function; default %(default)s "
        "(REMX_FUNCTION_TIMEOUT)",
    )
    parser.add_argument(
        "--lease",
        metavar="SECONDS",
        type=_seconds,
        default=environment("REMX_LEASE", str(Limits.lease_seconds)),
        help="how long a session waits for a client whose connection broke; default %(default)s (REMX_LEASE)",
    )
    parser.add_argument(
        "--log-level",
        choices=LOG_LEVELS,
        default=environment("REMX_LOG_LEVEL", Config.log_level),
        help="default %(default)s (REMX_LOG_LEVEL)",
    )
    parser.add_argument(
        "--die-with-stdin",
        action="store_true",
        help="stop when standard input ends, and remove a unix socket together with its folder",
    )
    flags = parser.parse_args(arguments)
    # Defaults from the environment are not checked by argparse.
    if flags.device not in DEVICES:
        parser.error(f"REMX_DEVICE is {flags.device!r}, not one of {', '.join(DEVICES)}")
    if flags.log_level not in LOG_LEVELS:
        parser.error(f"REMX_LOG_LEVEL is {flags.log_level!r}, not one of {', '.join(LOG_LEVELS)}")
    if not _is_address(flags.listen):
        parser.error(f"--listen {flags.listen!r} is neither host:port nor unix:/path")
    config = Config(
        listen=flags.listen,
        device=flags.device,
        token=_token(parser, flags.token_file),
        die_with_stdin=flags.die_with_stdin,
        grace_seconds=flags.grace,
        log_level=flags.log_level,
        limits=Limits(call_seconds=flags.function_timeout, lease_seconds=flags.lease),
    )
    if not config.loopback and not config.token:
        parser.error(
            f"--listen {config.listen} can be reached from other machines, so it needs a token: "
            "--token-file FILE or REMX_TOKEN"
        )
    return config


def _token(parser: argparse.ArgumentParser, file: Path | None) -> str:
    """The token: of the flag's file, else REMX_TOKEN, else of REMX_TOKEN_FILE; empty where none is set."""
    token = os.environ.get("REMX_TOKEN", "").strip()
    source = "REMX_TOKEN"
    path = file or os.environ.get("REMX_TOKEN_FILE")
    if path and (file is not None or not token):
        source = str(path)
        try:
            token = Path(path).read_text().strip()
        except (OSError, ValueError) as error:
            parser.error(f"token file: {error}")
        if not token:
            parser.error(f"token file: {path} is empty")
    if not (token.isascii() and (token.isprintable() or not token)):
        parser.error(f"{source}: a token is one line of printable ASCII characters")
    return token


def _seconds(text: str) -> float:
    """A number of seconds that is finite and not negative."""
    value = float(text)
    if not 0 <= value < float("inf"):
        raise ValueError(text)
    return value


def _is_address(listen: str) -> bool:
    """Whether it is ``unix:/path`` or ``host:port``."""
    if listen.startswith("unix:"):
        return len(listen) > len("unix:")
    host, _, port = listen.rpartition(":")
    return bool(host) and port.isascii() and port.isdigit() and int(port) < 65536
