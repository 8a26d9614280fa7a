"""``venvstacks init``: a first stack, and not a byte of the rest disturbed."""

from __future__ import annotations

import os
import stat
import sys
import tomllib
from pathlib import Path

import pytest

from support.command import venvstacks
from support.index import Index
from support.projects import Project
from venvlayers.edit.edit import add_first_table, write_standalone
from venvlayers.edit.guess import guess
from venvlayers.errors import SpecError
from venvlayers.platforms import host_platform
from venvlayers.spec.parse import load
from venvlayers.uv import find_uv

RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
PROJECT = '[project]\nname = "demo-app"\ndependencies = ["ground>=1"]\n'


def project(root: Path, text: str = PROJECT, *modules: str) -> Path:
    root.mkdir(exist_ok=True)
    (root / "pyproject.toml").write_bytes(text.encode())
    for module in modules:
        (root / module).parent.mkdir(parents=True, exist_ok=True)
        (root / module).write_text("print('ran')\n")
    return root


@pytest.mark.parametrize(
    "text",
    [
        *("", "\n", "# only a comment", PROJECT, PROJECT.rstrip("\n"), f"{PROJECT}\n\n\n"),
        *(PROJECT.replace("\n", "\r\n"), f"{PROJECT}# the end", f"{PROJECT}\n# one\n\n# two\n"),
        *("tool.other.x = 1\n", "tool.other.x = 1\n[project]\nname='x'", "[tool]\n", "[tool.uv]\n"),
        *('[tool.x]\ntext = """\n[tool.venvstacks]\n"""\n', "[[tool.y]]\na=1\n[tool.y.z]\n"),
        *("[tool.'x'] # \u00e4\u00f6\u00fc\nk = '\u4e2d'\n", "x = [\n  1, # one\n]\n"),
    ],
)
def test_nothing_but_an_insertion_at_the_end(tmp_path: Path, text: str) -> None:
    add_first_table(project(tmp_path, text, "src/demo_app/__main__.py"))
    data = (tmp_path / "pyproject.toml").read_bytes()
    assert data.startswith(text.encode())
    assert (b"\r\n" in data) == ("\r\n" in text)
    assert data.count(b"\n") == data.count(b"\r\n") or "\r\n" not in text
    before, after = tomllib.loads(text), tomllib.loads(data.decode())
    del after["tool"]["venvstacks"]
    assert after == {**before, "tool": before.get("tool", {})}
    assert load(tmp_path).layers


def test_what_is_guessed(tmp_path: Path) -> None:
    root = project(tmp_path, PROJECT, "src/other/__main__.py", "src/demo_app/__main__.py")
    add_first_table(root)
    runtime, app = load(root).layers
    assert (runtime.env_name, str(runtime.python)) == (f"cpython-{RUNNING}", f"cpython@{RUNNING}")
    assert (app.env_name, app.lower) == ("app-demo-app", (runtime.env_name,))
    assert app.requirements == ("ground>=1",)
    assert app.launch_module is not None
    assert app.launch_module.path == root / "src" / "demo_app"


@pytest.mark.parametrize(
    ("requires", "python"),
    [
        *((">=3.9", RUNNING), ("<3.11,>=3.9", "3.10"), ("==3.9.*", "3.9"), (">=4", RUNNING)),
        *(("nonsense", RUNNING), (3, RUNNING), (None, RUNNING)),
    ],
)
def test_the_python_is_one_that_the_project_takes(
    tmp_path: Path, requires: object, python: str
) -> None:
    assert guess({"project": {"requires-python": requires}}, tmp_path).python == python


def programs(directory: Path, *names: str) -> Path:
    directory.mkdir(parents=True)
    for name in names:
        (directory / name).touch()
    return directory


NEWER = {"project": {"requires-python": f">=3.{sys.version_info.minor + 1}"}}


