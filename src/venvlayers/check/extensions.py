"""Which files are named like extension modules, and which of those a Python imports."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

_TAGGED = re.compile(
    r"\.(cpython-\d+\w*|pypy\d+-\w+|graalpy\d*-\w+|abi3t?|cp\d+\w*)(-[\w-]+)?\.(so|pyd)", re.ASCII
)
"""What the names of extension modules for a certain Python end with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """A file that is named like an extension module, and lies where modules are imported from.

    Attributes:
        path: The file, relative to the environment.
        stem: The path without what the name ends with.
        tagged: Whether its name says what Python it is for; else it can be any library.
        importable: Whether the layer's Python imports a file with such a name.
    """

    path: str
    stem: str
    tagged: bool
    importable: bool

    @property
    def name(self) -> str:
        """The last part of the module's name."""
        return self.stem.rpartition("/")[2]


def find_extensions(
    paths: Iterable[str], places: Sequence[str], suffixes: Sequence[str]
) -> Iterator[Extension]:
    """Yield the extension modules among *paths*, judged by their names.

    Args:
        paths: Files, relative to the environment, with ``/``.
        places: The directories on Python's path that have some, each with a ``/`` at its end.
        suffixes: What the names end with that the layer's Python imports; the plainest last.
    """
    for path in paths:
        if path.endswith(suffixes[-1]):
            place = next((place for place in places if path.startswith(place)), None)
            if place is not None and (found := _extension(path, place, suffixes)):
                yield found


def _extension(path: str, place: str, suffixes: Sequence[str]) -> Extension | None:
    folder, _, file_name = path[len(place) :].rpartition("/")
    base, dot, ending = file_name.partition(".")
    suffix = dot + ending
    parts = [*folder.split("/"), base] if folder else [base]
    tagged, importable = bool(_TAGGED.fullmatch(suffix)), suffix in suffixes
    if not (tagged or importable) or not all(part.isidentifier() for part in parts):
        return None
    stem = path.removesuffix(suffix)
    return Extension(path=path, stem=stem, tagged=tagged, importable=importable)
