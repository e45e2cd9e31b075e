"""``remx doctor``: checks, each with what to do where it does not pass."""

from __future__ import annotations

import importlib.util
import json
import platform
import socket
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from remx_contract import CONTRACT_VERSION
from remx_contract.catalogue import digest
from remx_contract.errors import MXNetError, ServerUnreachableError, UnauthenticatedError
from remx_contract.v1 import admin_pb2

from .. import _current
from .._session import Session
from .._tls import Tls
from .._transport import GrpcTransport, is_local
from .._version import __version__
from . import tables
from .link import SECONDS, Link

OK: Final = "ok"
WARN: Final = "warn"
FAIL: Final = "fail"

_PACKAGES: Final = ("numpy", "grpcio", "protobuf")
_SERVER_MODULES: Final = (
    "remx_server",
    "grpc_health",
    "grpc_reflection",
    "prometheus_client",
    "threadpoolctl",
)
_CONNECT_SECONDS: Final = 3.0
_ROUND_TRIPS: Final = 20
_SLOW_SECONDS: Final = 0.15
_PROBE_SIZES: Final = (1 << 16, 1 << 20, 4 << 20)
_PROBE_SECONDS: Final = 0.5
"""A probe that takes this long is large enough to tell the bandwidth."""
_SLOW_BYTES: Final = 1 << 20
_SKEW_SECONDS: Final = 2.0
_LITTLE_MEMORY: Final = 1 << 30


@dataclass(frozen=True)
class Check:
    """What a check found.

    Attributes
    ----------
    name : str
    state : {"ok", "warn", "fail"}
    text : str
        What was found.
    advice : str
        What to do; empty where there is nothing to do.
    """

    name: str
    state: str
    text: str
    advice: str = ""


@dataclass(frozen=True)
class Way:
    """How to reach a server.

    Attributes
    ----------
    address : str
        Empty for no server.
    token : str
    tls : Tls or None
    """

    address: str
    token: str
    tls: Tls | None = None

    @property
    def is_network(self) -> bool:
        """Whether there is a network to measure; a unix socket is none."""
        return not self.address.startswith("unix:")


def run(way: Way, json_wanted: bool) -> int:
    """Run all checks; 1 if one of them failed."""
    found: list[Check] = []
    for check in _all(way):
        found.append(check)
        if not json_wanted:
            # At once: those that measure take a moment.
            print(_line(check), flush=True)
    failed = any(check.state == FAIL for check in found)
    if json_wanted:
        print(json.dumps({"ok": not failed, "checks": [asdict(check) for check in found]}, indent=2))
    return 1 if failed else 0


def _line(check: Check) -> str:
    line = f"{check.state:<4}  {check.name:<12}  {tables.plain(check.text)}"
    return f"{line}\n{'':<20}-> {tables.plain(check.advice)}" if check.advice else line


def _all(way: Way) -> Iterator[Check]:
    yield from _installed()
    if way.address:
        reached = _port(way.address)
        yield reached
        if reached.state != FAIL:
            yield from _server(way)
    else:
        yield from _embedded()


# What is installed here.


def _installed() -> Iterator[Check]:
    versions = [f"{name} {_version(name)}" for name in _PACKAGES]
    yield Check(
        "client", OK, ", ".join([f"remx {__version__}", f"python {platform.python_version()}", *versions])
    )
    missing = [name for name in _SERVER_MODULES if importlib.util.find_spec(name) is None]
    if not missing:
        yield Check("server part", OK, "installed: programs that name no server get one of their own")
    else:
        yield Check(
            "server part",
            WARN,
            f"not here: {', '.join(missing)}",
            "pip install 'remx[server]' (or 'remx[cuda12]' for a GPU), if programs here shall run without a "
            "server elsewhere",
        )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "(unknown)"


