"""Which runtime source serves a layer: what the user insists on, or the best there is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from venvlayers.build.runtime.source import RuntimeContext, RuntimeSource
from venvlayers.errors import PythonUnavailableError
from venvlayers.lock.model import PythonPin
from venvlayers.platforms import Platform
from venvlayers.report import Kind, LineReporter
from venvlayers.spec.model import PythonRequest, RuntimeSourceChoice
from venvlayers.uv import MIRRORS

_PATIENCE = 1
"""Retries before falling back, where a server was reached: uv's own three cost 7 s."""

_NO_ADDRESS = "dns error"
"""What uv's HTTP library calls a host without an address, on every system: there is no network,
or no way out of it, and asking again costs 2 s to hear the same."""


def find_python(
    request: PythonRequest,
    platforms: tuple[Platform, ...],
    choice: RuntimeSourceChoice,
    sources: Mapping[str, RuntimeSource],
    context: RuntimeContext,
) -> PythonPin:
    """Return the exact Python that a runtime layer will have, and where from.

    Args:
        request: What the layer asks for.
        platforms: What it is made for.
        choice: Whether a source is insisted upon.
        sources: The sources by name; ``managed`` and ``local`` must be there.
        context: What sources may use; warnings go to its reporter.

    Raises:
        PythonUnavailableError: No source that may be used has it.
    """
    if choice is not RuntimeSourceChoice.AUTO:
        return sources[choice.value].find(request, platforms, context)
    try:
        return _managed(request, platforms, sources["managed"], context)
    except PythonUnavailableError as error:
        return _fall_back(request, platforms, sources["local"], context, error)


def _managed(
    request: PythonRequest,
    platforms: tuple[Platform, ...],
    managed: RuntimeSource,
    context: RuntimeContext,
) -> PythonPin:
    """Return what the managed source finds, without much patience."""
    try:
        return managed.find(request, platforms, replace(context, retries=0))
    except PythonUnavailableError as error:
        if _NO_ADDRESS in (error.details or ""):
            raise
    return managed.find(request, platforms, replace(context, retries=_PATIENCE))


def _fall_back(
    request: PythonRequest,
    platforms: tuple[Platform, ...],
    local: RuntimeSource,
    context: RuntimeContext,
    reason: PythonUnavailableError,
) -> PythonPin:
    told: list[tuple[Kind, str]] = []  # what it says makes sense after the reason
    listener = LineReporter(lambda kind, text: told.append((kind, text)), verbosity=2)
    try:
        pin = local.find(request, platforms, replace(context, reporter=listener))
    except PythonUnavailableError as error:
        raise _neither(request, reason, error) from error
    context.reporter.say(
        Kind.WARNING,
        f"{_short(reason)}.\n"
        f"Using a copy of {pin} from this machine instead: the layer will need this machine's"
        " kind of system libraries (glibc, OpenSSL, SQLite, ...) wherever it runs.\n"
        'Set `runtime-source = "managed"` to fail instead, or "local" to copy without asking.',
    )
    for kind, text in told:
        context.reporter.say(kind, text)
    return pin


def _neither(
    request: PythonRequest, managed: PythonUnavailableError, local: PythonUnavailableError
) -> PythonUnavailableError:
    reasons = list(dict.fromkeys([managed.message, local.message]))
    listed = "".join(f"\n  - {reason}" for reason in reasons)
    details = "\n".join(error.details for error in (managed, local) if error.details)
    return PythonUnavailableError(
        f"{request} is not to be had{listed}",
        details=details,
        hint="install that version on this machine, see to the connection, or name a mirror in"
        f" {MIRRORS[request.implementation]}",
    )


def _short(error: PythonUnavailableError) -> str:
    """Return the error in one line: of a tool's chain of causes, the last, without addresses."""
    causes = re.split(r"^\s*(?:cause|Caused by):", error.details or "", flags=re.MULTILINE)
    last = re.sub(r"\(?(?:from )?`?https?://\S+", "", " ".join(causes[-1].split()))
    return f"{error.message} ({' '.join(last.split())})" if last else error.message
