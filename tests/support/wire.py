"""A client made of nothing but messages: it speaks the wire without the client package, well or badly."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count
from queue import SimpleQueue
from typing import Any

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from remx_contract import CONTRACT_VERSION, codec
from remx_contract.catalogue import digest, find
from remx_contract.errors import MXNetError
from remx_contract.status import from_failure
from remx_contract.v1 import stream_pb2 as pb
from remx_server.config import Limits
from remx_server.owners import ANYBODY, Owner
from remx_server.service import Service

CPU = pb.Context(device_type=1)
LIMITS = Limits(lease_seconds=0.0, transfer_seconds=0.3, random_threads=3, specs=50, batch_words=100_000)
"""Bounds of a session that tests can reach soon."""
UNIT = [codec.float_to_word(0.0), codec.float_to_word(1.0)]
"""The per-call words of a uniform draw from [0, 1)."""
METHODS = "/remx.v1.Remx/"

Array = np.ndarray[Any, Any]
Stream = Callable[[Iterator[pb.Up]], Iterator[pb.Down]]


def hello(**changes: Any) -> pb.Up:
    """A Hello that a server of this contract accepts."""
    fields = {"contract_version": CONTRACT_VERSION, "catalogue_digest": digest(), "client": "test"}
    return pb.Up(hello=pb.Hello(**{**fields, **changes}))


def stream_of(service: Service, owner: Owner = ANYBODY) -> Stream:
    """What a Wire speaks to, without a network."""
    return partial(service.stream, owner)


class Closed(Exception):
    """The server ended the session; the error it named."""

    def __init__(self, error: MXNetError | None) -> None:
        super().__init__(str(error))
        self.error = error


class Wire:
    """One session, by hand.

    Parameters
    ----------
    stream : callable
        From the messages that go up to those that come down: ``Service.stream``, or a gRPC method.
    first : Up, optional
        The first message; a Hello.
    """

    def __init__(self, stream: Stream, first: pb.Up | None = None) -> None:
        self.numbers = count(1)
        self.sequence = 0
        self.code: list[int] = []
        self.commands: list[pb.Command] = []
        self.heard: list[pb.Down] = []
        self.last_number = 0
        self.fetched: list[int] = []
        self._up: SimpleQueue[pb.Up | None] = SimpleQueue()
        self.send(first or hello())
        # Kept, since a connection that nobody holds is closed.
        self._stream = stream
        self.down = stream(iter(self._up.get, None))
        self.welcome = self.receive("welcome").welcome

    # Messages.

    def send(self, message: pb.Up) -> None:
        """Send a message."""
        self._up.put(message)

    def hang_up(self) -> None:
        """End what goes up, without a Goodbye."""
        self._up.put(None)

    def receive(self, kind: str) -> pb.Down:
        """The next message of a kind; others before it are kept in ``heard``. Closed where there is none."""
        for message in self.down:
            found = message.WhichOneof("kind")
            self.last_number = max(self.last_number, message.number)
            if found == kind:
                return message
            if found == "closed":
                raise Closed(from_failure(message.closed))
            self.heard.append(message)
        raise Closed(None)

    def flush(self, sequence: int | None = None) -> None:
        """Send what has gathered as a batch."""
        self.sequence = self.sequence + 1 if sequence is None else sequence
        batch = pb.Batch(
            sequence=self.sequence,
            code=self.code,
            commands=self.commands,
            heard=self.last_number,
            fetched=self.fetched,
        )
        self.code, self.commands, self.fetched = [], [], []
        self.send(pb.Up(batch=batch))

    def settle(self) -> pb.Acknowledgement:
        """Send what has gathered and wait until it is acknowledged."""
        self.flush()
        while True:
            acknowledgement = self.receive("acknowledgement").acknowledgement
            if acknowledgement.sequence >= self.sequence:
                return acknowledgement

    def close(self) -> None:
        """End the session in good order."""
        self.send(pb.Up(goodbye=pb.Goodbye()))
        with contextlib.suppress(Closed):
            self.receive("nothing")
        self.hang_up()

    # Commands.

    def command(self, **kind: Any) -> None:
        """Add a command that is a message."""
        self.commands.append(pb.Command(**kind))
        self.code.append(codec.CALL)

    def define(self, op: str, inputs: int, attrs: Mapping[str, object] = {}, **fields: Any) -> int:
        """Define a spec; returns its id."""
        row = find(op)
        spec_id = next(self.numbers)
        messages = {
            name: codec.attribute_to_message(row.attr_of[name].type.parse(attrs[name])) for name in attrs
        }
        self.command(define=pb.Define(spec_id=spec_id, op=op, attributes=messages, inputs=inputs, **fields))
        return spec_id

    def put(self, values: Any, dtype: str = "float32", *, write_to: int = 0) -> int:
        """Make a tensor of values, or write them to one."""
        handle = write_to or next(self.numbers)
        tensor = codec.array_to_message(np.asarray(values, dtype))
        self.command(put=pb.Put(handle=handle, context=CPU, tensor=tensor, write=bool(write_to)))
        return handle

    def invoke(
        self,
        spec_id: int,
        inputs: Sequence[int],
        words: Sequence[int] = (),
        outputs: Sequence[int] | None = None,
        flags: int = 0,
        site: int = 0,
    ) -> int:
        """Add an invoke; returns its (first) output."""
        handles = [next(self.numbers)] if outputs is None else outputs
        self.code += [spec_id << codec.SPEC_SHIFT | flags, site, *inputs, *words, *handles]
        return handles[0] if handles else 0

    def op(self, name: str, *inputs: int, flags: int = 0, site: int = 0, **attrs: object) -> int:
        """Define and invoke an op without per-call words."""
        context = {} if inputs else {"context": CPU}
        return self.invoke(self.define(name, len(inputs), attrs, **context), inputs, flags=flags, site=site)

    def release(self, handle: int) -> None:
        """Drop a handle."""
        self.code += [codec.RELEASE | 1 << codec.COUNT_SHIFT, handle]

    def variable(self, values: Any, request: int = 1) -> tuple[int, int]:
        """A tensor that gradients are asked of, and its gradient."""
        handle, gradient = self.put(values), self.put(np.zeros_like(np.asarray(values, "float32")))
        self.command(mark=pb.Mark(handles=[handle], gradients=[gradient], requests=[request]))
        return handle, gradient

    # Answers.

    def answer(self, request: int) -> pb.Reply:
        """Send what has gathered and wait for a reply; raises the failure in it."""
        self.flush()
        reply = self.receive("reply").reply
        assert reply.request == request
        if reply.WhichOneof("kind") == "failure":
            error = from_failure(reply.failure)
            error.site = reply.failure.site  # type: ignore[attr-defined]
            raise error
        return reply

    def read(self, handle: int) -> Array:
        """A tensor's values; raises its failure."""
        request = next(self.numbers)
        self.command(read=pb.Read(request=request, handle=handle))
        return codec.array_from_message(self.answer(request).tensor)

    def wait(self, handle: int) -> None:
        """Wait for a tensor; raises its failure."""
        request = next(self.numbers)
        self.command(read=pb.Read(request=request, handle=handle, only_wait=True))
        assert self.answer(request).done

    def barrier(self) -> None:
        """Wait for everything; raises the first failure that was not told yet."""
        request = next(self.numbers)
        self.command(barrier=pb.Barrier(request=request))
        assert self.answer(request).done

    def publish(self, handle: int) -> int:
        """Make a tensor ready for download; returns the transfer's number."""
        request, transfer = next(self.numbers), next(self.numbers)
        self.command(publish=pb.Publish(request=request, handle=handle, transfer=transfer))
        assert self.answer(request).done
        return transfer

    def upload_to(self, array: Array, *, write_to: int = 0) -> tuple[int, int]:
        """Claim an upload for a tensor; returns its handle and the transfer's number."""
        handle, transfer = write_to or next(self.numbers), next(self.numbers)
        tensor = pb.Tensor(dtype=codec.CODE_OF[array.dtype], shape=array.shape)
        self.command(
            upload=pb.UploadTo(
                handle=handle, context=CPU, tensor=tensor, transfer=transfer, write=bool(write_to)
            )
        )
        return handle, transfer


