"""The real ``hatch``, run as a user runs it, and without a network.

Hatch installs our plugin into a build environment of its own. What it needs
for that comes from a wheelhouse made once a session: a wheel of this checkout,
and the distributions that it depends on, packed again from where they are
installed here. Hatch's installer finds it by a uv configuration file, which
also names that installer's cache; our own uv calls see neither, because the
plugin drops ``UV_CONFIG_FILE``.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest
import tomli_w
from filelock import FileLock
from packaging.requirements import Requirement

from support.wheels import CannotRepackError, repack
from venvlayers.uv import find_uv

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A run of a program.

    Attributes:
        returncode: Its exit status.
        stdout: What it printed there.
        stderr: And there.
        seconds: How long it took.
    """

    returncode: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def output(self) -> str:
        """Everything that it printed."""
        return self.stdout + self.stderr


@dataclass(frozen=True, slots=True, kw_only=True)
class Hatch:
    """A hatch that is isolated from the user's.

    Attributes:
        environment: Its whole environment.
    """

    environment: Mapping[str, str] = field(repr=False)

    def __call__(
        self,
        *arguments: str,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        check: bool = True,
        options: tuple[str, ...] = (),
    ) -> Result:
        """Run ``hatch *arguments*`` in *cwd*.

        Args:
            arguments: After ``hatch``.
            cwd: The project's directory.
            env: Variables in addition to the isolated environment.
            check: Whether a non-zero exit fails the test.
            options: For the Python that runs it.
        """
        started = time.perf_counter()
        completed = subprocess.run(
            [sys.executable, *options, "-m", "hatch", *arguments],
            cwd=cwd,
            env={**self.environment, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        result = Result(
            returncode=completed.returncode,
            stdout=completed.stdout,
            stderr=completed.stderr,
            seconds=time.perf_counter() - started,
        )
        if check and result.returncode:
            pytest.fail(f"hatch {' '.join(arguments)}: exit {result.returncode}\n{result.output}")
        return result

    def popen(self, *arguments: str, cwd: Path) -> subprocess.Popen[str]:
        """Start ``hatch *arguments*`` in a process group of its own, to be interrupted."""
        return subprocess.Popen(
            [sys.executable, "-m", "hatch", *arguments],
            cwd=cwd,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            start_new_session=True,
        )


@pytest.fixture(scope="session")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the directory of wheels that Hatch's build environments are made of.

    All workers of a session share it.
    """
    directory = _shared(tmp_path_factory) / "wheelhouse"
    with FileLock(directory.with_suffix(".lock")):
        finished = directory / "finished"
        if not finished.exists():
            try:
                _fill(directory)
            except CannotRepackError as error:
                pytest.skip(f"the wheelhouse for hatch cannot be made: {error}")
            finished.touch()
    return directory


def _shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture
def hatch(
    wheelhouse: Path,
    isolated: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Hatch:
    """Give an isolated hatch.

    Its build environment outlives the test: Hatch finds the next one's requirements
    satisfied, as it would on a user's second run. It is the worker's own.
    """
    if importlib.util.find_spec("hatch") is None:
        pytest.skip("hatch is not installed")
    configuration = {
        "no-index": True,
        "find-links": [str(wheelhouse)],
        "cache-dir": str(wheelhouse.with_name("hatch-uv-cache")),
    }
    (isolated / "uv.toml").write_text(tomli_w.dumps(configuration), "utf-8")
    (isolated / "hatch.toml").touch()
    # The variable would win over the file; the plugin's own uv has its cache below XDG_CACHE_HOME.
    monkeypatch.delenv("UV_CACHE_DIR")
    private = {
        "HOME": isolated / "home",
        "USERPROFILE": isolated / "home",
        "LOCALAPPDATA": isolated / "home",
        "XDG_CACHE_HOME": isolated / "home" / "cache",
        "UV_CONFIG_FILE": isolated / "uv.toml",
        # Without it, Hatch before 1.16 uses pip, which takes seconds each time.
        "HATCH_ENV_TYPE_VIRTUAL_UV_PATH": find_uv().path,
        "HATCH_CONFIG": isolated / "hatch.toml",
        "HATCH_DATA_DIR": isolated / "hatch-data",
        "HATCH_CACHE_DIR": isolated / "hatch-cache",
        "HATCH_ENV_TYPE_VIRTUAL_PATH": tmp_path_factory.getbasetemp() / "hatch-build",
    }
    (isolated / "home").mkdir()
    fixed = {"NO_COLOR": "1", "COLUMNS": "120", "HATCH_PYTHON": sys.executable}
    paths = {name: str(path) for name, path in private.items()}
    return Hatch(environment={**os.environ, **paths, **fixed})


def _fill(directory: Path) -> None:
    directory.mkdir(exist_ok=True)
    _build_checkout(directory)
    for installed in _closure("hatch-venvstacks"):
        repack(installed, directory)
    with suppress(PackageNotFoundError):  # Hatch before 1.16 wants it for every build
        repack(distribution("editables"), directory)


def _build_checkout(directory: Path) -> None:
    """Build this checkout's wheel; hatchling writes nothing outside *directory*."""
    completed = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)],
        cwd=CHECKOUT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if completed.returncode:
        pytest.fail(f"the wheel of this checkout cannot be built\n{completed.stderr}")


def _closure(name: str) -> list[Distribution]:
    """Return what *name* depends on, directly or not, as it is installed here."""
    found: dict[str, Distribution] = {}
    waiting = [Requirement(text) for text in _requirements(name, set())]
    while waiting:
        requirement = waiting.pop()
        if requirement.name not in found:
            found[requirement.name] = _installed(requirement.name)
            more = _requirements(requirement.name, requirement.extras)
            waiting += [Requirement(text) for text in more]
    return list(found.values())


def _requirements(name: str, extras: set[str]) -> list[str]:
    def wanted(requirement: Requirement) -> bool:
        marker = requirement.marker
        return marker is None or any(marker.evaluate({"extra": e}) for e in ("", *extras))

    texts = _installed(name).requires or []
    return [text for text in texts if wanted(Requirement(text))]


def _installed(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError as error:
        raise CannotRepackError(f"{name} is not installed") from error
