"""Config: how a server runs, frozen once it does.

Adding a setting is adding a field made with :func:`~remx_server.settings.setting`: its flag, its variable,
its key in the file and its line in ``--help`` follow.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from .settings import (
    Address,
    Choice,
    Count,
    File,
    Folder,
    HostPort,
    Seconds,
    Size,
    Switch,
    Token,
    setting,
)

SERVING: Final = "serving"
ACCESS: Final = "access"
LIMITS: Final = "limits"
GROUPS: Final = {
    SERVING: "",
    ACCESS: "Who may connect. docs/security.md says what protects whom from what.",
    LIMITS: "Bounds of each session, unless they say otherwise. What an owner may use together is in the "
    "token file.",
}
"""The headings of ``--help``, in order, and what is said below them."""

ISOLATIONS: Final = ("thread", "process")


@dataclass(frozen=True)
class Limits:
    """The bounds of one session.

    Those that are settings say what they are; the others are for tests.

    Attributes
    ----------
    batch_words : int
        Code words of one batch.
    specs : int
        Interned specs at a time.
    names : int
        Named tensors.
    early_bytes, early_uploads : int
        How much of uploads that no command has asked for yet is kept, and of how many.
    """

    sessions: int = setting(256, Count(1), "sessions", LIMITS, "sessions of all owners at a time")
    inline_bytes: int = setting(
        64 << 10, Size(1, 16 << 20), "inline-size", LIMITS, "arrays up to this size ride the command stream"
    )
    queued_bytes: int = setting(
        128 << 20,
        Size(1 << 16),
        "queue-size",
        LIMITS,
        "commands that may wait to be run before the server stops reading more of them",
    )
    unread_bytes: int = setting(
        64 << 20,
        Size(1 << 16),
        "unread-size",
        LIMITS,
        "answers that may wait for the client to read them before its commands stop running",
    )
    upload_bytes: int = setting(16 << 30, Size(), "upload-size", LIMITS, "the largest array that is uploaded")
    download_bytes: int = setting(
        16 << 30, Size(), "download-size", LIMITS, "arrays that may wait to be fetched, all together"
    )
    downloads: int = setting(256, Count(1), "downloads", LIMITS, "arrays that may wait to be fetched")
    random_threads: int = setting(
        1024, Count(1), "random-threads", LIMITS, "client threads with a random state of some megabytes"
    )
    history_nodes: int = setting(
        500_000, Count(), "history-nodes", LIMITS, "recorded ops of the largest graph that get_symbol tells"
    )
    transfer_seconds: float = setting(
        30.0, Seconds(), "transfer-timeout", LIMITS, "how long an upload or a download may stand still"
    )
    call_seconds: float = setting(
        600.0,
        Seconds(),
        "function-timeout",
        LIMITS,
        "how long a backward pass waits for a client's autograd.Function",
    )
    hello_seconds: float = setting(
        10.0, Seconds(), "hello-timeout", LIMITS, "how long a new connection may be silent"
    )
    spill: bool = setting(
        True,
        Switch(),
        "spill",
        LIMITS,
        "whether tensors of idle sessions move from a GPU to host memory where it is short of memory",
    )
    spill_percent: int = setting(
        3, Count(), "spill-below", LIMITS, "percent of a GPU's memory that they leave free for others"
    )
    batch_words: int = 1 << 20
    specs: int = 200_000
    lease_seconds: float = setting(
        300.0,
        Seconds(),
        "lease",
        LIMITS,
        "how long a session waits for a client whose connection broke; 0 ends it with its connection",
    )
    detached_seconds: float = setting(
        86_400.0,
        Seconds(),
        "detached-lease",
        LIMITS,
        "how long at most it waits for another client after its own has detached it (mx.session.detach)",
    )
    stored_bytes: int = setting(
        64 << 30, Size(), "stored-size", LIMITS, "what the checkpoints of one owner may take in --state-dir"
    )
    names: int = 100_000
    early_bytes: int = 64 << 20
    early_uploads: int = 1024


@dataclass(frozen=True)
class Config:
    """How a server runs; its fields say what they are."""

    listen: str = setting(
        "127.0.0.1:50051",
        Address(),
        "listen",
        SERVING,
        "where to serve: host:port (port 0: any free one) or unix:/path",
    )
    device: str = setting(
        "auto",
        Choice("auto", "cpu", "gpu"),
        "device",
        SERVING,
        "auto uses the GPUs that there are, gpu insists on one, cpu uses none",
    )
    grace_seconds: float = setting(
        10.0, Seconds(), "grace", SERVING, "how long SIGTERM lets sessions go on before it ends them"
    )
    state_dir: Path | None = setting(
        None,
        Folder(),
        "state-dir",
        SERVING,
        "keep checkpoints of sessions here, by which they come back when the server was restarted",
    )
    checkpoint_seconds: float = setting(
        0.0,
        Seconds(),
        "checkpoint-every",
        SERVING,
        "how often sessions that have changed are checkpointed unasked; 0 for never but at the end",
    )
    log_level: str = setting(
        "INFO",
        Choice("DEBUG", "INFO", "WARNING", "ERROR"),
        "log-level",
        SERVING,
        "the least that is logged, on standard error",
    )
    log_format: str = setting(
        "auto",
        Choice("auto", "json", "text"),
        "log-format",
        SERVING,
        "JSON lines for machines or text for people; auto is text where standard error is a terminal",
    )
    metrics: str | None = setting(
        None,
        HostPort(),
        "metrics",
        SERVING,
        "where the status page and Prometheus' metrics are, over HTTP and for all who can reach it",
    )
    isolation: str = setting(
        "thread",
        Choice(*ISOLATIONS),
        "isolation",
        SERVING,
        "what each session has to itself: with a process of its own, whose crash costs no other session, it "
        "takes some 30 MB more memory, and reading a value 0.1 ms longer",
    )
    workers: int = setting(
        1,
        Count(),
        "workers",
        SERVING,
        "with --isolation process, how many processes are ready before their sessions come",
    )
    die_with_stdin: bool = setting(
        False,
        Switch(),
        "die-with-stdin",
        SERVING,
        "stop when standard input ends, and remove a unix socket together with its folder",
    )
    token_file: Path | None = setting(
        None,
        File(),
        "token-file",
        ACCESS,
        "TOML with the tokens that clients present, their owners' quotas and devices; 'remx-server new-token "
        "NAME' makes one; read again on SIGHUP",
    )
    token: str = setting(
        "",
        Token(),
        "token",
        ACCESS,
        "one token for all clients, whose owner is called 'default' and is an admin, instead of a file",
        secret=True,
    )
    tls_cert: Path | None = setting(
        None,
        File(),
        "tls-cert",
        ACCESS,
        "the server's certificate with those between it and its root, in PEM; read again on SIGHUP",
    )
    tls_key: Path | None = setting(
        None,
        File(),
        "tls-key",
        ACCESS,
        "the certificate's key, in PEM without a passphrase; read again on SIGHUP",
    )
    client_ca: Path | None = setting(
        None,
        File(),
        "client-ca",
        ACCESS,
        "in PEM, who signs clients' certificates: without one, nobody connects; read again on SIGHUP",
    )
    insecure: bool = setting(
        False,
        Switch(),
        "insecure",
        ACCESS,
        "serve other machines without tokens: whoever reaches the address can use and end everything",
    )
    limits: Limits = field(default_factory=Limits)

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the address."""
        if self.listen.startswith("unix:"):
            return True
        host = self.listen.rpartition(":")[0].strip("[]")
        return _is_loopback(host)

    @property
    def metrics_open(self) -> bool:
        """Whether other machines can reach the metrics."""
        return self.metrics is not None and not _is_loopback(self.metrics.rpartition(":")[0].strip("[]"))

    @property
    def wants_token(self) -> bool:
        """Whether clients have to present a token."""
        return bool(self.token) or self.token_file is not None

    @property
    def tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.tls_cert is not None


def _is_loopback(host: str) -> bool:
    """Whether only this machine can reach a host's address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        # Any other name may stand for any address.
        return host == "localhost"
