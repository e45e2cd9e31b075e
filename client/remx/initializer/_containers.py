"""What chooses an initializer, or a loaded value, by a parameter's name."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable, Sequence
from typing import Any

from remx_contract.errors import PreconditionError, UnsupportedTypeError, ValueRangeError

from .._params import load
from ..ndarray import NDArray

Filler = Callable[[str, NDArray], None]
"""What fills an array by its name: an Initializer, a Mixed, a Load."""


class Mixed:
    """Several initializers, each for the names that its pattern matches.

    Parameters
    ----------
    patterns : list of str
        Regular expressions. The first that matches a name from its beginning counts: ``".*bias"`` is for
        names that end in bias.
    initializers : list of Initializer
        One for each pattern.
    """

    def __init__(self, patterns: Sequence[str], initializers: Sequence[Filler]) -> None:
        if len(patterns) != len(initializers):
            raise PreconditionError(
                op="Mixed",
                argument="initializers",
                got=f"{len(initializers)} for {len(patterns)} patterns",
                expected="as many",
            )
        compiled = [re.compile(pattern) for pattern in patterns]
        self.map = list(zip(compiled, initializers, strict=True))

    def choose(self, name: str) -> Filler:
        """The initializer for a name; ValueError where no pattern matches."""
        for pattern, initializer in self.map:
            if pattern.match(name):
                return initializer
        known = ", ".join(repr(pattern.pattern) for pattern, _ in self.map)
        raise ValueRangeError(
            f"Parameter name {name} did not match any pattern (of {known}; patterns match from the beginning "
            "of a name). Consider a '.*' pattern at the end with an initializer for all the rest",
            op="Mixed",
        )

    def __call__(self, name: str, arr: NDArray) -> None:
        """Fill an array by the initializer for its name."""
        self.choose(name)(name, arr)


class Load:
    """Values of a file or dict, with an initializer for what is not there.

    Parameters
    ----------
    param : str, path, or dict of str to NDArray
        A ``.params`` file or what it holds. ``arg:`` and ``aux:`` before names are dropped.
    default_init : Initializer, optional
        For names that are not there.
    verbose : bool
        Log where the values of each parameter came from, at level INFO of the root logger.
    """

    def __init__(
        self,
        param: str | os.PathLike[str] | dict[str, Any],
        default_init: Filler | None = None,
        verbose: bool = False,
    ) -> None:
        self._file = os.fspath(param) if isinstance(param, (str, os.PathLike)) else ""
        loaded = load(self._file) if self._file else param
        if not isinstance(loaded, dict):
            raise PreconditionError(
                op="Load",
                argument="param",
                got=f"a file of arrays without names, {self._file}" if self._file else f"{type(loaded)}",
                expected="a file of named arrays or a dict",
            )
        self.param: dict[str, Any] = {_without_kind(name): value for name, value in loaded.items()}
        self.default_init = default_init
        self.verbose = verbose

    def choose(self, name: str) -> Filler:
        """Itself for a name that it has, otherwise the default; AssertionError where there is none."""
        if name in self.param:
            return self
        if self.default_init is None:
            raise PreconditionError(
                f"Cannot Initialize {name}. Not found in loaded param and no default Initializer is "
                f"provided. Loaded are {', '.join(list(self.param)[:10]) or 'no parameters'}",
                op="Load",
            )
        return self.default_init

    def __call__(self, name: str, arr: NDArray) -> None:
        """Fill an array with the value of its name, or by the default initializer."""
        chosen = self.choose(name)
        if chosen is not self:
            chosen(name, arr)
            self._tell("Initialized %s by default", name)
            return
        value = self.param[name]
        if arr.shape != value.shape:
            raise PreconditionError(
                f"Parameter {name} cannot be initialized from loading. "
                f"Shape mismatch, target {arr.shape} vs loaded {value.shape}",
                op="Load",
            )
        arr[:] = value
        self._tell("Initialized %s by loading", name)

    def _tell(self, text: str, name: str) -> None:
        if self.verbose:
            logging.info(text, name)

    def _described(self) -> str:
        """Names the file; values given as a dict are not described."""
        return json.dumps(["load", {"param": self._file}] if self._file else ["load"])


def _without_kind(name: object) -> str:
    if not isinstance(name, str):
        raise UnsupportedTypeError(
            op="Load", argument="param", got=f"{type(name)}", expected="texts as names"
        )
    return name[4:] if name.startswith(("arg:", "aux:")) else name