def chunks(transfer: int, data: bytes, size: int = 1000, *, checksum: int | None = None) -> list[bytes]:
    """The chunks of an upload."""
    last = (len(data) - 1) // size * size
    whole = zlib.crc32(data) if checksum is None else checksum
    return [
        codec.write_chunk(transfer, at, data[at : at + size], whole if at == last else None)
        for at in range(0, last + 1, size)
    ]


class Remote:
    """The gRPC methods of a server, as plain callables.

    Parameters
    ----------
    address : str
    token : str
    """

    def __init__(self, address: str, token: str = "") -> None:
        # A connection of its own, so that closing it is what a client's death looks like.
        self.channel = grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)])
        self._token = (("remx-token", token),) if token else ()

    def stream(self, up: Iterator[pb.Up]) -> Any:
        """The Session method."""
        method = self.channel.stream_stream(
            METHODS + "Session",
            request_serializer=pb.Up.SerializeToString,
            response_deserializer=pb.Down.FromString,
        )
        return method(up, metadata=self._token)

    def raw_stream(self, up: Iterator[bytes]) -> Any:
        """The Session method, with bytes for messages."""
        return self.channel.stream_stream(METHODS + "Session")(up, metadata=self._token)

    def upload(self, session: bytes, up: Sequence[bytes]) -> pb.Receipt:
        """The Upload method."""
        method = self.channel.stream_unary(METHODS + "Upload", response_deserializer=pb.Receipt.FromString)
        receipt: pb.Receipt = method(iter(up), metadata=self._metadata(session), timeout=30)
        return receipt

    def download(self, session: bytes, transfer: int, offset: int = 0) -> bytes:
        """The Download method: all data, checked."""
        request = pb.DownloadRequest(transfer=transfer, offset=offset).SerializeToString()
        pieces = []
        checksum = None
        for raw in self.raw_download(session, request):
            number, at, data, checksum = codec.read_chunk(raw)
            assert number == transfer
            assert at == offset + sum(map(len, pieces))
            pieces.append(bytes(data))
        data = b"".join(pieces)
        assert offset or checksum == zlib.crc32(data)
        return data

    def raw_download(self, session: bytes, request: bytes) -> Any:
        """The Download method, with bytes for messages."""
        method = self.channel.unary_stream(METHODS + "Download")
        return method(request, metadata=self._metadata(session), timeout=30)

    def _metadata(self, session: bytes) -> tuple[tuple[str, str | bytes], ...]:
        return (*self._token, ("remx-session-bin", session))

    def close(self) -> None:
        """Break the connection."""
        self.channel.close()


