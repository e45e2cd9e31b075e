"""Prometheus metrics: the census in the words of Prometheus, read when it asks.

Every label has a bounded number of values: a session's series end with it, owners come from the token file,
reasons from the table of errors, devices from the machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from remx_contract import CONTRACT_VERSION

from .census import Facts, Overview
from .counters import SECONDS, Histogram
from .traffic import Traffic

if TYPE_CHECKING:
    from .admin import Host

STATES: Final = ("running", "idle", "detached")


def registry(host: Host, traffic: Traffic) -> CollectorRegistry:
    """A registry with the server's metrics and its process's."""
    found = CollectorRegistry()
    found.register(ServerCollector(host, traffic))
    ProcessCollector(registry=found)
    return found


class ServerCollector(Collector):
    """Reads the server's counters when Prometheus asks.

    Parameters
    ----------
    host : Host
    traffic : Traffic
    """

    def __init__(self, host: Host, traffic: Traffic) -> None:
        self._host = host
        self._traffic = traffic

    def describe(self) -> Iterable[Metric]:
        """Nothing: what there is says each collection itself."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All metrics of the server."""
        overview = self._host.overview()
        yield from self._server(overview)
        yield from _work(overview)
        yield from self._errors(overview)
        yield from self._bytes()
        yield from self._devices()
        yield from _sessions(overview.sessions)
        yield from _owners(overview)

    def _server(self, overview: Overview) -> Iterator[Metric]:
        build = GaugeMetricFamily("remx_build_info", "What the server is.", labels=["product", "contract"])
        build.add_metric([self._host.product, str(CONTRACT_VERSION)], 1)
        yield build
        yield GaugeMetricFamily(
            "remx_draining", "Whether the server takes no new sessions.", float(self._host.draining)
        )
        states = GaugeMetricFamily("remx_sessions", "Sessions, by state.", labels=["state"])
        for state in STATES:
            states.add_metric([state], sum(facts.state == state for facts in overview.sessions))
        yield states
        opened = overview.ended.sessions + len(overview.sessions)
        yield CounterMetricFamily("remx_sessions_opened", "Sessions that were opened.", opened)

    def _errors(self, overview: Overview) -> Iterator[Metric]:
        errors = CounterMetricFamily(
            "remx_errors",
            "Errors by reason: of sessions and their ops, and of calls and handshakes that were refused.",
            labels=["of", "reason"],
        )
        of_sessions = dict(overview.ended.errors)
        for facts in overview.sessions:
            for reason, times in facts.errors.items():
                of_sessions[reason] = of_sessions.get(reason, 0) + times
        for of, counts in (("session", of_sessions), ("call", self._host.census.refused.counts())):
            for reason, times in sorted(counts.items()):
                errors.add_metric([of, reason], times)
        yield errors

    def _bytes(self) -> Iterator[Metric]:
        received = CounterMetricFamily(
            "remx_received_bytes", "Bytes from clients: commands, and bulk data.", labels=["channel"]
        )
        sent = CounterMetricFamily(
            "remx_sent_bytes", "Bytes to clients: answers, and bulk data.", labels=["channel"]
        )
        for channel in Traffic.CHANNELS:
            received.add_metric([channel], self._traffic.received(channel))
            sent.add_metric([channel], self._traffic.sent(channel))
        yield received
        yield sent

    def _devices(self) -> Iterator[Metric]:
        total = GaugeMetricFamily("remx_device_memory_bytes", "Memory of a device.", labels=["device"])
        free = GaugeMetricFamily(
            "remx_device_memory_free_bytes", "Free memory of a device.", labels=["device"]
        )
        for info in self._host.devices.infos():
            total.add_metric([info.context], info.memory)
            free.add_metric([info.context], info.memory_free)
        yield total
        yield free


def _work(overview: Overview) -> Iterator[Metric]:
    """What all sessions did, those that are over too."""
    ended, sessions = overview.ended, overview.sessions
    for name, text, over, running in (
        ("remx_ops", "Ops that were run.", ended.ops, [facts.ops for facts in sessions]),
        ("remx_batches", "Batches that were run.", ended.batches, [facts.batches for facts in sessions]),
        ("remx_resumes", "Times a client came back.", ended.resumes, [facts.resumes for facts in sessions]),
        (
            "remx_spills",
            "Tensors moved out of a device's memory.",
            ended.spills,
            [facts.spills for facts in sessions],
        ),
    ):
        yield CounterMetricFamily(name, text, over + sum(running))
    yield _histogram(
        "remx_batch_seconds", "How long a batch ran.", ended.latency, [facts.latency for facts in sessions]
    )
    yield _histogram(
        "remx_batch_wait_seconds",
        "How long a batch waited before it ran.",
        ended.waits,
        [facts.waits for facts in sessions],
    )


def _histogram(name: str, text: str, over: Histogram, running: Iterable[Histogram]) -> HistogramMetricFamily:
    total = Histogram()
    for each in (over, *running):
        total.add(each)
    bounds = [*(f"{bound:g}" for bound in SECONDS), "+Inf"]
    buckets = list(zip(bounds, accumulate(total.counts), strict=True))
    return HistogramMetricFamily(name, text, buckets=buckets, sum_value=total.total)


def _sessions(sessions: list[Facts]) -> Iterator[Metric]:
    """The series of each session."""
    labels = ["session", "owner"]
    ops = CounterMetricFamily("remx_session_ops", "Ops of a session.", labels=labels)
    tensors = GaugeMetricFamily("remx_session_tensors", "Tensors that a client holds.", labels=labels)
    queue = GaugeMetricFamily(
        "remx_session_queue_bytes", "Commands of a session that wait, or run.", labels=labels
    )
    size = GaugeMetricFamily(
        "remx_session_bytes", "Memory of the tensors that a client holds.", labels=[*labels, "memory"]
    )
    for facts in sessions:
        values = [facts.id, facts.owner]
        ops.add_metric(values, facts.ops)
        tensors.add_metric(values, facts.usage.handles)
        queue.add_metric(values, facts.queue_bytes)
        size.add_metric([*values, "device"], facts.usage.device_bytes)
        size.add_metric([*values, "host"], facts.usage.host_bytes)
    yield from (ops, tensors, queue, size)


def _owners(overview: Overview) -> Iterator[Metric]:
    """The series of each owner."""
    ops = CounterMetricFamily("remx_owner_ops", "Ops of an owner's sessions.", labels=["owner"])
    count = GaugeMetricFamily("remx_owner_sessions", "Sessions of an owner.", labels=["owner"])
    tensors = GaugeMetricFamily(
        "remx_owner_tensors", "Tensors that an owner's clients hold.", labels=["owner"]
    )
    size = GaugeMetricFamily(
        "remx_owner_bytes", "Memory of the tensors that an owner's clients hold.", labels=["owner", "memory"]
    )
    for owner in sorted({*overview.ended.owner_ops, *(facts.owner for facts in overview.sessions)}):
        own = [facts for facts in overview.sessions if facts.owner == owner]
        ops.add_metric([owner], overview.ended.owner_ops.get(owner, 0) + sum(facts.ops for facts in own))
        count.add_metric([owner], len(own))
        tensors.add_metric([owner], sum(facts.usage.handles for facts in own))
        size.add_metric([owner, "device"], sum(facts.usage.device_bytes for facts in own))
        size.add_metric([owner, "host"], sum(facts.usage.host_bytes for facts in own))
    yield from (ops, count, tensors, size)
