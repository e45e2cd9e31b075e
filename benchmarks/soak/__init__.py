"""Soak: what a shared server must survive, measured. ``python -m benchmarks.soak`` runs it.

Each figure has a module, which returns the rows of its results: ``faults`` (connections that break),
``restart`` (a server that is killed), ``crowd`` (many sessions at once), ``hostile`` (attacks), ``volume``
(very many ops), ``quotas`` (quotas that are exceeded). ``side`` is the client process that they ask.
"""
