"""The metrics: that they count what happens, keep their labels bounded, and agree with each other."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from remx_contract.errors import MXNetError
from remx_server.backend import Devices
from remx_server.census import Census, Ended, Facts, Overview
from remx_server.config import Config, Limits
from remx_server.counters import SECONDS, Counters, Errors, Histogram
from remx_server.metrics import registry
from remx_server.owners import Owner
from remx_server.serve import Server
from remx_server.service import Service
from support.wire import Closed, Remote, Wire, hello, stream_of

ALICE, BOB = Owner("alice"), Owner("bob")
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service(Config(device="cpu", limits=Limits(sessions=3)), Devices("cpu"))
    yield service
    service.drain(0)


def scrape(service: Service) -> Samples:
    """All samples, as Prometheus reads them."""
    text = generate_latest(registry(service, service.traffic)).decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    """One sample's value."""
    return samples[name, frozenset(labels.items())]


def test_work_and_memory_are_counted_by_session_and_owner(service: Service) -> None:
    wires = [Wire(stream_of(service, owner)) for owner in (ALICE, ALICE, BOB)]
    for ops, wire in enumerate(wires, 1):
        data = wire.put([[1.0] * 10] * 10)
        tanh = wire.define("tanh", 1)
        for _ in range(ops):
            wire.release(wire.invoke(tanh, [data]))
        wire.settle()
    samples = scrape(service)
    assert value(samples, "remx_ops_total") == 6
    assert value(samples, "remx_owner_ops_total", owner="alice") == 3
    assert value(samples, "remx_owner_sessions", owner="alice") == 2
    assert value(samples, "remx_owner_bytes", owner="alice", memory="host") == 800
    assert value(samples, "remx_owner_tensors", owner="bob") == 1
    ids = {facts.id: facts for facts in service.overview().sessions}
    assert len(ids) == 3
    for name, facts in ids.items():
        labels = {"session": name, "owner": facts.owner}
        assert value(samples, "remx_session_ops_total", **labels) == facts.ops
        assert value(samples, "remx_session_bytes", memory="host", **labels) == 400
        assert value(samples, "remx_session_bytes", memory="device", **labels) == 0
        assert value(samples, "remx_session_queue_bytes", **labels) == 0
    assert value(samples, "remx_device_memory_bytes", device="cpu(0)") > 0
    assert value(samples, "process_resident_memory_bytes") > 1 << 20
    assert value(samples, "process_cpu_seconds_total") > 0
    for wire in wires:
        wire.close()


def test_a_session_s_series_end_with_it_and_its_counts_stay(service: Service) -> None:
    wire = Wire(stream_of(service, ALICE))
    wire.read(wire.op("tanh", wire.put([1])))
    [facts] = service.overview().sessions
    before = scrape(service)
    wire.close()
    deadline = time.monotonic() + 10
    while service.session_count:
        assert time.monotonic() < deadline
    after = scrape(service)
    assert any(facts.id in dict(labels).values() for _, labels in before)
    assert not any(facts.id in dict(labels).values() for _, labels in after)
    for name in (
        "remx_ops_total",
        "remx_batches_total",
        "remx_batch_seconds_count",
        "remx_sessions_opened_total",
    ):
        assert value(before, name) == value(after, name) == 1
    assert value(after, "remx_owner_ops_total", owner="alice") == 1
    assert value(after, "remx_owner_sessions", owner="alice") == 0


def test_errors_are_counted_by_reason_where_they_are_made(service: Service) -> None:
    wires = [Wire(stream_of(service, ALICE)) for _ in range(3)]
    with pytest.raises(MXNetError):
        wires[0].read(wires[0].op("gather_nd", wires[0].put([1, 2, 3]), wires[0].put([[7]])))
    # A session that breaks the contract, and handshakes that are refused.
    wires[1].code = [3]
    with pytest.raises(Closed):
        wires[1].settle()
    deadline = time.monotonic() + 10
    while service.session_count > 2:
        assert time.monotonic() < deadline
    wires[1] = Wire(stream_of(service, ALICE))
    for first in (hello(), hello(contract_version=0)):
        with pytest.raises(Closed):
            Wire(stream_of(service, BOB), first)
    samples = scrape(service)
    assert value(samples, "remx_errors_total", of="session", reason="INDEX_OUT_OF_RANGE") == 1
    assert value(samples, "remx_errors_total", of="session", reason="PROTOCOL") == 1
    assert value(samples, "remx_errors_total", of="call", reason="LIMIT") == 1
    assert value(samples, "remx_errors_total", of="call", reason="CONTRACT_MISMATCH") == 1
    for wire in wires:
        wire.close()


