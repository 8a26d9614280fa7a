"""Runtimes that were made before, kept in the user's cache: making one takes seconds.

What is kept is a whole runtime layer's Python, relocatable and normalised, as its source
made it. It is copied into an environment (by clones where the file system has them), and
never linked: no edit there reaches what is kept. A kept one that was touched does not count.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path

from venvlayers import cloning, process
from venvlayers.build.runtime.source import RuntimeContext, RuntimeSource
from venvlayers.cache.place import make_private, runtimes
from venvlayers.cache.size import cache_limit
from venvlayers.files import private_directory, remove_tree, sealed, sha256_json, write_text
from venvlayers.lock.model import PythonPin
from venvlayers.platforms import Platform
from venvlayers.report import Kind
from venvlayers.values import frozen

_FORMAT = 1
"""Raised when a newer release would make something else of the same interpreter."""
_MOST = 6
"""As many are kept: those that were used last. Each takes 60 to 200 MB."""
_SEAL = ".seal"
_A_DAY = 24 * 3600
"""In seconds; what is younger without a seal may still be written."""


def provide(
    source: RuntimeSource,
    pin: PythonPin,
    platform: Platform,
    destination: Path,
    context: RuntimeContext,
) -> None:
    """Fill *destination*, which does not exist yet, with the pinned Python of *source*.

    Raises:
        PythonUnavailableError: It cannot be had.
        BuildError: It cannot be made relocatable.
        OSError: *destination* cannot be written.
    """
    if not cache_limit():
        source.materialize(pin, platform, destination, context)
        return
    made_of = [_FORMAT, str(pin), pin.source, source.fingerprint(pin, platform, context)]
    key = sha256_json([*made_of, platform.name]).removeprefix("sha256:")
    kept = _Kept(runtimes() / key)
    if kept.copy_to(destination):
        context.reporter.say(Kind.DETAIL, f"{pin} was made before: it is in {kept.place}")
        return
    source.materialize(pin, platform, destination, context)
    with contextlib.suppress(OSError):  # then it is made again next time
        kept.keep(destination)


@frozen(kw_only=False)
class _Kept:
    """A runtime that is kept, or can be, at *place*."""

    place: Path

    @property
    def _seal(self) -> Path:
        return self.place.with_name(f"{self.place.name}{_SEAL}")

    def copy_to(self, destination: Path) -> bool:
        """Copy it, if it is there as it was left; tell whether *destination* has it now."""
        try:
            seal = self._seal.read_text("utf-8")
            if sealed(self.place) != seal:
                return False
            _copy(self.place, destination)
            os.utime(self._seal)
            whole = sealed(self.place) == seal  # else somebody removed it meanwhile
        except OSError:
            whole = False
        if not whole:
            remove_tree(destination)
        return whole

    def keep(self, made: Path) -> None:
        """Keep a copy of what was made, in place of what is there.

        Raises:
            OSError: It cannot be kept.
        """
        make_private(self.place.parent)
        with private_directory(self.place.parent, prefix="new-") as private:
            _copy(made, private / "runtime")
            # Before it is where another process may be removing it, to put its own there.
            seal = str(sealed(private / "runtime"))
            self._seal.unlink(missing_ok=True)
            remove_tree(self.place)
            (private / "runtime").rename(self.place)
            write_text(self._seal, seal)
        _forget_unused(self.place.parent)


def _copy(source: Path, target: Path) -> None:
    """Copy a runtime in a process of its own, as other threads look at what uv installs."""
    # Neither the user's nor the environment's packages are looked for: that takes longer.
    command: list[str | Path] = [sys.executable, "-I", "-S", cloning.__file__, source, target]
    if process.run(command).returncode:
        remove_tree(target)
        cloning.copy_tree(source, target)  # says why it cannot be done, if so


def _forget_unused(directory: Path) -> None:
    """Remove all but those that were used last, and what killed processes left."""
    seals = sorted(directory.glob(f"*{_SEAL}"), key=lambda path: path.stat().st_mtime_ns)
    for seal in seals[:-_MOST]:
        seal.unlink(missing_ok=True)
        remove_tree(seal.with_suffix(""))
    for place in directory.iterdir():
        unsealed = place.is_dir() and not place.with_name(f"{place.name}{_SEAL}").is_file()
        if unsealed and time.time() - place.stat().st_mtime > _A_DAY:
            remove_tree(place)
