"""A server that is killed in the middle of training, and started again with its folder of checkpoints."""

from __future__ import annotations

import socket
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from ..processes import Child, module
from ..table import Row
from .ground import Ground, together

CLIENTS = 2
BEFORE, AFTER = 40, 60
"""Steps up to the checkpoint, and from it."""
TOLD_SECONDS = 5.0


def _server(ground: Ground, port: int, folder: str) -> Child:
    command = module(
        "remx_server", f"--listen=127.0.0.1:{port}", "--device=cpu", "--grace=0", f"--state-dir={folder}"
    )
    server = ground.child("remx server", command, patience=0.0)
    server.address()
    return server


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def restart(ground: Ground) -> list[Row]:
    """Training that goes on from its checkpoint when its server was killed, against one undisturbed."""
    folder = ground.enter_context(tempfile.TemporaryDirectory())
    port = _free_port()
    server = _server(ground, port, folder)
    sides = [ground.side(f"127.0.0.1:{port}") for _ in range(CLIENTS)]

    def begin(numbered: tuple[int, Child]) -> str:
        seed, side = numbered
        side.ask("connect")
        side.ask("begin", seed=seed)
        side.ask("train", steps=BEFORE)
        return str(side.ask("checkpoint")["digest"])

    def go_on(side: Child) -> tuple[str, list[float]]:
        side.ask("train", steps=AFTER)
        answer = side.ask("digest")
        return answer["digest"], answer["losses"]

    saved = together(begin, list(enumerate(sides)))
    with ThreadPoolExecutor(CLIENTS) as pool:
        # Steps that no checkpoint has.
        losing = [pool.submit(side.ask, "train_until_lost") for side in sides]
        time.sleep(1.0)
        server.kill()
        killed = time.time()
        server = _server(ground, port, folder)
        restarted = time.time()
        lost = [each.result() for each in losing]
    told = max(each["at"] for each in lost) - killed
    kinds = {each["kind"] for each in lost}
    back = together(lambda side: str(side.ask("restore")["digest"]), sides)
    ends = together(go_on, sides)
    together(lambda side: side.ask("leave"), sides)

    def undisturbed(numbered: tuple[int, Child]) -> tuple[str, list[float]]:
        begin(numbered)
        end = go_on(numbered[1])
        numbered[1].ask("leave")
        return end

    expected = together(undisturbed, list(enumerate(sides)))
    note = f"{', '.join(sorted(kinds))}; the server listened again after {restarted - killed:.2f} s"
    losses = ends[0][1]
    return [
        Row(
            "restart_told",
            "until clients of a killed server are told",
            told,
            "s",
            target=TOLD_SECONDS,
            note=note,
        ),
        Row(
            "restart_restored",
            "sessions that are not as at their checkpoint",
            _different(back, saved),
            "",
            target=0,
        ),
        Row(
            "restart_goes_on",
            "runs that go on otherwise than undisturbed",
            _different(ends, expected),
            "",
            target=0,
        ),
        Row(
            "restart_loss",
            "loss at the end",
            losses[-1],
            "",
            compared_with="at the checkpoint",
            baseline=losses[BEFORE // 5 - 1],
            target=1.0,
            note=f"{losses[0]:.3f} at first",
        ),
    ]


def _different(found: list[object], expected: list[object]) -> int:
    return sum(a != b for a, b in zip(found, expected, strict=True))


FIGURES = {"restart": (restart, ("restart_told", "restart_restored", "restart_goes_on", "restart_loss"))}
