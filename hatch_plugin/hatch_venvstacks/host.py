"""How messages and failures reach the user of Hatch: what all our plugins have in common.

Hatch and hatchling each hand their plugins an application, of different classes with the
same ways to say something. Nothing here imports either.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from venvlayers.errors import VenvstacksError

if TYPE_CHECKING:
    from venvlayers.report import Kind, LineReporter

_INTERRUPTED = 130  # what a shell reports for a process that Ctrl-C ended


class Host(Protocol):
    """What we use of Hatch's application, and of hatchling's."""

    def display_warning(self, message: str, /) -> Any:
        """Show a warning."""

    def display_info(self, message: str, /) -> Any:
        """Show a line, unless the user wants quiet."""

    def abort(self, message: str, /, code: int) -> Any:
        """Show an error and end the process."""


def line_reporter(host: Host, verbosity: int) -> LineReporter:
    """Return a reporter that says everything through *host*."""
    from venvlayers.report import Kind, LineReporter  # noqa: PLC0415 - a warm run says nothing

    def write(kind: Kind, message: str) -> None:
        if kind is Kind.WARNING:
            host.display_warning(f"warning: {message}")
        else:
            host.display_info(message)

    return LineReporter(write, verbosity=verbosity)


@contextmanager
def failures(host: Host) -> Iterator[None]:
    """Turn failures that we foresee into a message and an exit code."""
    try:
        yield
    except VenvstacksError as error:
        abort(host, str(error), error.exit_code)
    except KeyboardInterrupt:
        abort(host, "interrupted; earlier outputs are as they were", _INTERRUPTED)


def abort(host: Host, message: str, code: int) -> NoReturn:
    """End the process with a message and an exit code."""
    host.abort(message, code=code)
    raise SystemExit(code)  # not reached: abort exits, but is not typed so