def test_one_that_is_on_this_machine_comes_before_newer_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs are told by their names; shims are there for versions that are not."""
    other, pyenv = sys.version_info.minor + 1, tmp_path / "pyenv"
    shims = programs(pyenv / "shims", "python3.14")
    path = programs(tmp_path / "bin", f"python3.{other}", "python3.99", "python3.x")
    monkeypatch.setenv("PATH", f"{shims}{os.pathsep}{path}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PYENV_ROOT", raising=False)
    monkeypatch.setenv("VENVSTACKS_UV", "not-started")
    assert guess(NEWER, tmp_path).python == f"3.{other}"

    managed = programs(pyenv / "versions" / "3.13.1" / "bin", "python3.13")
    (managed / "python3").symlink_to("python3.13")
    assert guess({"project": {"requires-python": ">=3.13"}}, tmp_path).python == "3.13"


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")
def test_else_the_newest_that_uv_offers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(programs(tmp_path / "bin")))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PYENV_ROOT", raising=False)
    newest = max(one.version for one in find_uv().managed_pythons(host_platform()))
    assert guess(NEWER, tmp_path).python == f"3.{min(newest.minor, 14)}"

    failing = tmp_path / "uv"
    failing.write_text("#!/bin/sh\nexit 1\n")
    failing.chmod(0o755)
    monkeypatch.setenv("VENVSTACKS_UV", str(failing))
    assert guess(NEWER, tmp_path).python == RUNNING


BUILDABLE = """
[build-system]
requires = ["hatchling", "Hatch_VenvStacks>=0.1"]
build-backend = "hatchling.build"

