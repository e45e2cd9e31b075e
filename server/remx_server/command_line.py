"""The command line: from flags, the environment and a file to a Config; ``--help``; new tokens.

All of it is made out of the fields of :class:`Config` and :class:`Limits`; a flag wins over a variable, and
that over the file.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from . import tokens, toml_file
from .config import GROUPS, Config, Limits
from .settings import ConfigError, Setting, Switch, settings_of

CONFIG_VARIABLE: Final = "REMX_CONFIG"
NEW_TOKEN: Final = "new-token"

EPILOG: Final = """\
examples:
  remx-server
      serves the programs of this machine, at 127.0.0.1:50051
  remx-server new-token alice >> tokens.toml
      makes a token for alice; it is shown once, on standard error, and its hash goes to the file
  remx-server --listen 0.0.0.0:50051 --token-file tokens.toml --tls-cert cert.pem --tls-key key.pem
      serves other machines, to those who have a token, encrypted
  remx-server --config remx.toml --print-config
      shows what holds, and where each setting comes from

Each setting can be a flag, an environment variable or a line of the file that --config names:
--queue-size 64MiB, REMX_QUEUE_SIZE=64MiB, queue-size = "64 MiB". A flag wins over a variable, a
variable over the file. An empty variable counts as not set. Sizes are bytes, or have a unit: KiB,
MiB, GiB, TiB, kB, MB, GB, TB. Times are seconds, or have a unit: ms, s, min, h, d.

signals:
  SIGTERM, SIGINT   take no new sessions, give the others --grace to end, then stop; a second one
                    stops at once
  SIGHUP            read the token file and the certificates again; where there are none, stop
"""


@dataclass(frozen=True)
class _Found:
    """The value of a setting, and where it comes from."""

    value: Any
    source: str
    rank: int


_FLAG, _VARIABLE, _FILE, _DEFAULT = 0, 1, 2, 3


def rows() -> Iterator[tuple[type, str, Any, Setting]]:
    """All settings: their dataclass, the name and default of the field, and the row itself."""
    for cls in (Config, Limits):
        for each, row in settings_of(cls):
            yield cls, each.name, each.default, row


def parser() -> argparse.ArgumentParser:
    """The parser of the flags. Their values are read later, as those of variables and the file are."""
    made = argparse.ArgumentParser(
        prog="remx-server",
        usage=f"remx-server [flags]\n       remx-server {NEW_TOKEN} NAME [--admin]",
        description="Serve tensors, autograd and random state to remx clients.",
        epilog=EPILOG,
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    made.add_argument(
        "--config", metavar="FILE", help=f"TOML with settings, named as the flags are ({CONFIG_VARIABLE})"
    )
    made.add_argument(
        "--print-config",
        action="store_true",
        help="print the settings that hold, as TOML and without secrets, and end",
    )
    groups = {
        name: made.add_argument_group(name, " ".join([about, *_variables_alone(name)]).strip() or None)
        for name, about in GROUPS.items()
    }
    for _, _, default, row in rows():
        if row.secret:
            continue
        shown = "" if default is None else f"default {row.kind.to_help(default)}; "
        how: dict[str, Any] = {"metavar": row.kind.metavar}
        if isinstance(row.kind, Switch):
            how = {"action": argparse.BooleanOptionalAction}
        text = f"{row.help} ({shown}{row.variable})".replace("%", "%%")
        groups[row.group].add_argument(row.flag, dest=row.name, default=None, help=text, **how)
    return made


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the epilog's lines, and fills the width that the project's own lines have."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=100)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text is EPILOG:
            return super()._fill_text(text, width, indent)
        return argparse.HelpFormatter._fill_text(self, text, width, indent)


def _variables_alone(group: str) -> list[str]:
    """What is said of a group's secrets, which have no flag."""
    return [
        f"The variable {row.variable} is {row.help}."
        for _, _, _, row in rows()
        if row.secret and row.group == group
    ]


def parse(arguments: Sequence[str] | None = None, *, whole: bool = True) -> Config:
    """The Config that flags, environment and file describe; exits with a message where they make no sense.

    Parameters
    ----------
    arguments : sequence of str, optional
        The flags; the program's own by default.
    whole : bool
        False where other flags are known elsewhere: whether all fits together is not asked then.
    """
    made = parser()
    flags = vars(made.parse_args(arguments))
    try:
        found = _find(flags, os.environ)
        config = _config(found)
        if whole:
            config = _settle_tokens(config, found)
            _check(config, found)
    except ConfigError as error:
        made.error(str(error))
    if flags["print_config"]:
        sys.stdout.write(spell(config, {name: each.source for name, each in found.items()}))
        sys.exit(0)
    return config


