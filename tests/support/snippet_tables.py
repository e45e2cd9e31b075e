"""All tables of snippets, by the names under which their results are stored."""

from __future__ import annotations

from . import (
    snippets_arrays,
    snippets_autograd,
    snippets_autograd_backward,
    snippets_autograd_functions,
    snippets_autograd_grad,
    snippets_autograd_writes,
    snippets_functions,
    snippets_indexing,
    snippets_operators,
    snippets_random,
)
from .snippets import Table

TABLES: dict[str, Table] = {
    f"{module.__name__.rpartition('snippets_')[2]}.{name}": value
    for module in (
        snippets_arrays,
        snippets_autograd,
        snippets_autograd_backward,
        snippets_autograd_functions,
        snippets_autograd_grad,
        snippets_autograd_writes,
        snippets_functions,
        snippets_indexing,
        snippets_operators,
        snippets_random,
    )
    for name, value in vars(module).items()
    if name.isupper() and isinstance(value, dict) and not name.startswith("_")
}
