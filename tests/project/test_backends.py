"""The wheels of build backends that people use, made as they would be made for a layer."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from support.backends import require_backend
from venvlayers.errors import BuildError
from venvlayers.project.model import ProjectPlace, ProjectWheel
from venvlayers.project.record import current_wheel, forget, read_record
from venvlayers.project.wheel import WheelMaker, build_wheel, read_wheel
from venvlayers.uv import find_uv

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="modes are compared")

FRONT = '[project]\nname = "Demo-It"\nversion = "1.0"\ndescription = "x"\ndependencies = ["idna"]\n'
BACKENDS = {
    "hatchling": ("hatchling.build", '[tool.hatch.build]\npackages = ["src/demo_it"]\n'),
    "setuptools": ("setuptools.build_meta", ""),
    "flit-core": ("flit_core.buildapi", '[tool.flit.module]\nname = "demo_it"\n'),
    "poetry-core": ("poetry.core.masonry.api", ""),
    "pdm-backend": ("pdm.backend", ""),
}


def pyproject(backend: str, front: str = FRONT) -> str:
    module, more = BACKENDS[backend]
    return f'{front}[build-system]\nrequires = ["{backend}"]\nbuild-backend = "{module}"\n{more}'


def place(root: Path, **more: bool) -> ProjectPlace:
    store = root / "_build" / ".project"
    return ProjectPlace(root=root, name="demo-it", store=store, outputs=(root / "_build",), **more)


def built(where: ProjectPlace, wheels: Path) -> ProjectWheel:
    settings = {"no-index": True, "find-links": [str(wheels)]}
    uv = find_uv()
    maker = WheelMaker(uv=uv, work_dir=where.store.with_name("work"), settings=settings)
    return build_wheel(where, maker)


def listed(root: Path) -> set[str]:
    paths = (path for path in root.rglob("*") if "_build" not in path.parts)
    return {str(path.relative_to(root)) for path in paths if path.is_file()}


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_wheel_made_twice_installs_the_same(tmp_path: Path, backends: Path, backend: str) -> None:
    """Elsewhere, with other times and modes, and without what was removed since."""
    require_backend(backends, backend)
    first = tmp_path / "first"
    for name, text in (("__init__", "X = 1\n"), ("old", "Y = 1\n")):
        (first / "src/demo_it").mkdir(parents=True, exist_ok=True)
        (first / f"src/demo_it/{name}.py").write_text(text)
    (first / "pyproject.toml").write_text(pyproject(backend))
    before = listed(first)
    wheel = built(place(first), backends)
    assert (wheel.name, wheel.version, wheel.requires) == ("demo-it", "1.0", ("idna",))
    assert wheel.is_pure
    left = {path for path in listed(first) - before if not path.startswith(".pdm-build")}
    assert not left, "but for what one backend keeps for itself, and has git ignore"
    assert current_wheel(place(first)) == wheel

    second = shutil.copytree(first, tmp_path / "second place", ignore=lambda *_: {"_build"})
    for path in second.rglob("*.py"):
        path.chmod(0o664)
        os.utime(path, (1e9, 1e9))
    again = built(place(second), backends)
    assert (again.content_hash, again.code_hash) == (wheel.content_hash, wheel.code_hash)

    (first / "src/demo_it/old.py").unlink()
    assert current_wheel(place(first)) is None
    less = built(place(first), backends)
    with zipfile.ZipFile(less.path) as archive:
        assert not any("old" in name for name in archive.namelist())
    assert less.content_hash != wheel.content_hash


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=b"]
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)


HATCH_VCS = """
[project]
name = "demo-it"
dynamic = ["version"]
[build-system]
requires = ["hatchling", "hatch-vcs"]
build-backend = "hatchling.build"
[tool.hatch.version]
source = "vcs"
[tool.hatch.build.hooks.vcs]
version-file = "demo_it/_version.py"
[tool.hatch.build.hooks.custom]
"""
HOOK = """
from pathlib import Path
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

class Hook(BuildHookInterface):
    def initialize(self, version, build_data):
        made = Path(self.root, "demo_it", "page.txt")
        made.write_text(Path(self.root, "page.in").read_text().upper())
        build_data["artifacts"].append("demo_it/page.txt")
