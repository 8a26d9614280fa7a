"""Shared libraries that a layer needs and only a layer below has.

The loader does not look for them there yet. So nothing is changed here, and
nothing decided: it is said, for each layer that was built.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from venvlayers.build.binaries import needed_libraries
from venvlayers.build.model import LayerEnvironment

_LIBRARY = re.compile(r".*\.(so|so\.[0-9.]+|dylib)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """A library of a lower layer that an upper one needs.

    Attributes:
        library: Its file name.
        layer: The environment name of the layer that has it.
    """

    library: str
    layer: str

    def warning(self, env_name: str) -> str:
        """Say for people what that means for the layer *env_name*."""
        return (
            f"{env_name} needs {self.library}, which is in {self.layer}: shared libraries are not "
            f"looked for in other layers yet, so unless a package loads it by itself, "
            f"{env_name} has to have it itself"
        )


def libraries_elsewhere(
    environment: LayerEnvironment,
    lower: Iterable[LayerEnvironment],
    excluded: Mapping[str, Sequence[str]],
) -> list[Elsewhere]:
    """Return the libraries that *environment* needs, lacks, and could have from below.

    What is in none of the layers is the system's business. On Windows packages look after
    themselves.

    Args:
        environment: A layer that was built.
        lower: Those below it, in path order.
        excluded: By environment name, patterns for libraries that are not for layers above.
    """
    if environment.platform.is_windows:
        return []
    own = {path.name for path in _shared_objects(environment)}
    needed: set[str] = set()
    for path in _shared_objects(environment):
        needed |= needed_libraries(environment.path / path)
    found: dict[str, str] = {}
    for layer in lower:
        for path in _shared_objects(layer):
            patterns = excluded.get(layer.env_name, ())
            if not any(matches_end(path, pattern) for pattern in patterns):
                found.setdefault(path.name, layer.env_name)
    return [
        Elsewhere(library=name, layer=found[name]) for name in sorted(needed - own) if name in found
    ]


def _shared_objects(environment: LayerEnvironment) -> list[PurePosixPath]:
    return [
        PurePosixPath(file)
        for distribution in environment.distributions
        for file in distribution.files
        if _LIBRARY.fullmatch(file)
    ]


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
