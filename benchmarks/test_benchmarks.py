"""The instruments are tested too: a wrong proxy or a wrong verdict would make every number wrong."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.echo import dial, echo, receive

from benchmarks import isolation, table
from benchmarks.delay_proxy import DelayProxyProcess
from benchmarks.rounds import Disagreement, alternate
from benchmarks.stage import Options, Stage


@pytest.fixture(name="echo")
def echo_server() -> Iterator[str]:
    with echo() as address:
        yield address


def test_the_delay_is_paid_once_by_messages_that_are_under_way_together(echo: str) -> None:
    with DelayProxyProcess(echo, 0.1) as proxy, dial(proxy.address) as connection:
        start = time.perf_counter()
        for number in range(20):
            connection.sendall(bytes([number]))
            time.sleep(0.002)
        sent = time.perf_counter() - start
        assert receive(connection, 20) == bytes(range(20))
        taken = time.perf_counter() - start
    assert 0.2 <= taken < 0.4 + sent


def test_large_data_arrives_whole_and_in_order(echo: str) -> None:
    data = bytes(range(256)) * 2**14
    with DelayProxyProcess(echo, 0.01) as proxy, dial(proxy.address) as connection:
        sender = threading.Thread(target=connection.sendall, args=(data,))
        sender.start()
        assert receive(connection, len(data)) == data
        sender.join()


def test_a_cut_breaks_connections_and_lets_new_ones_through(echo: str) -> None:
    with DelayProxyProcess(echo, 0.0) as proxy:
        with dial(proxy.address) as connection:
            connection.sendall(b"before")
            assert receive(connection, 6) == b"before"
            proxy.cut()
            with pytest.raises(ConnectionResetError):
                connection.recv(1)
        with dial(proxy.address) as connection:
            connection.sendall(b"after")
            assert receive(connection, 5) == b"after"


def test_what_nobody_listens_to_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with (
        DelayProxyProcess(f"127.0.0.1:{port}", 0.0) as proxy,
        dial(proxy.address) as connection,
        pytest.raises(ConnectionResetError),
    ):
        connection.recv(1)


@pytest.mark.parametrize(
    ("value", "baseline", "target", "at_least", "met"),
    [
        (1.0, 2.0, 0.5, False, True),
        (1.1, 2.0, 0.5, False, False),
        (8.0, 10.0, 0.8, True, True),
        (7.9, 10.0, 0.8, True, False),
        (1.0, None, 0.5, False, None),
        (None, 2.0, 0.5, False, None),
        (1.0, 2.0, None, False, None),
    ],
)
def test_a_ratio_is_judged_by_its_bound(
    value: float | None, baseline: float | None, target: float | None, at_least: bool, met: bool | None
) -> None:
    row = table.Row("r", "w", value, "us", "other", baseline, target, at_least)
    assert row.met is met


def test_a_value_without_a_ratio_is_judged_itself(tmp_path: Path) -> None:
    rows = [table.Row("trips", "w", 0.0, "", target=0.0), table.Row("size", "w", 71.0, "MB", target=70.0)]
    table.write_json(tmp_path / "results.json", rows, {"cores": 2})
    written = json.loads((tmp_path / "results.json").read_text())
    assert [row["met"] for row in written["rows"]] == [True, False]
    assert written["rows"][1]["target"] == "<= 70 MB"
    assert "NO" in table.as_text(rows)


def test_rounds_alternate_and_the_warm_up_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.rounds.PAUSE", 0.0)
    order: list[str] = []

    def turn(side: str) -> dict[str, float]:
        order.append(side)
        return {"seconds": float(len(order)), "check": 1.0}

    answers = alternate({"a": lambda: turn("a"), "b": lambda: turn("b")}, 2)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert [answer["seconds"] for answer in answers["a"]] == [4.0, 5.0]


def test_sides_that_compute_different_results_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.rounds.PAUSE", 0.0)
    turns = {
        "a": lambda: {"seconds": 1.0, "check": 1.0},
        "b": lambda: {"seconds": 1.0, "check": 1.01},
        "c": lambda: {"seconds": 1.0, "check": float("nan")},
    }
    with pytest.raises(Disagreement):
        alternate({side: turns[side] for side in "ab"}, 1)
    with pytest.raises(Disagreement):
        alternate({side: turns[side] for side in "ac"}, 1)


def test_the_baselines_compute_what_they_are_compared_for() -> None:
    with Stage(Options()) as stage:
        unary = stage.baseline("unary_baseline", through=0.0)
        assert unary.ask("chain", ops=50)["check"] == 51.0
        stream = stage.baseline("byte_stream_baseline")
        assert stream.ask("transfer", size=2**20 + 4, chunk=2**18)["check"] == 1.0


@pytest.mark.filterwarnings("ignore::remx._stats.PerformanceWarning")
def test_both_kinds_of_isolation_are_measured() -> None:
    found = isolation.run(rounds=1, quick=True)
    assert found.keys() == set(isolation.KINDS)
    for row in found.values():
        assert all(value > 0 for value in row.values()), row
    # A session without a worker that is ready waits for one to start.
    assert found["process"]["session without, ms"] > found["process"]["session with a worker ready, ms"]
