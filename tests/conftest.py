"""Fixtures for every test: nothing from outside reaches a test, and nothing leaves it."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.index import Index
from support.projects import Project

pytest_plugins = ("support.backends", "support.hatch", "support.stock", "support.uploads")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell lets what it starts in the background ignore Ctrl-C, and so would what a test starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)

_DROPPED = (
    "UV_",
    "PIP_",
    "VENVSTACKS_",
    "HATCH_",
    "XDG_",
    "VIRTUAL_ENV",
    "SOURCE_DATE_EPOCH",
    "GITHUB_",
)
_NOBODY = "http://127.0.0.1:9"  # the discard port: nothing listens there


@pytest.fixture(autouse=True)
def isolated(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """Give the test an environment of its own; the value is the directory of its caches.

    Whoever asks for a host other than this one is sent to a proxy that is not
    there, so that a test that needs the network fails on a machine that has it.
    """
    for name in list(os.environ):
        if name.upper().startswith(_DROPPED) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, _NOBODY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("TERM", "xterm")  # a job's may be "dumb", which shows no progress
    caches = tmp_path_factory.mktemp("caches")
    monkeypatch.setenv("UV_CACHE_DIR", str(caches / "uv"))
    monkeypatch.setenv("VENVSTACKS_CACHE_DIR", str(caches / "venvstacks"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")  # a server that was told to fail will not recover
    yield caches
    shutil.rmtree(caches, ignore_errors=True)  # pytest keeps the directories of three sessions


@pytest.fixture
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """Give an empty package index."""
    with Index(tmp_path_factory.mktemp("index")) as served:
        yield served


@pytest.fixture
def make_project(tmp_path: Path, index: Index) -> Callable[..., Project]:
    """Give a function that writes a project; arguments as for `Project.create`."""

    def make(stack: Any, *, directory: str = "project", **more: Any) -> Project:
        return Project.create(tmp_path / directory, stack, **{"index": index, **more})

    return make


@pytest.fixture
def small_project(tmp_path: Path, index: Index) -> Project:
    """Give a project of three layers with a package each, all in `index`."""
    return Project.small(tmp_path / "project", index)


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Give the directory where all workers share archives of interpreters made at test time."""
    base = tmp_path_factory.getbasetemp()
    return (base if worker_id == "master" else base.parent) / "standalone-archives"
