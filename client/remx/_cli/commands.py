"""``remx status``, ``remx sessions`` and ``remx kill``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from remx_contract.errors import MXNetError
from remx_contract.v1 import admin_pb2

from . import tables
from .link import Link

_STATES = {
    admin_pb2.SessionStatus.RUNNING: "running",
    admin_pb2.SessionStatus.IDLE: "idle",
    admin_pb2.SessionStatus.DETACHED: "detached",
}


def as_json(message: Message) -> dict[str, Any]:
    """A message as a script reads it: numbers as numbers, everything there whether set or not."""
    found: dict[str, Any] = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    numbers: dict[str, Any] = _numbers(found, message)
    return numbers


def _numbers(found: Any, message: Any) -> Any:
    """Protobuf writes 64-bit integers as text, since JavaScript would round them; Python and jq do not."""
    if isinstance(found, dict):
        return {name: _numbers(value, getattr(message, name)) for name, value in found.items()}
    if isinstance(found, list):
        return [_numbers(value, item) for value, item in zip(found, message, strict=True)]
    return message if isinstance(message, int) and isinstance(found, str) and found.isdigit() else found


def status(link: Link, json_wanted: bool) -> int:
    """Show how the server is."""
    found = link.status()
    if json_wanted:
        data = as_json(found)
        data["catalogue_digest"] = found.catalogue_digest.hex()
        print(json.dumps(data, indent=2))
        return 0
    print(_pairs(_facts(link.address, found)))
    print()
    print(
        tables.table(
            ("DEVICE", "NAME", "MEMORY", "FREE"),
            [
                (each.context, each.name, tables.size(each.memory), tables.size(each.memory_free))
                for each in found.devices
            ],
            right=("MEMORY", "FREE"),
        )
    )
    return 0


def _facts(address: str, found: admin_pb2.ServerStatus) -> list[tuple[str, str]]:
    total = found.totals
    rows = [
        ("server", f"{address}  {found.server}"),
        ("state", "draining: it takes no new sessions" if found.draining else "serving"),
        ("up for", tables.span(found.uptime_seconds)),
        ("you are", found.owner + (", an administrator" if found.admin else "")),
        ("sessions", tables.number(total.sessions) + ("" if found.admin else " of yours")),
        ("ops", f"{tables.number(total.ops)} in {tables.number(total.batches)} batches"),
        (
            "tensors",
            f"{tables.number(total.handles)}, {tables.size(total.device_bytes)} on GPUs, "
            f"{tables.size(total.host_bytes)} on the host",
        ),
        ("errors", tables.number(total.errors)),
    ]
    if found.admin:
        rows.append(
            (
                "process",
                f"{tables.size(found.resident_bytes)}, {tables.span(found.cpu_seconds)} of processor time",
            )
        )
    software = found.gpu_software
    if software.problem:
        rows.append(("GPU", f"none: {software.problem}"))
    else:
        rows.append(("GPU", f"CuPy {software.cupy}, CUDA {software.runtime}, driver for {software.driver}"))
    return rows


def _pairs(rows: Sequence[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name.ljust(width)}  {tables.plain(text)}" for name, text in rows)


def sessions(link: Link, json_wanted: bool) -> int:
    """Show the sessions that this user may see."""
    found = link.sessions()
    if json_wanted:
        rows = [{**as_json(each), "state": _STATES.get(each.state, "unknown")} for each in found]
        print(json.dumps(rows, indent=2))
        return 0
    if not found:
        print(f"no sessions at {link.address}")
        return 0
    heads = (
        "SESSION",
        "OWNER",
        "STATE",
        "AGE",
        "OPS/S",
        "OPS",
        "TENSORS",
        "MEMORY",
        "WAITING",
        "ERRORS",
        "CLIENT",
    )
    numbers = ("AGE", "OPS/S", "OPS", "TENSORS", "MEMORY", "WAITING")
    print(tables.table(heads, [_row(each) for each in found], right=numbers))
    return 0


def _row(each: admin_pb2.SessionStatus) -> tuple[str, ...]:
    return (
        each.id,
        each.owner,
        _STATES.get(each.state, "unknown"),
        tables.span(each.age_seconds),
        tables.number(each.ops_per_second),
        tables.number(each.ops),
        tables.number(each.handles),
        tables.size(each.device_bytes + each.host_bytes),
        tables.size(each.queue_bytes),
        f"{tables.number(each.errors)} {each.last_error}".strip() if each.errors else "0",
        each.client,
    )


def _kill(link: Link, name: str) -> dict[str, Any]:
    try:
        link.kill(name)
    except MXNetError as error:
        return {"id": name, "ended": False, "error": str(error)}
    return {"id": name, "ended": True, "error": ""}


def kill(link: Link, names: Sequence[str], json_wanted: bool) -> int:
    """End sessions; 1 where one of them could not be ended."""
    results = [_kill(link, name) for name in names]
    if json_wanted:
        print(json.dumps(results, indent=2))
    else:
        for result in results:
            text = "ended; its client has been told" if result["ended"] else result["error"]
            print(f"{tables.plain(result['id'])}: {tables.plain(text)}")
    return 0 if all(result["ended"] for result in results) else 1