"""


def test_hatch_vcs_and_build_hooks(
    tmp_path: Path, backends: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flat layout, with a version of git's, and files that the build makes."""
    require_backend(backends, "hatch-vcs", "setuptools-scm")
    root = tmp_path / "checkout"
    (root / "demo_it").mkdir(parents=True)
    (root / "demo_it/__init__.py").write_text("from ._version import version\n")
    (root / "pyproject.toml").write_text(HATCH_VCS)
    (root / "hatch_build.py").write_text(HOOK)
    (root / "page.in").write_text("page")
    (root / ".gitignore").write_text("_version.py\npage.txt\n_build/\n")
    git(root, "init")
    git(root, "add", ".")
    git(root, "commit", "-m", "first")
    git(root, "tag", "v1.2")
    where = place(root, reads_git=True)
    monkeypatch.setenv("HATCH_BUILD_CLEAN", "1")  # of the `hatch build` that this may run in
    monkeypatch.setenv("HATCH_BUILD_HOOKS_ONLY", "1")
    wheel = built(where, backends)
    assert wheel.version == "1.2"
    with zipfile.ZipFile(wheel.path) as archive:
        assert archive.read("demo_it/page.txt") == b"PAGE"
        assert b"1.2" in archive.read("demo_it/_version.py")
    assert (root / "demo_it/_version.py").exists(), "as it is after every build with this hook"
    record = read_record(where)
    assert record is not None
    assert record.generated == ("demo_it/_version.py", "demo_it/page.txt")
    assert record.roots == ("",)
    assert current_wheel(where) == wheel

    (root / "README.md").write_text("x")
    git(root, "add", ".")
    git(root, "commit", "-m", "second")
    assert current_wheel(where) is None
    assert built(where, backends).version.startswith("1.3.dev1+g")
    git(root, "tag", "v1.3")
    assert built(where, backends).version == "1.3"
    monkeypatch.setenv("SETUPTOOLS_SCM_PRETEND_VERSION", "9")
    assert current_wheel(where) is None
    assert built(where, backends).version == "9"


def test_a_record_counts_only_while_its_wheel_is_there(tmp_path: Path, backends: Path) -> None:
    (tmp_path / "demo_it.py").write_text("")
    (tmp_path / "pyproject.toml").write_text(pyproject("setuptools"))
    require_backend(backends, "setuptools")
    where = place(tmp_path)
    wheel = built(where, backends)
    record = where.store / "record.json"
    text = record.read_text()
    for damaged in (
        "",
        "[]",
        "{}",
        text.replace("1.0", "1.1"),
        text.replace('version": 1', 'v": 1'),
    ):
        record.write_text(damaged)
        assert read_record(where) is None
    record.write_text(text)
    assert read_record(where) is not None
    wheel.path.write_bytes(b"")
    assert read_record(where) is None
    built(where, backends)
    forget(where)
    assert current_wheel(where) is None
    forget(where)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "is no wheel"),
        ({"x.dist-info/METADATA": "Name: x\n"}, "is no wheel"),
        ({"x.dist-info/METADATA": "Name: x\nVersion: 1\n"}, "which is not demo-it"),
    ],
)
def test_something_else(tmp_path: Path, files: dict[str, str], message: str) -> None:
    made = tmp_path / "x-1-py3-none-any.whl"
    with zipfile.ZipFile(made, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    with pytest.raises(BuildError, match=message):
        read_wheel(made, "demo-it")
    made.write_bytes(b"no zip")
    with pytest.raises(BuildError, match="is no wheel"):
        read_wheel(made, "demo-it")


def test_a_backend_that_is_nowhere(
    tmp_path: Path, backends: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text(
        pyproject("hatchling").replace("hatchling", "hatchlong")
    )
    with pytest.raises(BuildError, match=r"(?s)cannot be built by .*hatchlong.*`uv build --wheel`"):
        built(place(tmp_path), backends)
    monkeypatch.setenv("UV_FIND_LINKS", str(backends))
    with pytest.raises(BuildError, match=r"UV_FIND_LINKS in the environment is not heeded here"):
        built(place(tmp_path), backends)


def test_where_its_modules_came_from(tmp_path: Path, backends: Path) -> None:
    """Wherever the backend was told to look, and whatever else looks like them."""
    require_backend(backends, "setuptools")
    for name in ("lib/demo_it/__init__.py", "lib/demo_it/a.py", "old/demo_it/__init__.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "py").mkdir()
    (tmp_path / "py" / "single.py").write_text("X = 1\n")
    where = '[tool.setuptools]\npackages = ["demo_it"]\npy-modules = ["single"]\n'
    where += '[tool.setuptools.package-dir]\ndemo_it = "lib/demo_it"\nsingle = "py"\n"" = "py"\n'
    (tmp_path / "pyproject.toml").write_text(pyproject("setuptools") + where)
    built(place(tmp_path), backends)
    record = read_record(place(tmp_path))
    assert record is not None
    assert record.roots == ("lib/", "py/")
