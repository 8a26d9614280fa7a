"""Patterns for the ends of paths, as specifications have them."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath


def matches_end(path: PurePosixPath, pattern: str) -> bool:
    """Tell whether the end of *path* matches a pattern, in which ``**`` stands for directories.

    A leading dot is matched as any other character.
    """
    parts, patterns = path.parts, PurePosixPath(pattern).parts
    return any(_matches(parts[start:], patterns) for start in range(len(parts)))


def _matches(parts: Sequence[str], patterns: Sequence[str]) -> bool:
    if not patterns:
        return not parts
    if patterns[0] == "**":
        return any(_matches(parts[skip:], patterns[1:]) for skip in range(len(parts) + 1))
    first = bool(parts) and fnmatchcase(parts[0], patterns[0])
    return first and _matches(parts[1:], patterns[1:])