def _embedded() -> Iterator[Check]:
    """Start an embedded server, as the first array of a program does, and look at it."""
    from .._connect import EmbeddedServer

    started = time.monotonic()
    try:
        embedded = EmbeddedServer()
    except MXNetError as error:
        yield Check("own server", FAIL, str(error), "or name a server: --server host:port, REMX_SERVER")
        return
    try:
        seconds = time.monotonic() - started
        yield Check("own server", OK, f"an embedded server started in {seconds:.1f} s")
        yield from _server(Way(embedded.address, embedded.token))
    finally:
        embedded.stop()


# The way to a server.


def _port(address: str) -> Check:
    """Whether anybody listens there at all."""
    started = time.monotonic()
    try:
        _reach(address)
    except ValueError:
        return Check("port", FAIL, f"{address} is no address", "--server host:port, or unix:/path")
    except socket.gaierror as error:
        return Check("port", FAIL, f"{address}: {error.strerror}", "check the host's name, and your VPN")
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        return Check("port", FAIL, f"{address} does not answer: {reason}", _advice_for(error))
    return Check("port", OK, f"{address} answers in {tables.milliseconds(time.monotonic() - started)}")


def _reach(address: str) -> None:
    kind, _, path = address.partition(":")
    if kind == "unix":
        with socket.socket(socket.AF_UNIX) as local:
            local.settimeout(_CONNECT_SECONDS)
            local.connect(path)
        return
    host, _, port = address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()


def _advice_for(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError | FileNotFoundError):
        return (
            "is the server running there, and does it listen beyond its own machine (--listen 0.0.0.0:50051)?"
        )
    if isinstance(error, TimeoutError):
        return "a firewall on the way drops it, or the machine is off"
    return "check the address and the network"


def _server(way: Way) -> Iterator[Check]:
    """Checks of a server that somebody listens for."""
    with Link(way.address, way.token, way.tls) as link:
        try:
            status = link.status()
        except UnauthenticatedError as error:
            hint = (
                "the one in REMX_TOKEN or --token-file is another"
                if way.token
                else "set REMX_TOKEN or --token-file"
            )
            yield Check("token", FAIL, str(error), f"{hint}; whoever runs the server gives them out")
            return
        except ServerUnreachableError as error:
            yield Check("protocol", FAIL, str(error), "is that a remx server?")
            return
        except MXNetError as error:
            yield Check("protocol", FAIL, str(error), "the server may be older than this client")
            return
        yield _token(way, status)
        versions = _versions(status)
        yield versions
        if status.draining:
            yield Check(
                "state", WARN, "the server is draining", "it takes no new sessions and will stop soon"
            )
        if versions.state == OK:
            yield _session(way)
        yield from _devices(status)
        if way.is_network:
            yield _clock(link)
        yield from _speed(link, way.is_network)


def _versions(status: admin_pb2.ServerStatus) -> Check:
    same = status.contract_version == CONTRACT_VERSION and status.catalogue_digest == digest()
    if same:
        return Check("contract", OK, f"version {CONTRACT_VERSION}, the same ops; {status.server}")
    return Check(
        "contract",
        FAIL,
        f"the server ({status.server}) has version {status.contract_version} or other ops, this client "
        f"{CONTRACT_VERSION}",
        f"install the same version of remx on both sides (here it is {__version__})",
    )


def _token(way: Way, status: admin_pb2.ServerStatus) -> Check:
    known = f"you are {status.owner}" + (", an administrator" if status.admin else "")
    if not way.token:
        return Check("token", OK, f"none is wanted; {known}")
    if way.tls is None and not is_local(way.address):
        text = f"{known}; the token crosses the network in the clear"
        return Check("token", WARN, text, "use TLS: --ca, REMX_CA")
    return Check("token", OK, known)


def _session(way: Way) -> Check:
    """Open a session and compute something."""
    import remx

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _current.use(Session(GrpcTransport(way.address, way.token, way.tls), SECONDS))
            answer = float((remx.nd.array([20, 1]) * 2).sum().asscalar())
    except MXNetError as error:
        return Check("session", FAIL, str(error), "the server's log has more; ask whoever runs it")
    finally:
        remx.disconnect()
    if answer != 42:
        return Check("session", FAIL, f"the server computed {answer} for 42", "report this")
    return Check("session", OK, "opened, computed, closed")


