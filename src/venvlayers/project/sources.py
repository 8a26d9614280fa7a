"""What a project's wheel is made from: which files those are, and their digest.

They are the files below the project's directory except what git ignores, caches, virtual
environments, and what we or a build backend put there. Ignored files that got into the
wheel (generated ones) are looked at too. Files are hashed anew if their status changed
since they were hashed, as git does it.

This runs when nothing is to be done, so nothing is imported here that costs time.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from venvlayers.files import Status, file_status, settles_at, sha256_file, sha256_json
from venvlayers.ignore import IgnoreRules, rules_above
from venvlayers.project.git import git_state
from venvlayers.project.model import ProjectPlace

_NO_SOURCES = frozenset({".git", ".hg", ".svn", "__pycache__", "node_modules"})
_NO_SOURCE_SUFFIXES = (".pyc", ".pyo", ".egg-info")
_MARKS = ("pyvenv.cfg", "CACHEDIR.TAG", "__venvstacks__")
"""What is in a virtual environment, a cache (bford.info/cachedir) and a directory of outputs."""

VARIABLES = (
    "HATCH_BUILD_HOOK_ENABLE_*",
    "HATCH_BUILD_HOOKS_ENABLE",
    "HATCH_BUILD_NO_HOOKS",
    "PDM_BUILD_*",
    "POETRY_DYNAMIC_VERSIONING_*",
    "SETUPTOOLS_SCM_*",
    "SOURCE_DATE_EPOCH",
    "VCS_VERSIONING_*",
)
"""Variables by which users tell build backends what to do."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file.

    Attributes:
        hash: ``sha256:<hex>`` of its content.
        executable: Whether its owner may run it.
        status: What told that it did not change; None if its times cannot be relied on.
    """

    hash: str
    executable: bool
    status: Status | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What a wheel is made from.

    Attributes:
        files: The source files, by path relative to the project, with ``/``.
        generated: Those that are ignored, and got into the wheel.
        circumstances: What else it depends on: commit and tags, variables.
    """

    files: Mapping[str, SourceFile]
    generated: Mapping[str, SourceFile | None] = field(default_factory=dict)
    circumstances: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """``sha256:<hex>`` of all that."""
        listed = [
            [path, file and [file.hash, file.executable]]
            for path, file in sorted({**self.files, **self.generated}.items())
        ]
        return sha256_json([listed, dict(self.circumstances)])

    @property
    def known(self) -> Mapping[str, SourceFile]:
        """Every file that was hashed."""
        return {path: file for path, file in {**self.generated, **self.files}.items() if file}


def read_sources(
    place: ProjectPlace,
    *,
    known: Mapping[str, SourceFile] | None = None,
    generated: Iterable[str] = (),
) -> Sources:
    """Return what a wheel would be made from now.

    Args:
        place: The project.
        known: Files that were hashed before; content is read where their status changed.
        generated: Ignored files to look at; there may be none at a path.

    Raises:
        OSError: A file cannot be read.
    """
    before = known or {}
    files = {path: _hashed(file, before.get(path)) for path, file in source_files(place)}
    return Sources(
        files=files,
        generated={
            path: _hashed(os.fspath(file), before.get(path))
            if (file := place.root / path).is_file()
            else None
            for path in generated
            if path not in files
        },
        circumstances=_circumstances(place),
    )


def _circumstances(place: ProjectPlace) -> dict[str, str | None]:
    found = {name: value for name, value in os.environ.items() if _counts(name)}
    return {**found, "git": git_state(place.root)} if place.reads_git else {**found}


def _counts(name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in VARIABLES)


def _hashed(file: str, before: SourceFile | None) -> SourceFile:
    status = file_status(file)
    if before is not None and before.status == status:
        return before
    fresh = time.time_ns() <= settles_at(status)
    executable = sys.platform != "win32" and os.access(file, os.X_OK)
    return SourceFile(sha256_file(Path(file)), executable, None if fresh else status)


def source_files(place: ProjectPlace) -> Iterator[tuple[str, str]]:
    """Yield the source files of a project: relative to it, with ``/``, and where each is."""
    made = (*place.outputs, place.root / "dist")
    outputs = frozenset(os.fspath(path) for path in made if not place.root.is_relative_to(path))
    # Patterns hold outside of a checkout too: backends heed them in an unpacked archive.
    rules = rules_above(place.root)
    rules = rules if rules.files is not None else IgnoreRules(())
    return _below(place.root, "", rules, outputs)


def _below(
    directory: Path, prefix: str, rules: IgnoreRules, outputs: frozenset[str]
) -> Iterator[tuple[str, str]]:
    rules = rules.inside(directory)
    with os.scandir(directory) as listing:
        entries = sorted(listing, key=lambda entry: entry.name)
    if prefix and any(entry.name in _MARKS for entry in entries):
        return
    for entry in entries:
        path, is_dir = entry.path, entry.is_dir()
        if _is_no_source(entry.name) or path in outputs or rules.ignores(path, is_dir=is_dir):
            continue
        if not is_dir and entry.is_file():
            yield f"{prefix}{entry.name}", path
        elif is_dir and not (entry.is_symlink() and _leads_up(Path(path))):
            yield from _below(Path(path), f"{prefix}{entry.name}/", rules, outputs)


def _leads_up(link: Path) -> bool:
    """Tell whether a link leads to a directory that it is in, however that was come to."""
    return link.resolve() in {parent.resolve() for parent in link.parents}


def _is_no_source(name: str) -> bool:
    # What we fill before it is put in its place is called .venvstacks-...
    ours = name.startswith(".venvstacks-")
    return ours or name in _NO_SOURCES or name.endswith(_NO_SOURCE_SUFFIXES)
