"""Tokens: what clients present, the file that says whose they are, and making new ones.

The file has no tokens but their SHA-256. A token has 256 random bits, so that nothing can be learnt from its
hash by trying, and a slow or salted hash would add nothing (docs/decisions/tokens.md).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from . import toml_file
from .owners import Owner, Quota
from .settings import ConfigError, Count, Kind, Size

WHAT: Final = "token file"
KEYS: Final = ("hash", "devices", "admin", "quota")
PREFIX: Final = "remx-"
"""What new tokens begin with, so that those who look for leaked secrets can tell them."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
_HASH: Final = re.compile(r"sha256:([0-9a-f]{64})")
_DEVICE: Final = re.compile(r"cpu|gpu\((0|[1-9][0-9]{0,3})\)")


class Tokens:
    """The tokens that a server takes.

    Parameters
    ----------
    owners : iterable of Owner
        Each with the hash of its token as its credential.
    """

    def __init__(self, owners: Iterable[Owner]) -> None:
        self._owners = tuple(owners)

    def __len__(self) -> int:
        return len(self._owners)

    def owner_of(self, token: str) -> Owner | None:
        """Whoever a token stands for, None for nobody.

        All are compared, each in a time that does not depend on where they differ, so that the time tells
        nothing.
        """
        credential = digest(token)
        found = None
        for owner in self._owners:
            if hmac.compare_digest(owner.credential, credential):
                found = owner
        return found

    def renewed(self, owner: Owner) -> Owner | None:
        """What an owner of earlier tokens is now; None where theirs is not among these any more."""
        for now in self._owners:
            if now.name == owner.name and now.credential == owner.credential:
                return now
        return None


def digest(token: str) -> bytes:
    """The hash of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def single(token: str) -> Tokens:
    """One token for everybody."""
    return Tokens([Owner("default", admin=True, credential=digest(token))])


def make(name: str, *, admin: bool = False) -> tuple[str, str]:
    """A new token, and the table that tells a server of it; ConfigError for a name that cannot be one."""
    _check_name(name, f"the name {name!r}")
    token = PREFIX + secrets.token_urlsafe(32)
    # A dot would begin a table within a table.
    key = name if re.fullmatch(r"[\w-]+", name) else f'"{name}"'
    lines = [f"[tokens.{key}]", f'hash = "sha256:{digest(token).hex()}"', *["admin = true"] * admin]
    return token, "\n".join(lines) + "\n"


def read(path: Path) -> Tokens:
    """The tokens of a file; ConfigError that names the file, the token and the key."""
    _refuse_plain_line(path)
    tables = toml_file.read(path, WHAT)
    for key in tables:
        if key != "tokens":
            raise ConfigError(f"{WHAT} {path}: {key} {toml_file.unknown(key, ['tokens'])}")
    entries = tables.get("tokens")
    if not isinstance(entries, dict) or not entries:
        raise ConfigError(f"{WHAT} {path}: no tokens are in it; 'remx-server new-token NAME' makes one")
    owners: dict[bytes, Owner] = {}
    for name, table in entries.items():
        place = f"{WHAT} {path}: tokens.{name}"
        owner = _owner(name, table, place)
        if owner.credential in owners:
            raise ConfigError(f"{place}.hash: tokens.{owners[owner.credential].name} has the same one")
        owners[owner.credential] = owner
    return Tokens(owners.values())


def _refuse_plain_line(path: Path) -> None:
    """A file of earlier versions had the token itself. Its text is not repeated."""
    try:
        lines = path.read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        # Reading it as TOML says what is wrong.
        return
    if len(lines) == 1 and not set(lines[0]) & set('[="'):
        raise ConfigError(
            f"{WHAT} {path}: this is a token and not a table of tokens. Make one with 'remx-server new-token "
            "NAME' and put the table it prints here, or give this token as REMX_TOKEN"
        )


def _owner(name: str, table: object, place: str) -> Owner:
    _check_name(name, place)
    if not isinstance(table, dict):
        raise ConfigError(f"{place}: a table [tokens.{name}] is expected")
    for key in table:
        if key not in KEYS:
            raise ConfigError(f"{place}.{key} {toml_file.unknown(key, KEYS)}")
    admin = table.get("admin", False)
    if not isinstance(admin, bool):
        raise ConfigError(f"{place}.admin: true or false is expected")
    return Owner(
        name,
        quota=_quota(table.get("quota", {}), f"{place}.quota"),
        devices=_devices(table.get("devices"), f"{place}.devices"),
        admin=admin,
        credential=_credential(table.get("hash"), f"{place}.hash"),
    )


def _check_name(name: str, place: str) -> None:
    if _NAME.fullmatch(name) is None:
        raise ConfigError(
            f"{place}: a token's name has up to 64 letters, digits and _ . @ -, and begins with a letter or "
            "digit"
        )


def _credential(value: object, place: str) -> bytes:
    match = _HASH.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        # What came is not shown: it may be the token itself.
        raise ConfigError(
            f'{place}: "sha256:" and 64 hexadecimal digits in lower case are expected, as '
            "'remx-server new-token' prints them"
        )
    return bytes.fromhex(match[1])


def _devices(value: object, place: str) -> frozenset[str] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not value:
        raise ConfigError(f'{place}: a list of devices like ["cpu", "gpu(0)"] is expected')
    for device in value:
        if not isinstance(device, str) or _DEVICE.fullmatch(device) is None:
            raise ConfigError(f"{place}: {device!r} is no device; they are called cpu, gpu(0), gpu(1) ...")
    return frozenset(value)


def _quota(value: object, place: str) -> Quota:
    if not isinstance(value, dict):
        raise ConfigError(f"{place}: a table is expected")
    known = [each.name for each in fields(Quota)]
    found: dict[str, Any] = {}
    for key, number in value.items():
        if key not in known:
            raise ConfigError(f"{place}.{key} {toml_file.unknown(key, known)}")
        kind: Kind = Size() if key.endswith("_bytes") else Count()
        try:
            found[key] = kind.from_toml(number)
        except ValueError as error:
            raise ConfigError(f"{place}.{key}: {error}, not {number!r}") from None
    return Quota(**found)
