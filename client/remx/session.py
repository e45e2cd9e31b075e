"""The session as something to keep: leave it running and come back to it, from another program if need be.

Everything that a program makes belongs to its session on the server: arrays, gradients, what was recorded,
random state. A connection that breaks does not end it (see :func:`remx.connect`). :func:`detach` leaves it
on purpose, and :func:`attach` takes it over, in the same program or another one, which finds the arrays
that were given names with :func:`put`.

>>> import remx as mx
>>> mx.session.put("w", mx.nd.ones((2,)))           # doctest: +SKIP
>>> token = mx.session.detach()                     # doctest: +SKIP

and in another notebook

>>> mx.session.attach(token)                        # doctest: +SKIP
>>> mx.session.get("w")                             # doctest: +SKIP

MXNet has nothing like it.
"""

from __future__ import annotations

from typing import Any

from remx_contract import codec
from remx_contract.errors import ArgumentError
from remx_contract.v1 import stream_pb2

from . import _connect, _current
from ._checkpoints import Checkpoint, restore, save
from ._marks import TRACKED
from ._session import Session, next_handle
from ._tls import Ca, FileName
from .context import Context
from .ndarray import NDArray

__all__ = ["Checkpoint", "attach", "detach", "get", "names", "put", "remove", "restore", "save"]


def detach(keep: float | None = None) -> str:
    """Leave the session running on the server; what was asked of it is still done.

    Parameters
    ----------
    keep : float, optional
        For how many seconds the server waits for :func:`attach`; as long as it allows by default (a day
        unless its operator says otherwise).

    Returns
    -------
    str
        What :func:`attach` takes it over by. Whoever has this and the user's own token for the server has the
        session: keep it as secret as a password.

    Raises
    ------
    SessionError
        On an embedded server, which ends with the program. Afterwards, at every use of an array of the
        session.
    """
    session = _current.current()
    if keep is not None and not keep > 0:
        raise ArgumentError(
            op="detach", argument="keep", got=repr(keep), expected="a number of seconds above 0"
        )
    session.detach(keep or 0.0)
    _current.let_go(session)
    return session.token


def attach(
    session: str | None = None,
    address: str | None = None,
    token: str | None = None,
    timeout: float = 10.0,
    *,
    reconnect: float | None = None,
    ca: Ca = None,
    certificate: FileName = None,
    key: FileName = None,
) -> Session:
    """Take over a session that was detached, or that another program is still connected to, which it ends.

    What that program had named with :func:`put` is here by :func:`get`, with gradients; its random state
    goes on where it was. Its other arrays are gone. What was asked of the session before is done first.

    Parameters
    ----------
    session : str, optional
        What :func:`detach` returned; by default the session that this program has detached or lost last.
    address : str, optional
        Where the server is, if not where it was for the program before.
    token, timeout, reconnect, ca, certificate, key
        As for :func:`remx.connect`; what this program connected to that address with before is used again.

    Raises
    ------
    SessionLostError
        If the server does not have the session any more, or it is another user's.
    ServerUnreachableError
        If nobody answers in time.
    """
    credentials = _connect.Credentials(token, ca, certificate, key)
    return _connect.attach(session or _current.last_token(), address, credentials, timeout, reconnect)


def put(name: str, array: Any) -> None:
    """Give an array a name in the session; one that had it before loses it.

    The name stays with the array itself, not with its values of now: what is written to it later,
    :func:`get` finds too.

    Parameters
    ----------
    name : str
        1 to 256 characters.
    array : NDArray or array_like
        Values that are not an array on the server are made one.
    """
    if not isinstance(name, str) or not 0 < len(name) <= codec.MAX_NAME:
        raise ArgumentError(
            op="put",
            argument="name",
            got=repr(name)[:80],
            expected=f"a text of 1 to {codec.MAX_NAME} characters",
        )
    if not isinstance(array, NDArray):
        from ._creation import array as make

        array = make(array)
    named = stream_pb2.Name(name=name, handle=array._handle)
    array._session.command(stream_pb2.Command(name=named))
    array._session.flush()


def remove(name: str) -> None:
    """Take a name away; the array is freed when nothing else holds it. Nothing happens where there is
    none."""
    session = _current.current()
    session.command(stream_pb2.Command(name=stream_pb2.Name(name=name)))
    session.flush()


def get(name: str) -> NDArray:
    """The array of a name: the very one, not a copy, with its gradient if it is a variable. One round trip.

    Raises
    ------
    KeyError
        If there is none.
    MXNetError
        What went wrong when it was computed.
    """
    session = _current.current()
    handle, gradient_handle = next_handle(), next_handle()
    (reply,) = session.ask(
        lambda number: stream_pb2.Command(
            fetch=stream_pb2.Fetch(request=number, name=name, handle=handle, gradient=gradient_handle)
        )
    )
    named: stream_pb2.NamedTensor = reply.named
    spec = codec.tensor_spec(named.tensor)
    context = Context(Context.devtype2str[named.context.device_type], named.context.device_id)
    array = NDArray(session, handle, spec, context, TRACKED if named.gradient_request else 0)
    if named.gradient_request:
        array._gradient = NDArray(session, gradient_handle, spec, context)
    return array


def names() -> list[str]:
    """All names, in the order in which they were given. One round trip."""
    (reply,) = _current.current().ask(
        lambda number: stream_pb2.Command(names=stream_pb2.Names(request=number))
    )
    return list(reply.names.names)
