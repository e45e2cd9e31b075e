"""A client that attacks: it calls every method a server has with messages that nobody should send.

``python -m benchmarks.soak.attacker --connect HOST:PORT --token TOKEN`` answers requests (see ``side``). What
can be called is asked of the server's reflection, so that a method that is added tomorrow is attacked too.
"""

from __future__ import annotations

import argparse
import contextlib
import queue
import random
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.rpc import error_details_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status
from remx_contract import codec
from remx_contract.v1 import stream_pb2 as pb

from .. import side
from .messages import Chance, good_hello, http2_garbage

HANG_SECONDS: Final = 20.0
"""What takes longer hangs."""
STREAM_MESSAGES: Final = 40
GARBAGE_SECONDS: Final = 0.004
"""How long noise waits for an answer."""
ENDLESS_SECONDS: Final = 0.05
"""How long a call is listened to whose answers never end."""
CALLS_BY_CHANNEL: Final = 500
SESSION: Final = "/remx.v1.Remx/Session"
ENDLESS: Final = ("/grpc.health.v1.Health/Watch",)
_OPS: Final = (
    ("broadcast_add", 2),
    ("dot", 2),
    ("_plus_scalar", 1),
    ("sum", 1),
    ("_random_uniform", 0),
    ("concat", 3),
)
"""What an attacker's session has under the specs 1 to 6."""
BULK: Final = ("/remx.v1.Remx/Upload",)
"""Methods whose messages are written by hand."""


