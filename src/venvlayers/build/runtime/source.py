"""What a runtime source is: the contract that `managed`, `local` and plugins keep.

A source finds an exact Python when a stack is locked, and puts it into a
directory when the stack is built. It does not choose between sources (that is
`choose.py`), and it does not install packages.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from venvlayers.lock.model import PythonPin
from venvlayers.platforms import Platform
from venvlayers.report import Reporter
from venvlayers.spec.model import PythonRequest
from venvlayers.values import frozen

if TYPE_CHECKING:
    from venvlayers.uv import Uv


@frozen(slots=False)
class RuntimeContext:
    """What a source may use.

    Attributes:
        reporter: Where to say what happens.
        work_dir: A directory for private files, on the file system of the build;
            what is left in it is removed by the caller.
        retries: How often a failed request is tried again; the source's choice if None.
        named_uv: The uv to use instead of the one that is found.
    """

    reporter: Reporter
    work_dir: Path
    retries: int | None = None
    named_uv: Uv | None = None

    @cached_property
    def uv(self) -> Uv:
        """uv, looked for when it is first needed: in most runs it is not.

        Raises:
            ToolError: There is none.
        """
        from venvlayers.uv import find_uv  # noqa: PLC0415 - as said

        return replace(self.named_uv or find_uv(), reporter=self.reporter)


class RuntimeSource(Protocol):
    """A place that interpreters come from. May be called from several threads."""

    name: str
    """What ``runtime-source`` and locks call it."""

    def find(
        self, request: PythonRequest, platforms: tuple[Platform, ...], context: RuntimeContext
    ) -> PythonPin:
        """Return the newest release that *request* admits, for all of *platforms*.

        The pin of a PyPy has PyPy's own version as its build.

        Raises:
            PythonUnavailableError: It has none; the message says what it has instead.
        """

    def fingerprint(self, pin: PythonPin, platform: Platform, context: RuntimeContext) -> str:
        """Return a text that changes when `materialize` would make something else.

        Called on every build, also when nothing is to be done: at most a few
        milliseconds, and no process unless there is no other way.

        Raises:
            PythonUnavailableError: What was pinned is not there any more.
        """

    def materialize(
        self, pin: PythonPin, platform: Platform, destination: Path, context: RuntimeContext
    ) -> None:
        """Fill *destination*, which does not exist yet, with the pinned Python.

        What it leaves there runs from any place, holds no bytecode, no pip, and no
        trace of where it was made. The same pin gives the same bytes.

        Raises:
            PythonUnavailableError: It cannot be had.
            BuildError: It cannot be made relocatable.
        """
