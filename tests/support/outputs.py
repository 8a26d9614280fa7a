"""What earlier runs left for the user, and checking that a failure leaves it alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from support.projects import Project


def outputs(project: Project) -> dict[str, bytes | None]:
    """Return the content of every file of a project's locks and ``dist``; None for directories."""
    roots = (project.dist, project.root / "requirements")
    return {
        path.relative_to(project.root).as_posix(): path.read_bytes() if path.is_file() else None
        for root in roots
        for path in root.rglob("*")
    }


@contextmanager
def unchanged(project: Project) -> Iterator[None]:
    """Check that locks and published files are the same afterwards, and nothing is left over."""
    before = outputs(project)
    assert any(name.endswith(".tar.zst") for name in before), "there is something to lose"
    yield
    after = outputs(project)
    assert sorted(after) == sorted(before)
    assert [name for name in before if after[name] != before[name]] == []
    assert leftovers(project) == []


def leftovers(project: Project) -> list[str]:
    """Return the private files of builds that are still there."""
    work = project.root / "_build" / ".work"
    found = [*project.root.rglob(".venvstacks-*"), *project.root.rglob(".pylock*"), *work.glob("*")]
    return [path.relative_to(project.root).as_posix() for path in found]
