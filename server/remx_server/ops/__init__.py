"""The kernels and gradient rules, in families called like the catalogue's."""

from importlib import import_module

from remx_contract.catalogue import FAMILIES

for _family in FAMILIES:
    import_module(f".{_family}", __name__)
