"""Files of MXNet's answers, as the makers of golden data write and check them."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path


def keep(file: Path, text: str, *, check: bool) -> None:
    """Write a compressed file; or with ``check`` compare it with the text, and exit if they differ."""
    if not check:
        # Without the time of day, the same answers make the same file.
        file.write_bytes(gzip.compress(text.encode(), mtime=0))
    elif gzip.decompress(file.read_bytes()).decode() != text:
        sys.exit("MXNet's answers are not those in the file")
