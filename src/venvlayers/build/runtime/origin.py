"""The place that an interpreter comes from, and how its traces look in files.

Nothing here touches a file: the modules that rewrite text, variables and
binaries all ask the same `Origin` what to look for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from venvlayers.build.runtime.found import SYSTEM_PREFIXES
from venvlayers.values import frozen

PLACEHOLDER = "/install"
"""python-build-standalone's own stand-in for the prefix: a path that exists nowhere."""

_END = r"(?![\w.+-])"
# "/install" is also the end of "/usr/bin/install -c"; as a prefix it begins a word, or
# follows a compiler's -L or -I.
_PLACEHOLDER = rf"(?:(?<=-L)|(?<=-I)|(?<![\w./-])){re.escape(PLACEHOLDER)}{_END}"


@frozen(kw_only=False)
class Origin:
    """Where an interpreter was, and what it was built for.

    Attributes:
        prefixes: Every name of the place, the longest first.
    """

    prefixes: tuple[str, ...]

    @classmethod
    def of(cls, prefixes: Iterable[str | Path]) -> Origin:
        """Return the origin with these names, and with what links make of them."""
        given = [os.fspath(prefix) for prefix in prefixes]
        names = {*map(os.path.normpath, given), *map(os.path.realpath, given)} - {PLACEHOLDER}
        return cls(tuple(sorted(names, key=lambda name: (-len(name), name))))

    @property
    def own(self) -> tuple[str, ...]:
        """The names that mean this interpreter and nothing else."""
        return tuple(name for name in self.prefixes if name not in SYSTEM_PREFIXES)

    @property
    def shared(self) -> tuple[str, ...]:
        """The names that mean the whole system."""
        return tuple(name for name in self.prefixes if name in SYSTEM_PREFIXES)

    def own_pattern(self) -> re.Pattern[str]:
        """Return what finds its own names, and `PLACEHOLDER`, in text."""
        names = [re.escape(name) for name in self.own]
        return re.compile("|".join([*names, _PLACEHOLDER]))

    def shared_pattern(self) -> re.Pattern[str]:
        """Return what finds all its names where they begin a word."""
        names = [rf"(?<![^\s'\"=]){re.escape(name)}{_END}" for name in self.shared]
        return re.compile("|".join([self.own_pattern().pattern, *names]))

    def inside(self, path: str) -> str | None:
        """Return *path* relative to the place, "" for the place; None when it is not below."""
        for name in self.own:
            if path == name or path.startswith(f"{name}/"):
                return path[len(name) + 1 :]
        return None