[project]
name = "demo-app"
version = "1"
dependencies = ["ground>=1"]
"""
ONE = '[project.scripts]\ngreet = "demo_app.cli:main"\n'
TWO = f'{ONE}"Demo_App" = "demo_app:run"\n'
FILES = ("src/demo_app/__init__.py",)


@pytest.mark.parametrize(
    ("text", "files", "starts"),
    [
        (BUILDABLE + ONE, FILES, {"launch": "greet"}),
        (BUILDABLE + TWO, ("main.py",), {"launch": "Demo_App"}),
        (BUILDABLE + ONE, ("src/demo_app/__main__.py",), {"launch": "demo_app"}),
        (BUILDABLE, (*FILES, "src/demo_app/__main__.py"), {"launch": "demo_app"}),
        (BUILDABLE, ("demo_app.py", "main.py"), {"launch_module": "main.py"}),
    ],
)
def test_a_project_that_is_built_comes_as_its_wheel(
    tmp_path: Path, text: str, files: tuple[str, ...], starts: dict[str, str]
) -> None:
    """Then its dependencies are not written twice, nor its module copied beside its own."""
    path, found = add_first_table(project(tmp_path, text, *files))
    stack = tomllib.loads(path.read_text())["tool"]["venvstacks"]
    (application,) = stack["applications"]
    assert application == {
        "name": "demo-app",
        "runtime": f"cpython-{RUNNING}",
        "project": True,
        "requirements": [],
        **starts,
    }
    assert f"Runs {'as `python -m main`' if 'launch_module' in starts else '`'}" in path.read_text()
    assert not found.lacks_plugin
    assert load(tmp_path).layer("app-demo-app").project is not None


def test_a_file_of_its_own_cannot_contain_the_project(tmp_path: Path) -> None:
    root = project(tmp_path, BUILDABLE + ONE, "src/demo_app/__main__.py")
    write_standalone(root)
    layer = load(root).layer("app-demo-app")
    assert (layer.project, layer.requirements) == (None, ("ground>=1",))
    assert layer.launch_module is not None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('name = "demo-app"\n', ""),
        ('version = "1"\n', ""),
        ('version = "1"\n', 'dynamic = ["readme"]\n'),
        ('build-backend = "hatchling.build"\n', ""),
        ('["ground>=1"]', '["x @ https://example.invalid/x.git"]'),
        ('["ground>=1"]', '"ground"'),
        ("[project.scripts]", "[project.other]"),
    ],
)
def test_no_wheel_is_counted_on_where_there_may_be_none(tmp_path: Path, old: str, new: str) -> None:
    text = (BUILDABLE + ONE).replace(old, new)
    assert text != BUILDABLE + ONE
    found = guess(tomllib.loads(text), project(tmp_path, text, "main.py"))
    assert (found.project, found.launch, found.launch_module) == (False, None, "main.py")


def test_another_package_is_copied_and_may_be_in_the_wheel(tmp_path: Path) -> None:
    """Both at once would be refused: one would hide the other."""
    root = project(tmp_path, BUILDABLE, *FILES, "src/other/__main__.py")
    found = guess(tomllib.loads(BUILDABLE), root)
    assert (found.project, found.launch_module) == (False, "src/other")
    assert found.requirements == ("ground>=1",)


@pytest.mark.parametrize(
    "scripts",
    ['a = "demo:main"\nb = "demo:main"\n', "a = 1\n", 'a = "demo"\n', '"demo-app" = "a b:c"\n'],
)
def test_a_script_that_is_not_clear_is_not_guessed(tmp_path: Path, scripts: str) -> None:
    text = f"{BUILDABLE}[project.scripts]\n{scripts}"
    found = guess(tomllib.loads(text), tmp_path)
    assert (found.project, found.starts) == (True, None)


def test_it_says_that_the_build_system_lacks_the_plugin(tmp_path: Path) -> None:
    lacking = BUILDABLE.replace(', "Hatch_VenvStacks>=0.1"', "") + ONE
    result = venvstacks("init", cwd=project(tmp_path / "p", lacking, *FILES), check=True)
    assert "application demo-app, which runs greet" in result.stdout
    assert '"hatch-venvstacks" is not in `requires` of [build-system]' in result.stderr
    assert (tmp_path / "p" / "pyproject.toml").read_text().startswith(lacking)
    complete = project(tmp_path / "q", BUILDABLE + ONE, *FILES)
    assert venvstacks("init", cwd=complete, check=True).stderr == ""
    no_list = BUILDABLE.replace('["hatchling", "Hatch_VenvStacks>=0.1"]', "1")
    assert guess(tomllib.loads(no_list), tmp_path).lacks_plugin
    assert guess({"build-system": 1}, tmp_path).lacks_plugin


@pytest.mark.parametrize("document", [{}, {"project": 1}, {"project": {"name": "a/b"}}])
def test_a_project_without_a_usable_name(tmp_path: Path, document: dict[str, object]) -> None:
    assert guess(document, tmp_path).name == "app"


def test_dependencies_that_no_index_has_are_left_out(tmp_path: Path) -> None:
    dependencies = ["good", "x @ https://example.invalid/x.git", "not a requirement", 5]
    assert guess({"project": {"dependencies": dependencies}}, tmp_path).requirements == ("good",)


def test_without_a_module_the_application_is_a_comment(tmp_path: Path) -> None:
    result = venvstacks("init", cwd=project(tmp_path / "p"), check=True)
    (runtime,) = load(tmp_path / "p").layers
    assert f"--runtime {runtime.name}" in result.stderr
    text = (tmp_path / "p" / "pyproject.toml").read_text()
    assert "# [[tool.venvstacks.applications]]\n" in text


def test_what_it_writes_can_be_locked(tmp_path: Path, index: Index) -> None:
    """From a project to locks without an editor."""
    index.add("ground")
    made = Project.create(tmp_path / "project", "", index=index)
    text = made.pyproject.read_text().replace("[tool.venvstacks]\n", "")
    text = text.replace('runtime_source = "local"\n', "")
    text = text.replace('version = "1.0"\n', 'version = "1.0"\ndependencies = ["ground"]\n')
    project(made.root, text, "src/demo/__main__.py")
    venvstacks("init", cwd=made.root, check=True)
    venvstacks("lock", cwd=made.root, check=True)
    lock = made.root / "requirements" / "app-demo" / "pylock.app-demo.toml"
    assert [package["name"] for package in tomllib.loads(lock.read_text())["packages"]] == [
        "ground"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tool.venvstacks]\n", r"tool\.venvstacks: is there already"),
        ("tool.venvstacks.platforms = []\n", r"tool\.venvstacks: is there already"),
        ("tool = {x = 1}\n", "tool: cannot be added to"),
        ("tool = 1\n", "tool: cannot be added to"),
        ("\ufeff[project]\n", "byte-order mark"),
        ("[project\n", "not TOML"),
        ("[tool.uv]\nindex = 5\n", r"tool\.uv\.index"),
    ],
)
def test_what_is_refused_is_left_as_it_was(tmp_path: Path, text: str, message: str) -> None:
    root = project(tmp_path, text)
    with pytest.raises(SpecError, match=message):
        add_first_table(root)
    assert (root / "pyproject.toml").read_bytes() == text.encode()
    assert [path.name for path in root.iterdir()] == ["pyproject.toml"]


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes(b"x = '\xff'")
    with pytest.raises(SpecError, match="not TOML"):
        add_first_table(tmp_path)


def test_a_directory_in_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").mkdir()
    with pytest.raises(SpecError, match="cannot be read"):
        add_first_table(tmp_path)


def test_without_a_pyproject_it_says_what_to_do(tmp_path: Path) -> None:
    result = venvstacks("init", cwd=tmp_path)
    assert result.returncode == SpecError.exit_code
    assert "venvstacks init --standalone" in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_stack_beside_it_is_enough(tmp_path: Path) -> None:
    root = project(tmp_path)
    (root / "venvstacks.toml").write_text("")
    with pytest.raises(SpecError, match=r"venvstacks\.toml: is there already"):
        add_first_table(root)


def test_a_file_of_its_own(tmp_path: Path) -> None:
    root = project(tmp_path, PROJECT, "src/demo_app/__main__.py")
    venvstacks("init", "--standalone", cwd=root, check=True)
    assert (root / "pyproject.toml").read_text() == PROJECT
    assert [layer.env_name for layer in load(root).layers] == [f"cpython-{RUNNING}", "app-demo-app"]
    with pytest.raises(SpecError, match="is there already"):
        write_standalone(root)


def test_one_stack_a_directory(tmp_path: Path) -> None:
    root = project(tmp_path)
    add_first_table(root)
    with pytest.raises(SpecError, match=r"pyproject\.toml: tool\.venvstacks: is there already"):
        write_standalone(root)
    assert not (root / "venvstacks.toml").exists()


def test_a_file_of_its_own_where_there_is_nothing(tmp_path: Path) -> None:
    path, _found = write_standalone(tmp_path)
    assert [layer.env_name for layer in load(path).layers] == [f"cpython-{RUNNING}"]


@pytest.mark.skipif(sys.platform == "win32", reason="modes and links")
def test_permissions_and_links_stay(tmp_path: Path) -> None:
    root = project(tmp_path / "p")
    (root / "pyproject.toml").rename(tmp_path / "real.toml")
    (tmp_path / "real.toml").chmod(0o640)
    (root / "pyproject.toml").symlink_to("../real.toml")
    add_first_table(root)
    assert (root / "pyproject.toml").is_symlink()
    assert stat.S_IMODE((tmp_path / "real.toml").stat().st_mode) == 0o640
    assert load(root).layers


def test_a_directory_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_more: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("venvlayers.edit.file.write_text", refuse)
    monkeypatch.setattr("venvlayers.edit.edit.write_text", refuse)
    root = project(tmp_path)
    for function in (add_first_table, write_standalone):
        with pytest.raises(SpecError, match="cannot be written: Permission denied"):
            function(root)
    assert (root / "pyproject.toml").read_text() == PROJECT