def _find(flags: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, _Found]:
    """Where each setting comes from, and its value."""
    file = flags["config"] or environment.get(CONFIG_VARIABLE)
    lines = _lines(Path(file)) if file else {}
    found = {}
    for _, _, default, row in rows():
        if (flag := flags.get(row.name)) is not None:
            value = flag if isinstance(flag, bool) else _read(row.flag, row.kind.from_text, flag)
            found[row.name] = _Found(value, row.flag, _FLAG)
        elif text := environment.get(row.variable, "").strip():
            found[row.name] = _Found(
                _read(row.variable, row.kind.from_text, text, secret=row.secret), row.variable, _VARIABLE
            )
        elif row.name in lines:
            source = f"{file}: {row.name}"
            value = _read(source, row.kind.from_toml, lines[row.name])
            # Files are looked for beside the file that names them.
            value = Path(file).parent / value if isinstance(value, Path) else value
            found[row.name] = _Found(value, source, _FILE)
        else:
            found[row.name] = _Found(default, "default", _DEFAULT)
    return found


def _lines(file: Path) -> dict[str, Any]:
    """The settings in a file; ConfigError for one that there is not."""
    lines = toml_file.read(file, "config file")
    known = [row.name for _, _, _, row in rows() if not row.secret]
    for key in lines:
        if key not in known:
            secret = any(key == row.name for _, _, _, row in rows())
            raise ConfigError(
                f"{file}: {key} "
                + ("is a secret, which does not belong here" if secret else toml_file.unknown(key, known))
            )
    return lines


def _read(source: str, reader: Any, given: Any, *, secret: bool = False) -> Any:
    try:
        return reader(given)
    except ValueError as error:
        raise ConfigError(f"{source}: {error}" + ("" if secret else f", not {given!r}")) from None


def _config(found: Mapping[str, _Found]) -> Config:
    values: dict[type, dict[str, Any]] = {Config: {}, Limits: {}}
    for cls, field, _, row in rows():
        values[cls][field] = found[row.name].value
    return Config(limits=Limits(**values[Limits]), **values[Config])


def _settle_tokens(config: Config, found: Mapping[str, _Found]) -> Config:
    """The config with one source of tokens; ConfigError where it is not clear which."""
    file = found["token-file"]
    if not config.token or file.value is None:
        return config
    # Who has set REMX_TOKEN for the clients they run can still start a server by hand.
    if file.rank == _FLAG:
        return dataclasses.replace(config, token="")
    raise ConfigError(
        f"{found['token'].source} is set, and so is {file.source}: unset one of them, for it is not clear "
        "whose tokens to take"
    )


def _check(config: Config, found: Mapping[str, _Found]) -> None:
    """ConfigError for settings that do not fit together."""
    for first, second in (("tls-cert", "tls-key"), ("tls-key", "tls-cert"), ("client-ca", "tls-cert")):
        if found[first].value is not None and found[second].value is None:
            raise ConfigError(f"{found[first].source}: --{second} is needed with it")
    if config.tls and config.listen.startswith("unix:"):
        raise ConfigError(f"{found['tls-cert'].source}: a unix socket has no TLS, and needs none")
    if not (config.loopback or config.wants_token or config.insecure):
        raise ConfigError(
            f"{found['listen'].source}: {config.listen} can be reached from other machines, so it needs "
            f"tokens: --token-file FILE ('remx-server {NEW_TOKEN} NAME' makes one) or REMX_TOKEN; or else "
            "--insecure, and whoever reaches it may use and end everything"
        )


def spell(config: Config, sources: Mapping[str, str]) -> str:
    """A config as the TOML that describes it, with where each setting comes from; secrets are left out."""
    lines = []
    for group in GROUPS:
        lines += ["", f"# {group}"]
        for cls, field, _, row in rows():
            if row.group != group:
                continue
            value = getattr(config if cls is Config else config.limits, field)
            if row.secret:
                lines.append(f"# {row.variable}: {'set, not shown' if value else 'not set'}")
            elif value is None:
                lines.append(f"# {row.name}: not set")
            else:
                lines.append(f"{row.name} = {row.kind.to_toml(value)}  # {sources[row.name]}")
    return "\n".join(lines[1:]) + "\n"


def new_token(arguments: Sequence[str]) -> int:
    """Make a token: its table goes to standard output, and the token itself, once, to standard error."""
    made = argparse.ArgumentParser(
        prog=f"remx-server {NEW_TOKEN}",
        description="Make a token of 256 random bits. What the server has to know of it, for the end of its "
        "token file, goes to standard output; the token itself, which is kept nowhere, to standard error.",
    )
    made.add_argument("name", metavar="NAME", help="what logs and statistics call whoever has the token")
    made.add_argument("--admin", action="store_true", help="may see and end the sessions of others")
    flags = made.parse_args(arguments)
    try:
        token, table = tokens.make(flags.name, admin=flags.admin)
    except ConfigError as error:
        _refuse(made, error)
    print(f"The token of {flags.name}, which is shown only now:\n\n{token}\n", file=sys.stderr)
    if sys.stdout.isatty():
        print("For the server's token file:\n", file=sys.stderr)
    sys.stdout.write(table + "\n")
    return 0


def _refuse(made: argparse.ArgumentParser, error: ConfigError) -> NoReturn:
    made.error(str(error))
