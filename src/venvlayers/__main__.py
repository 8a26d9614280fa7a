"""Where the command begins, and ``python -m venvlayers``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command; Ctrl-C while it is loaded is as quiet as later."""
    try:
        from venvlayers.cli import main as command  # noqa: PLC0415 - see above
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)
    command()


if __name__ == "__main__":
    main()
