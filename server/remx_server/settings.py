"""Settings: what one can be told, in a flag, an environment variable or a line of TOML, and how it is read.

A setting is a field of one of the dataclasses in ``config.py`` that was made with :func:`setting`: its type,
default, kind and help stand in one place, and ``command_line.py`` makes the rest out of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Final

SIZE_UNITS: Final = {
    "": 1,
    "b": 1,
    **{f"{letter}b": 1000**power for power, letter in enumerate("kmgt", 1)},
    **{f"{letter}ib": 1024**power for power, letter in enumerate("kmgt", 1)},
}
"""What the units of sizes stand for, in bytes."""

TIME_UNITS: Final = {"": 1.0, "ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
"""What the units of times stand for, in seconds."""

_QUANTITY: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)", re.ASCII)


class ConfigError(ValueError):
    """What a server is told makes no sense; the message names the flag, the variable, or the file and key."""


class Kind:
    """What the value of a setting can be.

    Its two readers raise ValueError with what is expected; the source and the value are named by the caller.

    Attributes
    ----------
    metavar : str
        What stands for the value in ``--help``.
    """

    metavar: str = "TEXT"

    def from_text(self, text: str) -> Any:
        """The value that a flag or a variable says."""
        return text

    def from_toml(self, value: object) -> Any:
        """The value that a line of TOML says: text is read as elsewhere, unless it has a type of its own."""
        if not isinstance(value, str):
            raise ValueError("text in quotes is expected")
        return self.from_text(value)

    def to_toml(self, value: Any) -> str:
        """The value as TOML."""
        return json.dumps(str(value))

    def to_help(self, value: Any) -> str:
        """The value as ``--help`` shows it."""
        return str(value)


class Choice(Kind):
    """One of a few words.

    Parameters
    ----------
    *words : str
    """

    def __init__(self, *words: str) -> None:
        self.words = words
        self.metavar = "{" + ",".join(words) + "}"

    def from_text(self, text: str) -> str:
        """The word itself."""
        if text not in self.words:
            raise ValueError(f"one of {', '.join(self.words)} is expected")
        return text


class Address(Kind):
    """Where to listen: ``host:port`` or ``unix:/path``."""

    metavar = "ADDRESS"

    def from_text(self, text: str) -> str:
        """The address itself."""
        host, _, port = text.rpartition(":")
        if text.startswith("unix:"):
            fits = len(text) > len("unix:")
        else:
            fits = bool(host) and port.isascii() and port.isdigit() and int(port) < 65536
        if not fits:
            raise ValueError("host:port or unix:/path is expected")
        return text


class HostPort(Address):
    """Where to listen in a network: ``host:port``."""

    def from_text(self, text: str) -> str:
        """The address itself."""
        if text.startswith("unix:"):
            raise ValueError("host:port is expected")
        return super().from_text(text)


class File(Kind):
    """The path of a file."""

    metavar = "FILE"

    def from_text(self, text: str) -> Path:
        """The path."""
        if not text or "\0" in text:
            raise ValueError("the path of a file is expected")
        return Path(text)

    def to_toml(self, value: Path) -> str:
        """The whole path, since one in a file would start at the file's folder."""
        return json.dumps(str(value.absolute()))


class Folder(File):
    """The path of a folder."""

    metavar = "DIR"


class Token(Kind):
    """What a client presents."""

    def from_text(self, text: str) -> str:
        """The token."""
        token = text.strip()
        if not (token.isascii() and token.isprintable()):
            raise ValueError("one line of printable ASCII characters is expected")
        return token


class Switch(Kind):
    """Yes or no."""

    metavar = "YES|NO"
    _WORDS: Final = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}

    def from_text(self, text: str) -> bool:
        """Whether it says yes."""
        try:
            return self._WORDS[text.lower()]
        except KeyError:
            raise ValueError("yes or no is expected") from None

    def from_toml(self, value: object) -> bool:
        """Whether it is true."""
        if not isinstance(value, bool):
            raise ValueError("true or false is expected")
        return value

    def to_toml(self, value: bool) -> str:
        """The value as TOML."""
        return "true" if value else "false"

    def to_help(self, value: bool) -> str:
        """The value as ``--help`` shows it."""
        return "yes" if value else "no"


