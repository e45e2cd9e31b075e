"""Reading TOML: the server's own settings, and its tokens."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from .settings import ConfigError


def read(path: Path, what: str) -> dict[str, Any]:
    """The tables of a file; ConfigError where it cannot be read or is no TOML.

    Parameters
    ----------
    path : Path
    what : str
        What the file is for, as messages call it.
    """
    try:
        return _parser().loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else f"is no TOML: {error}"
        raise ConfigError(f"{what} {path}: {said}") from None


def _parser() -> Any:
    """Python's parser, or before 3.11 the package that it came from."""
    if sys.version_info >= (3, 11):
        import tomllib

        return tomllib
    import tomli

    return tomli


def unknown(key: str, known: Iterable[str]) -> str:
    """What to say of a key that nobody knows."""
    near = get_close_matches(key, known, 1)
    return "is unknown" + (f" (is {near[0]} meant?)" if near else f"; there are {', '.join(known)}")