class Attacker:
    """Attacks a server, and notes what comes of it.

    Parameters
    ----------
    address, token : str
    """

    def __init__(self, address: str, token: str) -> None:
        self._address = address
        self._token = token
        self._secrets: list[bytes] = []
        self._counts: Counter[str] = Counter()
        self._strange: list[str] = []
        self._channel = self._connect()
        self._seed = ""
        self._methods = self._find_methods()
        self._others = [name for name in self._methods if name not in (SESSION, *ENDLESS)]

    def _connect(self) -> grpc.Channel:
        return grpc.insecure_channel(self._address, [("grpc.use_local_subchannel_pool", 1)])

    def _find_methods(self) -> dict[str, MethodDescriptor]:
        channel = grpc.intercept_channel(self._channel, _WithToken(self._token))
        database = ProtoReflectionDescriptorDatabase(channel)
        pool = descriptor_pool.DescriptorPool(database)
        found = {}
        for name in database.get_services():
            for method in pool.FindServiceByName(name).methods:
                found[f"/{name}/{method.name}"] = method
        return found

    def methods(self) -> dict[str, Any]:
        """What can be attacked."""
        return {"methods": sorted(self._methods)}

    def attack(self, seed: int, requests: int, seconds: float, secrets: Sequence[str]) -> dict[str, Any]:
        """Send so many requests, unless time is up before.

        Parameters
        ----------
        seed : int
        requests : int
        seconds : float
        secrets : sequence of str
            In hexadecimal: bytes that no answer must have.

        Returns
        -------
        dict
            ``requests`` by method; ``reasons`` of refusals; ``strange``, what must not be.
        """
        self._secrets = [bytes.fromhex(secret) for secret in secrets]
        self._counts.clear()
        self._strange.clear()
        until = time.monotonic() + seconds
        number = 0
        while self._done() < requests and time.monotonic() < until and len(self._strange) < 20:
            # Each by a seed of its own, so that it can be made again alone.
            self._seed = f"{seed}.{number}"
            self.once(self._seed)
            number += 1
            if number % CALLS_BY_CHANNEL == 0:
                self._channel.close()
                self._channel = self._connect()
        return {"counts": dict(self._counts), "requests": self._done(), "strange": self._strange}

    def once(self, seed: str) -> dict[str, Any]:
        """One attack, by its seed."""
        chance = Chance(seed)
        draw = chance.random.random()
        if draw < 0.4:
            self._session(chance)
        elif draw < 0.45:
            self._raw_session(chance)
        elif draw < 0.55:
            self._garbage(chance.random)
        elif draw < 0.56:
            self._call(chance, chance.random.choice(ENDLESS))
        else:
            self._call(chance, chance.random.choice(self._others))
        return {"strange": self._strange}

    def _note(self, what: str) -> None:
        """Note what must not be."""
        self._strange.append(f"{what} (seed {self._seed})")

    def _done(self) -> int:
        return sum(count for name, count in self._counts.items() if not name.startswith("reason "))

    def close(self) -> dict[str, Any]:
        """Leave."""
        self._channel.close()
        return {}

    # Sessions.

    def _session(self, chance: Chance) -> None:
        """A session in good order at first, and then messages without sense; those count that were run, and
        the one that ended it."""
        messages = chance.random.randrange(1, STREAM_MESSAGES)
        up: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        for first in (pb.Up(hello=good_hello()), pb.Up(batch=_prelude())):
            up.put(first.SerializeToString())
        batches = [pb.Up(batch=chance.batch(2 + index)).SerializeToString() for index in range(messages)]
        if chance.random.random() < 0.3:
            batches[-1] = chance.mutated(batches[-1])
        if chance.random.random() < 0.2:
            batches[-1] = chance.message(pb.Up.DESCRIPTOR).SerializeToString()
        for raw in batches:
            up.put(raw)
        run = 0
        for raw in self._answers(SESSION, iter(up.get, None)):
            down = pb.Down.FromString(raw)
            kind = down.WhichOneof("kind")
            if kind == "closed":
                run += 1
                self._refused(down.closed.reason, down.closed.message)
            elif kind == "acknowledgement":
                run = down.acknowledgement.sequence - 1
                if run == messages - 1:
                    # The last one may be none that is ever acknowledged: the session ends behind it.
                    up.put(pb.Up(ping=pb.Ping(number=1)).SerializeToString())
            if kind in ("pong", "detached") or run == messages:
                up.put(pb.Up(goodbye=pb.Goodbye()).SerializeToString())
                up.put(None)
        up.put(None)
        self._counts[SESSION] += max(run, 1)

    def _raw_session(self, chance: Chance) -> None:
        """A stream that begins with something else than a Hello, or with a strange one."""
        if chance.random.random() < 0.5:
            said = [chance.bytes() for _ in range(chance.random.randrange(3))]
        else:
            first = chance.message(pb.Up.DESCRIPTOR).SerializeToString()
            said = [first, chance.mutated(first)]
        list(self._answers(SESSION, iter(said)))
        self._counts[SESSION] += 1

    # Other calls.

    def _call(self, chance: Chance, name: str) -> None:
        method = self._methods[name]
        several = chance.random.randrange(4) if method.client_streaming else 1
        said = [self._request(chance, name, method) for _ in range(several)]
        for index, _ in enumerate(self._answers(name, iter(said), self._metadata(chance))):
            if index > 1000:
                self._note(f"{name} gives {index} answers")
                break
        self._counts[name] += 1

    def _request(self, chance: Chance, name: str, method: MethodDescriptor) -> bytes:
        draw = chance.random.random()
        if draw < 0.2:
            return chance.bytes()
        if name in BULK and draw < 0.7:
            checksum = chance.random.choice((None, 0, 2**32 - 1))
            raw = bytes(codec.write_chunk(chance.number(), chance.number(), chance.bytes(), checksum))
        else:
            raw = chance.message(_known(method.input_type)).SerializeToString()
        return chance.mutated(raw) if draw > 0.85 else raw

    def _metadata(self, chance: Chance) -> list[tuple[str, str | bytes]]:
        draw = chance.random.random()
        metadata: list[tuple[str, str | bytes]] = []
        if draw < 0.8:
            metadata.append(("remx-session-bin", chance.random.choice((chance.bytes(), bytes(16)))))
        if draw < 0.1:
            metadata.append(("remx-session-bin", b"x" * 5000))
        if draw > 0.9:
            metadata.append(("remx-token", chance.random.choice(("", "x", "victi", "victim2", "x" * 3000))))
        return metadata

    def _answers(
        self, name: str, said: Iterator[bytes], metadata: Sequence[tuple[str, str | bytes]] = ()
    ) -> Iterator[bytes]:
        """What comes back on a call, looked at; its end is too."""
        timeout = ENDLESS_SECONDS if name in ENDLESS else HANG_SECONDS
        metadata = [("remx-token", self._token), *metadata]
        method = self._methods[name]
        try:
            if method.client_streaming and method.server_streaming:
                call: Any = self._channel.stream_stream(name)(said, metadata=metadata, timeout=timeout)
            elif method.server_streaming:
                call = self._channel.unary_stream(name)(next(said), metadata=metadata, timeout=timeout)
            elif method.client_streaming:
                call = [self._channel.stream_unary(name)(said, metadata=metadata, timeout=timeout)]
            else:
                call = [self._channel.unary_unary(name)(next(said), metadata=metadata, timeout=timeout)]
            for raw in call:
                self._look_at(name, raw)
                yield raw
        except grpc.RpcError as error:
            self._look_at_end(name, error)

    def _look_at_end(self, name: str, error: Any) -> None:
        code = error.code()
        said = str(error.details()).encode() + repr(error.trailing_metadata()).encode()
        for _, value in error.trailing_metadata() or ():
            said += value if isinstance(value, bytes) else value.encode()
        self._look_at(name, said)
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            if name not in ENDLESS:
                self._note(f"{name} hangs")
        elif code is grpc.StatusCode.UNKNOWN:
            self._note(f"{name} crashes: {error.details()}")
        status = rpc_status.from_call(error)
        info = error_details_pb2.ErrorInfo()
        for detail in () if status is None else status.details:
            if detail.Unpack(info):
                self._refused(info.reason, str(error.details()))

    def _refused(self, reason: str, message: str) -> None:
        self._counts[f"reason {reason}"] += 1
        if reason == "INTERNAL":
            self._note(f"crash: {message}")

    def _look_at(self, name: str, raw: bytes) -> None:
        for secret in self._secrets:
            if secret in raw:
                self._note(f"{name} tells a secret")

    # The port.

    def _garbage(self, chance: random.Random) -> None:
        """Say something that is no gRPC."""
        host, _, port = self._address.rpartition(":")
        with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 5.0) as connection:
            connection.settimeout(GARBAGE_SECONDS)
            connection.sendall(http2_garbage(chance))
            while raw := connection.recv(2**16):
                self._look_at("the port", raw)
        self._counts["garbage on the port"] += 1


