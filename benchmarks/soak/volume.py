"""Very many ops, and what must be left of them: nothing."""

from __future__ import annotations

from ..table import Row
from .ground import Ground

THREADS = 4
PARTS = 10
FLAT_MEGABYTES = 8.0
"""Growth that counts as flat in a million ops: 8 bytes for each, less than any object that could leak."""


def volume(ground: Ground) -> list[Row]:
    """Ops from several threads, each of which drops what another made."""
    ops = ground.size(1_000_000, 20_000)
    server, address = ground.server()
    side = ground.side(address)
    side.ask("connect")
    part = ops // PARTS

    def run(parts: int) -> dict[str, float]:
        """Some of the ops; what waits to be run at a time, and with it the memory at its most, is bounded by
        a wait after each part."""
        answers = [side.ask("volume", ops=part, threads=THREADS) for _ in range(parts)]
        return {**answers[-1], "ops": sum(answer["ops"] for answer in answers)}

    # What grows once, grows now.
    before = run(6)
    server_before = server.resident_bytes()
    after = run(PARTS)
    server_grew = (server.resident_bytes() - server_before) / 1e6
    client_grew = (after["resident"] - before["resident"]) / 1e6
    side.ask("leave")
    return [
        Row(
            "volume",
            f"ops whose results {THREADS} threads dropped",
            after["ops"],
            "",
            target=ops,
            at_least=True,
        ),
        Row("volume_live", "tensors live after them", after["live"], "", target=0),
        Row("volume_server", "growth of the server by them", server_grew, "MB", target=FLAT_MEGABYTES),
        Row("volume_client", "growth of the client by them", client_grew, "MB", target=FLAT_MEGABYTES),
    ]


FIGURES = {"volume": (volume, ("volume", "volume_live", "volume_server", "volume_client"))}
