"""``remx-server`` and ``python -m remx_server``."""

from __future__ import annotations

import sys

from . import blas, config, log


def main() -> int:
    """Read flags and environment, then serve."""
    settings = config.parse()
    blas.set_up_environment()
    log.set_up(settings.log_level)
    try:
        from .serve import run
    except ModuleNotFoundError as error:
        print(f"remx-server: {error}; install the server part: pip install 'remx[server]'", file=sys.stderr)
        return 3
    return run(settings)


if __name__ == "__main__":
    sys.exit(main())
