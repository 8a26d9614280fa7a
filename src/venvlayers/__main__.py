"""Where the command begins, and ``python -m venvlayers``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command; Ctrl-C while it is loaded is as quiet as later."""
    try:
        try:
            from venvlayers.cli import main as command  # noqa: PLC0415 - see above
        except KeyboardInterrupt:
            sys.stderr.write("interrupted\n")
            sys.exit(130)
        command()
    finally:
        # If Ctrl-C comes while Python executes a string, by which dataclasses are made, it notes
        # that, and `python -m` ends by the signal in the end, whatever status we exit with. The
        # next string that is executed makes it forget (CPython's `run_eval_code_obj`).
        exec("")  # noqa: S102


if __name__ == "__main__":
    main()
