"""A small stack that is published once a worker, and copies of it for tests to change.

A copy has everything that a first build leaves: locks, environments, archives.
A test that begins with one need not wait for that build.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.index import Index
from support.projects import Project
from support.stacks import run


@dataclass(frozen=True, slots=True)
class Stock:
    """A project that was published, with the index and the caches that it was made from.

    Attributes:
        project: The project; not to be changed.
        index: Its index; what is added to it must not bear on `SMALL_STACK`.
        caches: The variables that name its caches.
    """

    project: Project
    index: Index
    caches: Mapping[str, str]


@contextmanager
def archives_alone(
    root: Path,
    stack: str,
    fill: Callable[[Index], None],
    *,
    files: Mapping[str, str],
    scripts: Mapping[str, str] | None = None,
) -> Iterator[Path]:
    """Publish a stack below *root*, remove everything but the archives, and say where they are.

    Args:
        root: An empty directory; it is removed in the end.
        stack: As for `Project.create`.
        fill: Adds the packages of the stack to an index.
        files: The project's own, by path.
        scripts: Its ``[project.scripts]``.
    """
    with Index(root / "index") as index, pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_CACHE_DIR", str(root / "uv-cache"))
        patch.setenv("VENVSTACKS_CACHE_DIR", str(root / "cache"))
        fill(index)
        project = Project.create(root / "project", stack, index=index, files=files)
        if scripts:
            project.set_project(scripts=scripts)
        run(project)
        project.dist.rename(root / "archives")
        for gone in ("project", "uv-cache", "cache", "index"):
            shutil.rmtree(root / gone, ignore_errors=True)
    yield root / "archives"
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stock]:
    """Publish `SMALL_STACK`."""
    root = tmp_path_factory.mktemp("stock")
    caches = {
        "UV_CACHE_DIR": str(root / "uv-cache"),
        "VENVSTACKS_CACHE_DIR": str(root / "cache"),
    }
    with Index(root / "index") as index, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("VENVSTACKS_", "SOURCE_"))]:
            patch.delenv(name)
        for name, value in caches.items():
            patch.setenv(name, value)
        project = Project.small(root / "project", index)
        run(project, tag_outputs=True)
        patch.undo()
        yield Stock(project, index, caches)
    shutil.rmtree(root, ignore_errors=True)


def _copy(source: str, target: str) -> str:
    """Copy a file of the project; the runtime's, which are many and large, are linked.

    Nothing may write into a file of an environment, or of an archive, that is in place.
    """
    if ("/_build/" in source and "/base/" in source) or source.endswith(".tar.zst"):
        with suppress(OSError):  # the file systems differ
            os.link(source, target, follow_symlinks=False)
            return target
    return shutil.copy2(source, target)


@pytest.fixture
def published_project(
    stock: Stock, tmp_path: Path, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> Project:
    """Give a published project of the test's own; its index and caches are `stock`'s."""
    _use_caches(stock, monkeypatch)
    return _copied(stock, tmp_path)


@pytest.fixture
def unbuilt_project(
    stock: Stock, tmp_path: Path, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> Project:
    """Give the same without environments, as a fresh checkout with old outputs is."""
    _use_caches(stock, monkeypatch)
    return _copied(stock, tmp_path, "_build")


def _use_caches(stock: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in stock.caches.items():
        monkeypatch.setenv(name, value)


def _copied(stock: Stock, directory: Path, *left_out: str) -> Project:
    ignored = shutil.ignore_patterns(*left_out)
    root = shutil.copytree(
        stock.project.root,
        directory / "project",
        symlinks=True,
        ignore=ignored,
        copy_function=_copy,
    )
    return Project(root)
