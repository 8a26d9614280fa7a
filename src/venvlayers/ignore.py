"""Which files of a project's modules do not ship: bytecode, git's own, and what git ignores.

The rules of ``.gitignore`` files hold in a checkout, nested ones included; neither the
user's own ignore file nor ``.git/info/exclude``, because the same has to ship from
every clone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from venvlayers.values import frozen

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec


_BYTECODE = (".pyc", ".pyo")


@frozen(kw_only=False)
class _File:
    """One ``.gitignore``: the directory that it is in, and its patterns."""

    directory: Path
    patterns: GitIgnoreSpec

    def relative(self, path: str) -> str:
        """Return a path below it as the patterns are written: relative to it, with ``/``."""
        return path[len(os.path.join(self.directory, "")) :].replace(os.sep, "/")  # noqa: PTH118


@frozen(kw_only=False)
class IgnoreRules:
    """The rules that hold in one directory.

    Attributes:
        files: Those of the checkout that it is in, outermost first; None outside of one.
    """

    files: tuple[_File, ...] | None = None

    def inside(self, directory: Path) -> IgnoreRules:
        """Return the rules for what is in *directory*, which these are the rules above."""
        # A file in worktrees and submodules, a directory otherwise.
        above = () if (directory / ".git").exists() else self.files
        if above is None:
            return IgnoreRules()
        own = _read(directory / ".gitignore")
        return IgnoreRules((*above, _File(directory, own)) if own else above)

    def leaves_out(self, path: Path, *, is_dir: bool) -> bool:
        """Tell whether *path* does not ship, if not for a directory that it is in."""
        name = path.name
        if name == "__pycache__" or name.startswith(".git") or name.endswith(_BYTECODE):
            return True
        return self.ignores(path, is_dir=is_dir)

    def ignores(self, path: Path | str, *, is_dir: bool) -> bool:
        """Tell whether git would ignore *path*, if not for a directory that it is in."""
        for file in reversed(self.files or ()):  # of 10,000 files: hence strings
            relative = file.relative(os.fspath(path))
            verdict = _verdict(file.patterns, f"{relative}/" if is_dir else relative)
            if verdict is not None:
                return verdict
        return False


def _verdict(patterns: GitIgnoreSpec, path: str) -> bool | None:
    """Return what the last pattern that matches *path* says; None if none does.

    `GitIgnoreSpec.check_file` lets a pattern that matches a directory speak for all that is
    in it. For git a pattern only speaks for what it matches: ``!keep`` takes nothing back
    of what ``*.log`` ignores in ``keep``.
    """
    for pattern in reversed(list(patterns.patterns)):
        if pattern.include is None:
            continue
        found = pattern.match_file(path)
        match = found.match if found else None
        # The only group is the end of a directory's name.
        if match and (match.lastgroup is None or match.end(match.lastgroup) == len(path)):
            return bool(pattern.include)
    return None


def rules_above(module: Path) -> IgnoreRules:
    """Return the rules that come from above a module's directory.

    A module that is itself ignored, because it is generated, say, was named nevertheless:
    rules from above do not apply to it.
    """
    rules = IgnoreRules()
    for directory in _checkout_above(module):
        if rules.ignores(directory, is_dir=True):
            return IgnoreRules(())
        rules = rules.inside(directory)
    return IgnoreRules(()) if rules.ignores(module, is_dir=True) else rules


def _checkout_above(path: Path) -> Iterator[Path]:
    """Yield the directories from the top of the checkout that *path* is in down to it."""
    tops = [parent for parent in path.parents if (parent / ".git").exists()]
    if tops:
        yield from (parent for parent in reversed(path.parents) if parent.is_relative_to(tops[0]))


def _read(file: Path) -> GitIgnoreSpec | None:
    try:
        lines = file.read_text("utf-8", errors="surrogateescape").splitlines()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None
    from pathspec import GitIgnoreSpec  # noqa: PLC0415 - costs 20 ms to import

    def is_valid(line: str) -> bool:
        try:
            GitIgnoreSpec.from_lines([line])
        except ValueError:
            return False  # as git does, without a word
        return True

    return GitIgnoreSpec.from_lines([line for line in lines if is_valid(line)])
