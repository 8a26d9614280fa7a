"""Projects that build backends make wheels of: one of our own, and those that users have.

Ours lies in the project (PEP 517's ``backend-path``), so that no index is asked for it. It
tells of each of its runs in a file, and does what ``backend.json`` says.
"""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from support.projects import Project
from support.wheels import repack

BACKEND = '''
"""A build backend: all Python files of the package, in whatever order and with whatever time."""

import contextlib, json, os, pathlib, time, urllib.error, urllib.request, zipfile

def build_wheel(directory, config_settings=None, metadata_directory=None):
    said = json.loads(pathlib.Path("backend.json").read_text())
    with open(said["log"], "a") as log:
        print("built", file=log)
    if "asks" in said:
        with contextlib.suppress(urllib.error.HTTPError):
            urllib.request.urlopen(said["asks"]).close()
    if "fail" in said:
        raise SystemExit(said["fail"])
    for path, text in said.get("writes", {}).items():
        pathlib.Path(path).write_text(text.replace("{now}", str(time.time_ns())))
    name, version = said["name"], said["version"]
    if version == "git":
        version = os.popen("git describe --tags --dirty").read().strip()
        version = version.replace("-", "+", 1).replace("-", ".")
    tag = said.get("tag", "py3-none-any")
    info = f"{name}-{version}.dist-info"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"{field}: {value}" for field, value in said.get("metadata", [])]
    wheel = ["Wheel-Version: 1.0", "Generator: ours", "Root-Is-Purelib: true", f"Tag: {tag}"]
    files = {f"{info}/METADATA": lines, f"{info}/WHEEL": wheel}
    if "scripts" in said:
        files[f"{info}/entry_points.txt"] = ["[console_scripts]", *said["scripts"]]
    files = {path: "\\n".join([*text, ""]).encode() for path, text in files.items()}
    root = pathlib.Path(said.get("root", "."))
    for path in (root / name).rglob("*"):
        if path.suffix in (".py", ".txt"):
            files[path.relative_to(root).as_posix()] = path.read_bytes()
    record = [f"{path},," for path in (*files, f"{info}/RECORD")]
    files[f"{info}/RECORD"] = "\\n".join([*record, ""]).encode()
    file = f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(pathlib.Path(directory, file), "w") as archive:
        for path, content in files.items():
            archive.writestr(zipfile.ZipInfo(path, time.localtime()[:6]), content)
    return file
'''


def with_own_backend(project: Project, log: Path, **said: Any) -> Project:
    """Have *project* built by a backend that lies in it.

    Args:
        project: The project; its name has to be that of a package.
        log: The file in which the backend tells of its runs.
        said: More of what the backend is told: ``version``, ``metadata``, ``tag``, ``root``,
            ``scripts``, ``writes``, ``asks`` (an address) or ``fail``.
    """
    document = project.read_pyproject()
    document["build-system"] = {
        "requires": [],
        "build-backend": "own_backend",
        "backend-path": ["build_tools"],
    }
    project.write_document(document)
    project.write("build_tools/own_backend.py", BACKEND)
    return tell_backend(project, log=str(log), name=document["project"]["name"], **said)


def tell_backend(project: Project, **said: Any) -> Project:
    """Tell a project's own backend more, or something else."""
    file = project.root / "backend.json"
    before = json.loads(file.read_text("utf-8")) if file.exists() else {"version": "1.0"}
    file.write_text(json.dumps({**before, **said}), "utf-8")
    return project


def builds(log: Path) -> int:
    """Return how often a project's own backend ran."""
    return len(log.read_text("utf-8").splitlines()) if log.exists() else 0


@pytest.fixture(scope="session")
def backends(wheelhouse: Path) -> Path:
    """Give a directory of wheels with the build backends that are installed here."""
    directory = wheelhouse.with_name("backends")
    with FileLock(directory.with_suffix(".lock")):
        if not directory.exists():
            directory.mkdir()
            for name in ("hatch-vcs", "setuptools-scm", "setuptools", "vcs-versioning"):
                _pack(name, directory)
            for name in ("flit-core", "poetry-core", "pdm-backend", "typing-extensions"):
                _pack(name, directory)
            for wheel in wheelhouse.glob("*.whl"):
                (directory / wheel.name).hardlink_to(wheel)
    return directory


def _pack(name: str, directory: Path) -> None:
    try:
        repack(distribution(name), directory)
    except PackageNotFoundError:
        return  # whoever wants it says that it is missing


def require_backend(directory: Path, *names: str) -> None:
    """Skip a test for which a backend is not installed here."""
    for name in names:
        if not any(directory.glob(f"{name.replace('-', '_')}-*.whl")):
            pytest.skip(f"{name} is not installed")
