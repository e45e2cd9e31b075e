"""The commands' arguments, and what becomes of their errors."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from remx_contract.errors import MXNetError

from .. import _tls
from .._version import __version__
from . import commands, doctor
from .link import Link
from .tables import plain

_EPILOG = """\
examples:
  remx doctor                                  what is installed here, and whether a server would start
  remx doctor --server gpu1:50051              the same of a server and the network on the way to it
  REMX_SERVER=gpu1:50051 REMX_TOKEN=... remx sessions
  remx kill 5e726aa0 --server gpu1:50051 --token-file token

exit status: 0 all is well, 1 something is wrong, 2 the command was.
"""


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    common = argparse.ArgumentParser(add_help=False)
    group = common.add_argument_group("the server")
    group.add_argument(
        "--server", metavar="ADDRESS", help="host:port, or unix:/path on this machine (default: REMX_SERVER)"
    )
    group.add_argument(
        "--token-file",
        metavar="FILE",
        type=Path,
        help="a file with nothing but your token (default: the token in REMX_TOKEN)",
    )
    group.add_argument(
        "--ca", metavar="FILE", help="encrypt, trusting this PEM file, or 'system' (default: REMX_CA)"
    )
    group.add_argument(
        "--cert", metavar="FILE", help="your own certificate, in PEM (default: REMX_CLIENT_CERT)"
    )
    group.add_argument("--key", metavar="FILE", help="the certificate's key (default: REMX_CLIENT_KEY)")
    common.add_argument("--json", action="store_true", help="print JSON, for scripts")
    top = argparse.ArgumentParser(
        prog="remx",
        description="Look at a remx server, its sessions, and the way to it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"remx {__version__}")
    names = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    names.add_parser("status", parents=[common], help="how the server is: devices, memory, totals")
    names.add_parser(
        "sessions",
        parents=[common],
        help="the sessions that run: yours, or for an administrator all",
        description="List the sessions that run: your own, or for an administrator all.",
    )
    kill = names.add_parser(
        "kill",
        parents=[common],
        help="end sessions; their clients are told at once",
        description="End sessions, with all their arrays. Their clients are told at once.",
    )
    kill.add_argument("session", nargs="+", metavar="SESSION", help="an id that `remx sessions` shows")
    names.add_parser(
        "doctor",
        parents=[common],
        help="check the installation, and the server if one is named",
        description="Check what is installed here, and the server if one is named, else whether an embedded "
        "one would start. Exit status 1 if a check fails.",
    )
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    top = parser()
    flags = top.parse_args(arguments)
    address = flags.server or os.environ.get("REMX_SERVER", "")
    token = _token(top, flags.token_file)
    try:
        ca = True if flags.ca == _tls.SYSTEM else flags.ca
        tls = _tls.find(address, ca, flags.cert, flags.key) if address else None
        if flags.command == "doctor":
            return doctor.run(doctor.Way(address, token, tls), flags.json)
        if not address:
            top.error(f"remx {flags.command} needs a server: --server host:port, or REMX_SERVER")
        with Link(address, token, tls) as link:
            if flags.command == "kill":
                return commands.kill(link, flags.session, flags.json)
            show = commands.status if flags.command == "status" else commands.sessions
            return show(link, flags.json)
    except MXNetError as error:
        print(f"remx: {plain(str(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _token(top: argparse.ArgumentParser, file: Path | None) -> str:
    """The token of the flag's file, else of the environment; empty for none."""
    if file is None:
        return os.environ.get("REMX_TOKEN", "").strip()
    try:
        token = file.read_text().strip()
    except (OSError, ValueError) as error:
        top.error(f"--token-file: {error}")
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        # Not what is in it: it may be another secret.
        top.error(f"--token-file: {file} does not hold one line with a token")
    return token
