"""An interpreter on this machine, as it was found; nothing is looked for or started here."""

from __future__ import annotations

import os
from pathlib import Path

from venvlayers.lock.model import PythonPin
from venvlayers.platforms import Interpreter
from venvlayers.values import frozen

SYSTEM_PREFIXES = frozenset({"/", "/usr", "/usr/local"})
"""Prefixes shared with other programs: files may name them and mean something else."""


@frozen
class LocalPython:
    """An interpreter on this machine that can become a layer.

    Attributes:
        interpreter: What it is, exactly.
        executable: The program itself, not a link to it.
        prefix: The directory that everything of it is below.
        stdlib: Its standard library.
        multiarch: Debian's name for the architecture; empty elsewhere.
        debian: Whether Debian changed where it looks for packages.
    """

    interpreter: Interpreter
    executable: Path
    prefix: Path
    stdlib: Path
    multiarch: str
    debian: bool

    @property
    def preference(self) -> tuple[bool, str]:
        """Sorts interpreters of one version: the system's own last, then by path."""
        return os.fspath(self.prefix) in SYSTEM_PREFIXES, os.fspath(self.prefix)

    def pin(self, source: str) -> PythonPin:
        """Return what a lock says of it when *source* found it."""
        python = self.interpreter
        return PythonPin(
            implementation=python.implementation,
            version=python.version,
            source=source,
            build=python.release,
        )

    def libraries(self) -> list[Path]:
        """Return the shared libraries that are the interpreter, by name; there may be none.

        PyPy's is beside its program, or where a distribution has its libraries.
        """
        lib, name = self.prefix / "lib", self.interpreter.shared_library
        places = [lib, self.executable.parent, lib / self.multiarch]
        return sorted({path for place in dict.fromkeys(places) for path in place.glob(name)})

    def stamp(self) -> str:
        """Return what changes when the interpreter is replaced.

        Raises:
            FileNotFoundError: It is not there any more.
        """
        stats = [(path, path.stat()) for path in (self.executable, *self.libraries())]
        return "\n".join(f"{path} {stat.st_size} {stat.st_mtime_ns}" for path, stat in stats)
