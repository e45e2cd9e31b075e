"""Attacks on every method of a server, and what becomes of the server and of others who use it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import suppress

from ..processes import Child, ChildError, module
from ..table import Row
from .ground import Ground, Resources, complaints, together, wait_until

ATTACKERS = 4
PAUSE_SECONDS = 0.1
"""Between the victim's steps, so that the attackers have the machine."""
PATIENCE_SECONDS = 270.0
FLAT_MEGABYTES = 24.0
"""Growth that counts as flat in 100,000 requests."""
FEW_THREADS, FEW_FILES = 4, 4
EXPECTED = ("Exception deserializing",)
"""What gRPC logs of bytes that are no message; it is the answer to them."""
KERNELS = "kernel failed"
"""What the server logs of a kernel that raised; its op failed, and nothing else did."""


class _Victim:
    """Somebody who trains while others attack, with values that nobody else must see."""

    def __init__(self, ground: Ground, address: str) -> None:
        self._side = ground.side(address, "victim")
        self._side.ask("connect")
        self.secrets: list[str] = self._side.ask("keep_secrets")["secrets"]
        self._side.ask("begin", seed=9)
        self._stop = threading.Event()
        self._steps = 0
        self._thread = threading.Thread(target=self._train, daemon=True)
        self._error: Exception | None = None

    def start(self) -> None:
        """Begin to train."""
        self._thread.start()

    def _train(self) -> None:
        try:
            while not self._stop.is_set():
                self._steps = self._side.ask("train", steps=5)["steps"]
                self._side.ask("renew_secrets")
                time.sleep(PAUSE_SECONDS)
        except (ChildError, ValueError) as error:
            self._error = error

    def stop(self) -> tuple[int, str]:
        """End the training; returns the steps it had, and what came of them."""
        self._stop.set()
        self._thread.join()
        if self._error is not None:
            raise self._error
        digest: str = self._side.ask("digest")["digest"]
        if not self._side.ask("secrets_are_whole")["whole"]:
            digest = "the secrets have changed"
        self._side.ask("leave")
        return self._steps, digest

    def again(self, steps: int) -> str:
        """The same training, undisturbed."""
        self._side.ask("connect")
        self._side.ask("begin", seed=9)
        self._side.ask("train", steps=steps)
        digest: str = self._side.ask("digest")["digest"]
        self._side.ask("leave")
        return digest


def hostile(ground: Ground) -> list[Row]:
    """Attackers against a server on which a victim trains."""
    wanted = ground.size(100_000, 2_000)
    server = ground.child("small server", module("benchmarks.soak.small_server"))
    address = server.address()
    attackers = [
        ground.child(
            "attacker", module("benchmarks.soak.attacker", "--connect", address, "--token", "attacker")
        )
        for _ in range(ATTACKERS)
    ]
    methods = set(attackers[0].ask("methods")["methods"])
    victim = _Victim(ground, address)
    victim.start()
    started = time.monotonic()

    def attack(seed: int, requests: int) -> list[dict[str, object]]:
        return together(
            lambda each: each[1].ask(
                "attack",
                seed=seed + each[0],
                requests=requests // ATTACKERS,
                seconds=PATIENCE_SECONDS - (time.monotonic() - started),
                secrets=victim.secrets,
            ),
            list(enumerate(attackers)),
        )

    # What grows once, like a pool of threads, has grown after a tenth.
    answers = attack(1, wanted // 10)
    before = _rest(server)
    answers += attack(100, wanted - wanted // 10)
    seconds = time.monotonic() - started
    after = _rest(server)
    steps, digest = victim.stop()
    disturbed = digest != victim.again(steps)
    left = _sessions_left(server)
    counts: Counter[str] = Counter()
    strange: list[str] = []
    for answer in answers:
        counts.update(answer["counts"])  # type: ignore[arg-type]
        strange += answer["strange"]  # type: ignore[arg-type]
    sent = {name: count for name, count in counts.items() if not name.startswith("reason ")}
    said = [line for line in complaints(server) if not line.startswith(EXPECTED)]
    crashes = [line for line in said if not line.startswith(KERNELS)]
    crashes += [line for line in strange if "crash" in line]
    missed = methods - set(sent)
    by_method = ", ".join(f"{count:,} {name.rpartition('.')[2]}" for name, count in sorted(sent.items()))
    note = f"{seconds:.0f} s; {by_method}; {len(said) - len(crashes)} kernels failed"
    return [
        Row("hostile", "hostile requests", sum(sent.values()), "", target=wanted, at_least=True, note=note),
        Row(
            "hostile_methods",
            "methods that were not attacked",
            len(missed),
            "",
            target=0,
            note=" ".join(sorted(missed)),
        ),
        Row(
            "hostile_crashes",
            "crashes by them",
            len(crashes) + (not server.alive),
            "",
            target=0,
            note=_first(crashes),
        ),
        Row(
            "hostile_hangs",
            "calls that did not end",
            sum("hangs" in line for line in strange),
            "",
            target=0,
            note=_first(line for line in strange if "hangs" in line),
        ),
        Row(
            "hostile_secrets",
            "answers with another's data",
            sum("secret" in line for line in strange),
            "",
            target=0,
        ),
        Row(
            "hostile_victim",
            "other sessions disturbed",
            int(disturbed),
            "",
            target=0,
            note=f"{steps:,} steps of training beside the attacks, bit by bit",
        ),
        Row(
            "hostile_memory",
            "growth of the server by them",
            after.resident - before.resident,
            "MB",
            target=FLAT_MEGABYTES,
            note=f"{before}; then {after}",
        ),
        Row("hostile_threads", "threads more", after.threads - before.threads, "", target=FEW_THREADS),
        Row("hostile_files", "file descriptors more", after.files - before.files, "", target=FEW_FILES),
        Row("hostile_sessions", "sessions left behind", left, "", target=0),
    ]


def _rest(server: Child) -> Resources:
    """What the server uses when the attackers' sessions have ended, and it does not get less any more."""
    wait_until(lambda: server.ask("sessions")["count"] <= 1, 30.0, "the end of the attackers' sessions")
    time.sleep(1.0)
    found = Resources.of(server)
    for _ in range(20):
        time.sleep(0.5)
        now = Resources.of(server)
        if now.threads >= found.threads:
            break
        found = now
    return found


def _sessions_left(server: Child) -> int:
    """How many sessions there are when all have left, and had a moment to end."""
    with suppress(ChildError):
        wait_until(lambda: not server.ask("sessions")["count"], 5.0, "the end of all sessions")
    return int(server.ask("sessions")["count"])


def _first(lines: object) -> str:
    return next(iter(lines), "")[:300]  # type: ignore[call-overload,no-any-return]


_ROWS = ("methods", "crashes", "hangs", "secrets", "victim", "memory", "threads", "files", "sessions")
FIGURES = {"hostile": (hostile, ("hostile", *(f"hostile_{row}" for row in _ROWS)))}