def _devices(status: admin_pb2.ServerStatus) -> Iterator[Check]:
    software = status.gpu_software
    gpus = [device for device in status.devices if device.context.startswith("gpu")]
    if gpus and not software.problem:
        text = f"CuPy {software.cupy}, CUDA {software.runtime}, the driver goes up to {software.driver}"
        yield Check("GPU", OK, text)
    elif software.cupy and not software.driver:
        yield Check(
            "GPU", WARN, software.problem, "no NVIDIA driver: in a container, run it with GPUs (--gpus all)"
        )
    elif software.problem:
        yield Check(
            "GPU",
            WARN,
            f"none: {software.problem}",
            "for a GPU: pip install 'remx[cuda12]' where the server runs",
        )
    else:
        yield Check(
            "GPU", WARN, "the server has GPUs and uses none", "--device auto or gpu, and your token's devices"
        )
    for device in status.devices:
        yield _memory(device)


def _memory(device: admin_pb2.DeviceStatus) -> Check:
    name = f"{device.context} {device.name}"
    if not device.memory:
        return Check("memory", OK, f"{name}: the system does not say")
    text = f"{name}: {tables.size(device.memory_free)} of {tables.size(device.memory)} free"
    if device.memory_free < min(_LITTLE_MEMORY, device.memory // 10):
        return Check(
            "memory", WARN, text, "ops may run out of memory: end sessions (remx sessions, remx kill)"
        )
    return Check("memory", OK, text)


# Measurements.


def _clock(link: Link) -> Check:
    """How far the two clocks are apart, by the quickest of a few answers."""
    best = float("inf")
    skew = 0.0
    for _ in range(5):
        before = time.time()
        started = time.perf_counter()
        there = link.status().time_ns / 1e9
        took = time.perf_counter() - started
        if took < best:
            best, skew = took, there - (before + took / 2)
    text = (
        f"the server's clock is {abs(skew):.3f} s {'ahead' if skew > 0 else 'behind'} (+- {best / 2:.3f} s)"
    )
    if abs(skew) - best / 2 > _SKEW_SECONDS:
        return Check("clock", WARN, text, "times in logs and certificates will not agree: use NTP on both")
    return Check("clock", OK, text)


def _speed(link: Link, network: bool) -> Iterator[Check]:
    """Round trips, and bandwidth where there is a network."""
    try:
        trips = sorted(_timed(lambda: link.probe()) for _ in range(_ROUND_TRIPS))
    except MXNetError as error:
        yield Check("round trip", WARN, str(error), "try again later")
        return
    middle = statistics.median(trips)
    best, median = tables.milliseconds(trips[0]), tables.milliseconds(middle)
    text = f"at best {best}, median {median} of {len(trips)}"
    if middle > _SLOW_SECONDS:
        yield Check("round trip", WARN, text, "each value that is read costs that long: read less often")
    else:
        yield Check("round trip", OK, text)
    if network:
        yield _bandwidth("upload", lambda count: _timed(lambda: link.probe(up=count)), trips[0])
        yield _bandwidth("download", lambda count: _timed(lambda: link.probe(down=count)), trips[0])


def _timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _bandwidth(name: str, probe: Callable[[int], float], round_trip: float) -> Check:
    """Bytes per second of ever larger probes, until one takes long enough to tell."""
    rate = 0.0
    try:
        for count in _PROBE_SIZES:
            seconds = probe(count)
            # The time that a call takes without any bytes is not the connection's bandwidth.
            rate = count / max(seconds - round_trip, 1e-6)
            if seconds > _PROBE_SECONDS:
                break
    except MXNetError as error:
        if not rate:
            return Check(name, WARN, str(error), "try again later")
    text = f"{rate / 1e6:,.1f} MB/s"
    if rate < _SLOW_BYTES:
        return Check(name, WARN, text, "large arrays will take their time")
    return Check(name, OK, text)
