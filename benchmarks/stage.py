"""What the measurements share: the processes, started when first needed and ended with the run."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .delay_proxy import DelayProxyProcess
from .processes import ROOT, Child, module


@dataclass(frozen=True)
class Options:
    """How a run is done.

    Attributes
    ----------
    rounds : int
        Counted rounds of every comparison.
    device : str
        ``"cpu"`` or ``"gpu"``: where remx computes.
    mxnet : Path
        The interpreter that has MXNet 1.9.1; the rows that need it are not measured if it is absent.
    """

    rounds: int = 7
    device: str = "cpu"
    mxnet: Path = ROOT / ".oracle" / "bin" / "python"


class Stage(ExitStack):
    """The processes of a run, and the context manager that ends them."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options

    def child(self, name: str, command: list[str], patience: float = 5.0) -> Child:
        """Start a process that ends with the run."""
        process = Child(name, command, patience)
        self.callback(process.close)
        return process

    def server(self, *flags: str) -> tuple[Child, str]:
        """Start a remx server and return it with its ``HOST:PORT``."""
        arguments = ["--listen", "127.0.0.1:0", "--device", self.options.device, *flags]
        # A server runs until it is told to stop, so there is nothing to be patient about.
        process = self.child("remx server", module("remx_server", *arguments), patience=0.0)
        return process, process.address()

    def traced_server(self) -> tuple[Child, str]:
        """Start a remx server on the CPU that can be asked for the peak of its arrays."""
        process = self.child("traced server", module("benchmarks.traced_server"))
        return process, process.address()

    @cached_property
    def address(self) -> str:
        """``HOST:PORT`` of the server that most measurements share."""
        return self.server()[1]

    def client(self, address: str) -> Child:
        """Start a remx side that is connected to ``address``."""
        arguments = ["--connect", address, "--device", self.options.device]
        return self.child("remx side", module("benchmarks.remx_side", *arguments))

    @cached_property
    def remx(self) -> Child:
        """The remx side that most measurements share."""
        return self.client(self.address)

    @cached_property
    def mxnet(self) -> Child | None:
        """The MXNet side, or None where MXNet is not installed."""
        python = self.options.mxnet
        if not python.exists():
            return None
        return self.child("MXNet side", module("benchmarks.mxnet_side", python=str(python)))

    def baseline(self, name: str, through: float | None = None) -> Child:
        """Start a baseline's server and return the side that calls it.

        Parameters
        ----------
        name : str
            The baseline's module.
        through : float, optional
            Half the round trip, in seconds, of a delay proxy between the two.
        """
        server = self.child(name, module(f"benchmarks.{name}", "serve"))
        address = server.address()
        if through is not None:
            address = self.proxy(address, through)
        return self.child(name, module(f"benchmarks.{name}", "call", address))

    def proxy(self, target: str, half_round_trip: float) -> str:
        """Start a delay proxy before ``target`` and return its own ``HOST:PORT``."""
        return self.enter_context(DelayProxyProcess(target, half_round_trip)).address

    def probe(self, address: str) -> Child:
        """Start a fresh client that imports remx and runs one op."""
        return self.child("client probe", module("benchmarks.client_probe", address))
