"""Interpreters to make layers from, and what a runtime source may use."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support.interpreters import VERSION, Downloads, standalone_downloads
from support.runtime_layers import Installed, Said
from venvlayers.build.runtime.source import RuntimeContext
from venvlayers.platforms import Platform, PythonVersion, host_platform
from venvlayers.report import LineReporter
from venvlayers.spec.model import PythonRequest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if sys.platform != "linux":
        for item in items:
            if item.path.is_relative_to(HERE):
                item.add_marker(pytest.mark.skip(reason="the stand-ins are ELF programs"))


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
def context(tmp_path: Path, said: Said) -> RuntimeContext:
    return RuntimeContext(
        reporter=LineReporter(said, verbosity=1),
        work_dir=tmp_path / "work",
    )


@pytest.fixture
def host() -> Platform:
    return host_platform()


@pytest.fixture
def this_series() -> PythonRequest:
    return PythonRequest(
        implementation="cpython", version=PythonVersion(VERSION.major, VERSION.minor)
    )


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("interpreter") / "installed")


@pytest.fixture
def downloads(tmp_path: Path, archives: Path, monkeypatch: pytest.MonkeyPatch) -> Downloads:
    """Let uv fetch this Python, for all platforms, from this machine."""
    made = standalone_downloads(tmp_path / "downloads", shared=archives)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made
