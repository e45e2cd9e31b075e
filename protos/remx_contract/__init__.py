"""The contract of remx: what the client and the server both depend on. It imports neither side."""

CONTRACT_VERSION = 4
"""Raised whenever a message or the meaning of a code word changes; client and server must agree on it."""
