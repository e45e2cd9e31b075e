"""The command line ``remx``: how a server is, which sessions run on it, and the way to it."""

from .main import main

__all__ = ["main"]