class _WithToken(grpc.StreamStreamClientInterceptor):
    """Shows a token to the reflection service, whose own client shows none."""

    def __init__(self, token: str) -> None:
        self._token = token

    def intercept_stream_stream(self, continuation: Any, details: Any, requests: Any) -> Any:
        return continuation(details._replace(metadata=[("remx-token", self._token)]), requests)


def _known(kind: Descriptor) -> Descriptor:
    """This process's own descriptor of a message, where it has one beside the server's."""
    try:
        return descriptor_pool.Default().FindMessageTypeByName(kind.full_name)
    except KeyError:
        return kind


def _prelude() -> pb.Batch:
    """What an attacker's session begins with: tensors 1 to 3, two of them variables, and specs 1 to 6."""
    code, commands = [], []
    for handle in (1, 2, 3):
        tensor = pb.Tensor(shape=[2, handle], data=bytes(8 * handle))
        commands.append(
            pb.Command(put=pb.Put(handle=handle, context=pb.Context(device_type=1), tensor=tensor))
        )
    commands.append(pb.Command(mark=pb.Mark(handles=[1, 2], gradients=[1, 2], requests=[1, 3])))
    for spec_id, (op, inputs) in enumerate(_OPS, 1):
        context = None if inputs else pb.Context(device_type=1)
        commands.append(pb.Command(define=pb.Define(spec_id=spec_id, op=op, inputs=inputs, context=context)))
    code = [codec.CALL] * len(commands)
    # Something recorded, and a pass that waits for a Function.
    for words in ([1, 0, 1, 1, 4], [4, 0, 4, 5], [1, 0, 3, 3, 7]):
        code += [words[0] << codec.SPEC_SHIFT | codec.RECORDING, *words[1:]]
    commands.append(pb.Command(record=pb.Record(function=1, inputs=[1], outputs=[7])))
    code += [codec.CALL, 4 << codec.SPEC_SHIFT | codec.RECORDING, 0, 7, 8, codec.CALL]
    commands.append(pb.Command(backward=pb.Backward(heads=[8], retain_graph=True, request=1)))
    return pb.Batch(sequence=1, code=code, commands=commands)


def main() -> None:
    """Answer requests."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connect", required=True, help="HOST:PORT of the server")
    parser.add_argument("--token", default="", help="what the server wants to see")
    options = parser.parse_args()
    attacker = Attacker(options.connect, options.token)
    side.serve({name: getattr(attacker, name) for name in ("methods", "attack", "once", "close")})


if __name__ == "__main__":
    main()
