"""Config: what a server is told by flags and the environment, frozen once it runs."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Limits:
    """The bounds of one session.

    Attributes
    ----------
    inline_bytes : int
        Arrays up to this size ride the command stream.
    batches_in_flight : int
        How many batches may wait before the stream stops reading.
    specs : int
        Interned specs at a time.
    upload_bytes : int
        Size of one upload.
    transfer_seconds : float
        How long a command waits for the next piece of its upload.
    lease_seconds : float
        How long a session outlives a broken connection.
    sessions : int
        How many at a time.
    """

    inline_bytes: int = 64 * 1024
    batches_in_flight: int = 256
    specs: int = 200_000
    upload_bytes: int = 16 << 30
    transfer_seconds: float = 30.0
    lease_seconds: float = 0.0
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
        return host in ("localhost", "::1") or host.startswith("127.")


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
        choices=("auto", "cpu", "gpu"),
        default=environment("REMX_DEVICE", Config.device),
        help="auto uses GPUs where there are any, gpu insists on one; default %(default)s (REMX_DEVICE)",
    )
    parser.add_argument(
        "--token-file",
        metavar="FILE",
        type=Path,
        default=environment("REMX_TOKEN_FILE"),
        help="the file with the token that clients present (REMX_TOKEN_FILE; REMX_TOKEN is the token itself)",
    )
    parser.add_argument(
        "--grace",
        metavar="SECONDS",
        type=float,
        default=float(environment("REMX_GRACE", str(Config.grace_seconds))),
        help="how long SIGTERM waits for sessions to finish; default %(default)s (REMX_GRACE)",
    )
    parser.add_argument(
        "--log-level",
        choices=("DEBUG", "INFO", "WARNING", "ERROR"),
        default=environment("REMX_LOG_LEVEL", Config.log_level),
        help="default %(default)s (REMX_LOG_LEVEL)",
    )
    parser.add_argument("--die-with-stdin", action="store_true", help="stop when standard input ends")
    flags = parser.parse_args(arguments)
    token = environment("REMX_TOKEN", "")
    if flags.token_file is not None:
        try:
            token = Path(flags.token_file).read_text().strip()
        except OSError as error:
            parser.error(f"--token-file: {error}")
        if not token:
            parser.error(f"--token-file: {flags.token_file} is empty")
    config = Config(
        listen=flags.listen,
        device=flags.device,
        token=token,
        die_with_stdin=flags.die_with_stdin,
        grace_seconds=flags.grace,
        log_level=flags.log_level,
    )
    if not config.loopback and not config.token:
        parser.error(
            f"--listen {config.listen} can be reached from other machines, so it needs a token: "
            "--token-file FILE or REMX_TOKEN"
        )
    return config
