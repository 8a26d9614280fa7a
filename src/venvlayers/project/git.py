"""What git knows that a version can come from: the commit and the tags, read without git.

A digest of it changes whenever ``git describe`` might say something else. Whether files
differ from the commit is told by the files.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from venvlayers.files import sha256_json

_TAGS = "refs/tags/"


def git_state(root: Path) -> str | None:
    """Return ``sha256:<hex>`` of the commit and the tags of the checkout that *root* is in.

    None outside of one. Read are ``HEAD``, the branch that it names and all tags, loose and
    packed, also through the ``.git`` file of a worktree or a submodule (gitrepository-layout).
    """
    found = _git_dir(root)
    if found is None:
        return None
    common = found / "commondir"
    shared = found / common.read_text("utf-8").strip() if common.is_file() else found
    head = _text(found / "HEAD")
    branch = head.removeprefix("ref: ") if head.startswith("ref: ") else None
    references = {
        name: commit
        for name, commit in (*_packed(shared), *_loose(shared, branch))
        if name == branch or name.startswith(_TAGS)
    }
    # Of a repository in the newer format: its list of tables changes with every reference.
    tables = _text(shared / "reftable" / "tables.list")
    return sha256_json([head, references, tables])


def _git_dir(root: Path) -> Path | None:
    for directory in (root, *root.parents):
        place = directory / ".git"
        if place.is_dir():
            return place
        if place.is_file():
            return directory / _text(place).removeprefix("gitdir: ")
    return None


def _packed(shared: Path) -> Iterator[tuple[str, str]]:
    for line in _text(shared / "packed-refs").splitlines():
        commit, _, name = line.partition(" ")
        yield name, commit


def _loose(shared: Path, branch: str | None) -> Iterator[tuple[str, str]]:
    tags = shared / _TAGS
    files = sorted(tags.rglob("*")) if tags.is_dir() else []
    for file in (*files, *([shared / branch] if branch else [])):
        if file.is_file():
            yield file.relative_to(shared).as_posix(), _text(file)


def _text(file: Path) -> str:
    return file.read_text("utf-8", errors="replace").strip() if file.is_file() else ""