class Number(Kind):
    """A number, with a unit where there are any.

    Parameters
    ----------
    least : float
        The smallest one that is allowed.
    most : float, optional
    """

    metavar = "NUMBER"
    expected: ClassVar[str] = "a whole number"
    units: ClassVar[dict[str, Any]] = {"": 1}
    type: ClassVar[type] = int

    def __init__(self, least: float = 0, most: float = 1 << 62) -> None:
        self.least = least
        self.most = most

    def from_text(self, text: str) -> Any:
        """The number, in units of one."""
        match = _QUANTITY.fullmatch(text.strip().lower())
        if match is None or match[2] not in self.units:
            raise ValueError(f"{self.expected} is expected")
        factor = self.units[match[2]]
        # Whole numbers stay whole, however large.
        number = int(match[1]) if match[1].isdigit() else float(match[1])
        return self._checked(number * factor)

    def from_toml(self, value: object) -> Any:
        """The number, also as text with a unit."""
        if isinstance(value, str):
            return self.from_text(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{self.expected} is expected")
        return self._checked(value)

    def _checked(self, value: float) -> Any:
        # Not-a-number fails every comparison.
        if not self.least <= value <= self.most:
            bounds = f"at least {self.to_help(self.least)}"
            if self.most < 1 << 62:
                bounds += f" and at most {self.to_help(self.most)}"
            raise ValueError(f"{self.expected}, {bounds}, is expected")
        if self.type is int and value != int(value):
            raise ValueError(f"{self.expected} is expected")
        return self.type(value)

    def to_toml(self, value: Any) -> str:
        """The value as TOML."""
        return str(value)


class Count(Number):
    """How many."""


class Size(Number):
    """Bytes."""

    metavar = "SIZE"
    expected = 'a size like 4096, "64 KiB" or "8 GiB"'
    units = SIZE_UNITS

    def to_help(self, value: float) -> str:
        """The value with the largest unit that leaves it whole."""
        number = int(value)
        for unit in ("TiB", "GiB", "MiB", "KiB"):
            if number and number % SIZE_UNITS[unit.lower()] == 0:
                return f"{number // SIZE_UNITS[unit.lower()]} {unit}"
        return f"{number} B"

    def to_toml(self, value: int) -> str:
        """The value as TOML."""
        return json.dumps(self.to_help(value)) if value % 1024 == 0 and value else str(value)


class Seconds(Number):
    """A time."""

    metavar = "TIME"
    expected = 'a time like 10, "30 s" or "5 min"'
    units = TIME_UNITS
    type = float

    def __init__(self, least: float = 0, most: float = 366 * 86400.0) -> None:
        # Python's own waits take no more than some hundred years.
        super().__init__(least, most)

    def to_help(self, value: float) -> str:
        """The value with its unit."""
        return f"{value:g} s"


@dataclass(frozen=True)
class Setting:
    """What a field can be set by.

    Attributes
    ----------
    name : str
        The flag is ``--name``, the variable ``REMX_NAME`` and the key of the file ``name``.
    kind : Kind
    group : str
        The heading of ``--help`` that it comes under.
    help : str
    secret : bool
        Whether it is a secret: a variable alone, since others can see flags, and it is never shown.
    """

    name: str
    kind: Kind
    group: str
    help: str
    secret: bool = False

    @property
    def flag(self) -> str:
        """The flag."""
        return f"--{self.name}"

    @property
    def variable(self) -> str:
        """The environment variable."""
        return "REMX_" + self.name.upper().replace("-", "_")


def setting(default: Any, kind: Kind, name: str, group: str, help: str, *, secret: bool = False) -> Any:
    """A field of a dataclass that flags, variables and the file can set.

    Parameters
    ----------
    default : object
    kind : Kind
        How its value is read and shown.
    name, group, help, secret
        See :class:`Setting`.
    """
    row = Setting(name, kind, group, help, secret)
    return field(default=default, metadata={"setting": row}, repr=not secret)


def settings_of(cls: type) -> Iterator[tuple[Field[Any], Setting]]:
    """The fields of a dataclass that are settings, in order."""
    for each in fields(cls):
        if "setting" in each.metadata:
            yield each, each.metadata["setting"]