def test_sessions_by_state_add_up(service: Service) -> None:
    wires = [Wire(stream_of(service, ALICE)) for _ in range(3)]
    samples = scrape(service)
    assert sum(count for (name, _), count in samples.items() if name == "remx_sessions") == 3
    assert value(samples, "remx_draining") == 0
    for wire in wires:
        wire.close()


def test_bytes_are_counted_by_channel() -> None:
    server = Server(Config(listen="127.0.0.1:0", device="cpu", grace_seconds=0))
    server.start()
    try:
        remote = Remote(server.address)
        wire = Wire(remote.stream)
        handle = wire.put([[1.0] * 100] * 100)
        wire.settle()
        samples = scrape(server.service)
        assert 40_000 < value(samples, "remx_received_bytes_total", channel="stream") < 42_000
        assert value(samples, "remx_received_bytes_total", channel="bulk") == 0
        wire.read(handle)
        transfer = wire.publish(handle)
        assert len(remote.download(wire.welcome.session, transfer)) == 40_000
        samples = scrape(server.service)
        assert 40_000 < value(samples, "remx_sent_bytes_total", channel="stream") < 42_000
        assert 40_000 < value(samples, "remx_sent_bytes_total", channel="bulk") < 41_000
        wire.close()
    finally:
        server.stop()


def test_histograms_are_cumulative_and_hold_every_batch(service: Service) -> None:
    wire = Wire(stream_of(service, ALICE))
    for _ in range(20):
        wire.put([1])
        wire.settle()
    samples = scrape(service)
    for name in ("remx_batch_seconds", "remx_batch_wait_seconds"):
        counts = [value(samples, f"{name}_bucket", le=f"{bound:g}") for bound in SECONDS]
        counts.append(value(samples, f"{name}_bucket", le="+Inf"))
        assert counts == sorted(counts)
        assert counts[-1] == value(samples, f"{name}_count") == 20
        assert value(samples, f"{name}_sum") > 0
    wire.close()


def test_an_observation_falls_into_the_bucket_of_its_bound() -> None:
    histogram = Histogram()
    for seconds in (0.0, SECONDS[0], SECONDS[3], SECONDS[3] * 1.01, SECONDS[-1] * 2):
        histogram.observe(seconds)
    assert histogram.counts[0] == 2
    assert histogram.counts[3] == 1
    assert histogram.counts[4] == 1
    assert histogram.counts[-1] == 1
    histogram.add(histogram)
    assert sum(histogram.counts) == 10


def test_counters_measure_waits_in_the_order_of_arrival() -> None:
    counters = Counters()
    counters.arrived()
    time.sleep(0.02)
    counters.arrived()
    counters.finished(counters.started())
    counters.finished(counters.started())
    assert sum(counters.waits.counts) == 2
    assert 0.02 <= counters.waits.total < 0.04
    # Whoever applies a batch that never arrived, as tests do, breaks nothing.
    counters.finished(counters.started())
    assert sum(counters.latency.counts) == 3


def test_facts_cross_from_another_process(service: Service) -> None:
    wire = Wire(stream_of(service, ALICE))
    wire.op("gather_nd", wire.put([1, 2, 3]), wire.put([[7]]))
    wire.settle()
    [facts] = service.overview().sessions
    again = Facts.unpack(json.loads(json.dumps(facts.pack())))
    assert again.pack() == facts.pack()
    assert (again.usage.handles, again.errors, sum(again.latency.counts)) == (3, {"INDEX_OUT_OF_RANGE": 1}, 1)
    wire.close()


def test_errors_know_the_last_one() -> None:
    errors = Errors()
    for reason in ("A", "B", "A"):
        errors.count(reason)
    assert errors.counts() == {"A": 2, "B": 1}
    assert errors.last == "A"


def test_owners_without_number_do_not_make_series_without_number() -> None:
    ended = Ended()
    for number in range(3000):
        ended.add(Facts(id=str(number), owner=f"owner {number}", ops=1))
    assert ended.ops == 3000
    assert len(ended.owner_ops) == 1000


def test_rates_and_history_come_from_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    census = Census()
    ended = Ended()

    def at(ops: int) -> Overview:
        return Overview([Facts(id="a", owner="x", ops=ops)], ended)

    assert not census.has_rates()
    for second in range(20):
        now = 100.0 + second
        census.sample(at(second * 1000))
        # Another one at once is not kept.
        census.sample(at(second * 1000 + 500))
    assert census.has_rates()
    now = 119.5
    assert census.rate(Facts(id="a", owner="x", ops=19_500)) == pytest.approx(1000)
    assert census.rate(Facts(id="new", owner="x", ops=450)) == pytest.approx(100)
    assert census.history() == [(119.5 - 101 - second, 1000.0) for second in range(19)]
    now = 500.0
    assert not census.has_rates()
    assert census.rate(Facts(id="a", owner="x", ops=19_500)) == 0
