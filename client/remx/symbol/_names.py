"""Names of the nodes that nobody has named."""

from __future__ import annotations

import threading
from collections import Counter

_COUNTS = threading.local()


def next_name(hint: str) -> str:
    """``hint`` with a number that counts up in each thread, as MXNet's names do."""
    counts: Counter[str] | None = getattr(_COUNTS, "counts", None)
    if counts is None:
        counts = _COUNTS.counts = Counter()
    name = f"{hint.lower()}{counts[hint]}"
    counts[hint] += 1
    return name
