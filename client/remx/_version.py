"""The version, read off the installed distribution."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("remx")
except PackageNotFoundError:
    __version__ = "0+source"
