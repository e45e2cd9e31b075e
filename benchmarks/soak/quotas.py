"""A quota that is exceeded again and again."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from ..table import Row
from .ground import Ground

TOKEN = "a token for the soak"
_TABLE = """\
[tokens.soak]
hash = "sha256:{}"

[tokens.soak.quota]
host_bytes = "16 MiB"
"""


def quotas(ground: Ground) -> list[Row]:
    """Ops that would exceed their owner's quota of memory, each followed by a small one."""
    times = ground.size(1_000, 50)
    folder = Path(ground.enter_context(tempfile.TemporaryDirectory()))
    file = folder / "tokens.toml"
    file.write_text(_TABLE.format(hashlib.sha256(TOKEN.encode()).hexdigest()))
    server, address = ground.server(f"--token-file={file}")
    side = ground.side(address, TOKEN)
    side.ask("connect")
    side.ask("exceed", times=5)
    before = server.resident_bytes()
    found = side.ask("exceed", times=times)
    grew = (server.resident_bytes() - before) / 1e6
    side.ask("leave")
    return [
        Row("quotas", "times that a quota was exceeded", found["exceeded"], "", target=times, at_least=True),
        Row(
            "quotas_usable",
            "times that the session was usable after it",
            found["usable"],
            "",
            target=times,
            at_least=True,
        ),
        Row("quotas_memory", "growth of the server by that", grew, "MB", target=8.0),
    ]


FIGURES = {"quotas": (quotas, ("quotas", "quotas_usable", "quotas_memory"))}
