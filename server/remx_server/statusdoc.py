"""What ``/status.json`` says: the census for the status page."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from .memory import resident_bytes

if TYPE_CHECKING:
    from .admin import Host

SESSIONS = 200
"""How many sessions are listed, the busiest first."""


def status_document(host: Host) -> dict[str, Any]:
    """The numbers of the status page: plain values, and no token of any kind."""
    census = host.census
    overview = host.overview()
    rates = {facts.id: census.rate(facts) for facts in overview.sessions}
    errors = dict(census.refused.counts())
    for counts in (overview.ended.errors, *(facts.errors for facts in overview.sessions)):
        for reason, times in counts.items():
            errors[reason] = errors.get(reason, 0) + times
    listed = sorted(overview.sessions, key=lambda facts: (-rates[facts.id], facts.age_seconds))[:SESSIONS]
    return {
        "server": host.product,
        "uptime_seconds": time.monotonic() - census.started,
        "draining": host.draining,
        "resident_bytes": resident_bytes(),
        "cpu_seconds": time.process_time(),
        "devices": [
            {
                "context": info.context,
                "name": info.name,
                "memory": info.memory,
                "memory_free": info.memory_free,
            }
            for info in host.devices.infos()
        ],
        "ops": overview.ended.ops + sum(facts.ops for facts in overview.sessions),
        "ops_per_second": sum(rates.values()),
        "history": [[round(ago, 1), round(rate, 1)] for ago, rate in census.history()],
        "errors": dict(sorted(errors.items(), key=lambda pair: -pair[1])),
        "session_count": len(overview.sessions),
        "sessions": [
            {
                "id": facts.id,
                "owner": facts.owner,
                "client": facts.client,
                "state": facts.state,
                "age_seconds": facts.age_seconds,
                "ops": facts.ops,
                "ops_per_second": rates[facts.id],
                "handles": facts.usage.handles,
                "device_bytes": facts.usage.device_bytes,
                "host_bytes": facts.usage.host_bytes,
                "queue_bytes": facts.queue_bytes,
                "errors": sum(facts.errors.values()),
                "last_error": facts.last_error,
                "resumes": facts.resumes,
                "spills": facts.spills,
            }
            for facts in listed
        ],
    }