def reason_of(error: grpc.RpcError) -> str:
    """The reason in a status of the server."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    info = error_details_pb2.ErrorInfo()
    assert status is not None
    assert status.details[0].Unpack(info)
    return str(info.reason)


class ServerProcess:
    """``python -m remx_server`` in a process of its own.

    Parameters
    ----------
    *flags : str
        A ``--listen`` on a free port of the loopback is added unless there is one.
    environment : mapping
        Added to this process's.
    """

    def __init__(self, *flags: str, environment: Mapping[str, str] = {}) -> None:
        if not any(flag.startswith("--listen") for flag in flags):
            flags = ("--listen=127.0.0.1:0", *flags)
        clean = {name: value for name, value in os.environ.items() if not name.startswith("REMX_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "remx_server", "--device=cpu", *flags],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**clean, **environment},
        )
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()
        self.address = self.line.split(" ")[2 + (self.line.split(" ")[2] == "on")] if self.line else ""
        self.log = ""

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        self.process.wait()

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def wait(self, timeout: float = 20.0) -> int:
        """Wait for the end; its log is in ``log`` then. Standard input is closed."""
        _, self.log = self.process.communicate(timeout=timeout)
        return self.process.returncode

    def wait_while_open(self, timeout: float = 20.0) -> int:
        """Wait for the end with standard input open."""
        return self.process.wait(timeout)


def closed_with(wire: Wire) -> type[Exception]:
    """The class of the error that ends the session when what has gathered is sent."""
    with pytest.raises(Closed) as caught:
        wire.settle()
    return type(caught.value.error)
