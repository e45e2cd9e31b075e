"""``remx-server`` and ``python -m remx_server``."""

from __future__ import annotations

import sys

from . import blas, command_line, log


def main() -> int:
    """Make a token, or read flags, environment and file, and serve."""
    if sys.argv[1:2] == [command_line.NEW_TOKEN]:
        return command_line.new_token(sys.argv[2:])
    settings = command_line.parse()
    blas.set_up_environment()
    log.set_up(settings.log_level, settings.log_format)
    try:
        from .serve import run
    except ModuleNotFoundError as error:
        print(f"remx-server: {error}; install the server part: pip install 'remx[server]'", file=sys.stderr)
        return 3
    return run(settings)


if __name__ == "__main__":
    sys.exit(main())
