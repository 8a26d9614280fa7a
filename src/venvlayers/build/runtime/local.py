"""Runtime layers from an interpreter that is already on this machine.

For machines that cannot fetch one. The layer runs from anywhere, on machines
that have the same system libraries (OpenSSL, SQLite, ...) as this one: an
interpreter made by pyenv or a distribution is linked to those.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from venvlayers.build.runtime import records
from venvlayers.build.runtime.found import LocalPython
from venvlayers.build.runtime.source import RuntimeContext
from venvlayers.errors import PythonUnavailableError
from venvlayers.lock.model import PythonPin
from venvlayers.platforms import Platform, host_platform
from venvlayers.report import Kind
from venvlayers.spec.model import PythonRequest

if TYPE_CHECKING:
    from venvlayers.build.runtime.candidates import Survey


class LocalSource:
    """The runtime source ``local``.

    Args:
        search: Yields the programs to consider, instead of `candidates.search`.
    """

    name = "local"

    def __init__(self, search: Callable[[RuntimeContext], Iterator[Path]] | None = None) -> None:
        self._search = search

    def find(
        self, request: PythonRequest, platforms: tuple[Platform, ...], context: RuntimeContext
    ) -> PythonPin:
        """Return the newest release on this machine that *request* admits.

        The pin serves this machine's platform only.

        Raises:
            PythonUnavailableError: There is none, or the layer is for other machines.
        """
        here = _supported_host()
        if here not in platforms:
            raise PythonUnavailableError(
                f"a Python of this machine serves only {here}, and the layer is for"
                f" {_names(platforms)}"
            )
        survey = self._look(context)
        for python in survey.pythons:
            if request.admits(python.interpreter):
                self._warn_of_others(here, platforms, context)
                return python.pin(self.name)
        raise _not_here(str(request), survey)

    def fingerprint(self, pin: PythonPin, platform: Platform, context: RuntimeContext) -> str:
        """Return a text that changes when the pinned interpreter is replaced.

        Raises:
            PythonUnavailableError: It is not on this machine.
        """
        return f"local:{pin.version}\n{self._pinned(pin, platform, context).stamp()}"

    def materialize(
        self, pin: PythonPin, platform: Platform, destination: Path, context: RuntimeContext
    ) -> None:
        """Fill *destination* with a relocated copy of the pinned interpreter.

        Raises:
            PythonUnavailableError: It is not on this machine.
            BuildError: It cannot be made relocatable.
        """
        from venvlayers.build.runtime.relocated import copy_relocated  # noqa: PLC0415 - if any

        python = self._pinned(pin, platform, context)
        copy_relocated(python, platform, destination, context.work_dir)

    def _look(self, context: RuntimeContext) -> Survey:

        from venvlayers.build.runtime.candidates import search, survey  # noqa: PLC0415 - rarely

        found = survey((self._search or search)(context), context)
        try:
            records.remember(found.pythons)
        except OSError as error:
            context.reporter.say(Kind.DETAIL, f"this machine's Pythons are not remembered: {error}")
        return found

    def _pinned(self, pin: PythonPin, platform: Platform, context: RuntimeContext) -> LocalPython:
        here = _supported_host()
        if platform != here:
            raise PythonUnavailableError(
                f"{pin} was found on a machine, which serves only {here}",
                lacking=(platform.name,),
                hint='set `runtime-source = "managed"` and lock again, which fetches a Python for'
                " each platform; where that is not to be had, name a mirror in"
                " UV_PYTHON_INSTALL_MIRROR",
            )
        if (known := records.recall(pin)) and known.interpreter == pin.interpreter:
            return known
        found = self._look(context)
        for python in found.pythons:
            if python.interpreter == pin.interpreter:
                return python
        raise _not_here(_exact(pin), found)

    def _warn_of_others(
        self, here: Platform, platforms: tuple[Platform, ...], context: RuntimeContext
    ) -> None:
        if others := [platform for platform in platforms if platform != here]:
            context.reporter.say(
                Kind.WARNING,
                f"the runtime will be copied from this machine, and can only be built for {here};"
                f" not for {_names(others)}",
            )


def _supported_host() -> Platform:
    if sys.platform != "linux":
        raise PythonUnavailableError(
            f'`runtime-source = "local"` is not supported on {sys.platform} yet, only on Linux'
        )
    try:
        return host_platform()
    except LookupError as error:
        raise PythonUnavailableError(str(error)) from error


def _names(platforms: tuple[Platform, ...] | list[Platform]) -> str:
    return ", ".join(platform.name for platform in platforms)


def _exact(pin: PythonPin) -> str:
    """Return *pin* with PyPy's own release, of which several implement one version of Python."""
    release = pin.interpreter.release
    return f"{pin} of PyPy {release}" if release else str(pin)


def _not_here(wanted: str, found: Survey) -> PythonUnavailableError:
    here = ", ".join(f"{_exact(one.pin('local'))} ({one.prefix})" for one in found.pythons)
    return PythonUnavailableError(
        f"{wanted} is not on this machine; it has {here or 'no Python that can be copied'}",
        hint='install that version, set `runtime-source = "managed"`, or lock again for a'
        " version that is here",
        details="\n".join(f"passed over {reason}" for reason in found.passed_over),
    )
