"""What git knows that a version can come from: the commit and the tags, read without git.

A digest of it changes whenever ``git describe`` might say something else. Whether files
differ from the commit is told by the files.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from venvlayers.files import sha256_json


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
    branch = head.removeprefix("ref: ") if head.startswith("ref: ") else ""
    listed = [head, _text(shared / branch) if branch else "", list(_packed(shared, branch))]
    # Of a repository in the newer format: its list of tables changes with every reference.
    return sha256_json([*listed, list(_tags(shared)), _text(shared / "reftable" / "tables.list")])


def _git_dir(root: Path) -> Path | None:
    for directory in (root, *root.parents):
        place = directory / ".git"
        if place.is_dir():
            return place
        if place.is_file():
            return directory / _text(place).removeprefix("gitdir: ")
    return None


def _packed(shared: Path, branch: str) -> Iterator[str]:
    for line in _text(shared / "packed-refs").splitlines():
        name = line.partition(" ")[2]
        if name == branch or name.startswith("refs/tags/"):
            yield line


def _tags(shared: Path) -> Iterator[list[str]]:
    tags = shared / "refs" / "tags"
    for file in sorted(tags.rglob("*")) if tags.is_dir() else ():
        if file.is_file():
            yield [file.relative_to(tags).as_posix(), _text(file)]


def _text(file: Path) -> str:
    return file.read_text("utf-8", errors="replace").strip() if file.is_file() else ""
