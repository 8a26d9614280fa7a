"""The project in its own layers: from its sources to a deployment that runs elsewhere."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.backends import builds, tell_backend, with_own_backend
from support.command import venvstacks
from support.compare import assert_same_archives
from support.deployments import Deployment, layers
from support.projects import Project
from support.stacks import Messages, run, spec_and_layout
from support.stock import Stock
from venvlayers.develop.environment import make_environment
from venvlayers.develop.record import Wanted, digest
from venvlayers.errors import BuildError, LockError, SpecError
from venvlayers.lock.state import lock_states
from venvlayers.plan import Goal, Need
from venvlayers.report import Kind
from venvlayers.request import LockPolicy
from venvlayers.workflow import Request, preview, requested, stages

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="local runtimes are for Linux")

PACKAGE = """
from importlib.metadata import version

def main():
    import chimney
    print("demo", version("demo"), "on", chimney.__name__)
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "backend.log"


@pytest.fixture
def project(published_project: Project, stock: Stock, log: Path) -> Project:
    """A published stack whose application contains the project, which was not there before."""
    for name in ("chimney", "hat"):
        stock.index.add(name)
    document = published_project.read_pyproject()
    document["project"] |= {
        "dependencies": ["chimney"],
        "optional-dependencies": {"server": ["hat"], "all": ["Demo[server]"]},
    }
    published_project.write_document(document)
    published_project.write("src/demo/__init__.py", PACKAGE)
    published_project.write("top.py", "import demo; demo.main()\n")
    scripts = ["hello = demo:main"]
    with_own_backend(published_project, log, root="src", scripts=scripts)
    return contain(published_project, "applications", extras=["all"])


def contain(project: Project, kind: str, **use: Any) -> Project:
    """Have the first layer of a kind contain the project."""
    stack = project.stack()
    stack[kind][0]["project"] = use or True
    project.set_stack(stack)
    return project


def publish(project: Project, **more: Any) -> Messages:
    messages = Messages()
    run(project, tag_outputs=True, messages=messages, **more)
    return messages


def no_uv(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have every call of uv fail, and return the file that tells of them."""
    program, started = directory / "not-uv", directory / "started"
    program.write_text(f"#!/bin/sh\necho \"$@\" >> '{started}'\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("VENVSTACKS_UV", str(program))
    return started


def test_from_sources_to_a_deployment(
    project: Project, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wheel is built once, and again only for other sources; an equal one changes nothing."""
    before = layers(project.dist)
    first = publish(project)
    assert builds(log) == 1
    assert first.steps("locking") == ["app-top"]
    assert first.steps("publishing") == ["app-top"]
    published = layers(project.dist)
    said = published["app-top"]["project"]
    assert (said["name"], said["version"]) == ("demo", "1.0")
    assert said["hash"].startswith("sha256:")
    assert "project" not in published["base"]
    assert published["base"] == before["base"]

    locked = project.root / "requirements" / "app-top"
    lock = (locked / "pylock.app-top.toml").read_text("utf-8")
    assert '"chimney"' in lock
    assert '"hat"' in lock
    assert "demo" not in lock
    assert "# The project itself" in (locked / "packages-app-top.txt").read_text("utf-8")

    elsewhere = Deployment.unpacked(project.dist, tmp_path / "else where")
    hidden = project.root.rename(tmp_path / "hidden")
    assert elsewhere.python("app-top", "-m", "top").stdout == "demo 1.0 on chimney\n"
    hello = subprocess.run(
        [elsewhere.root / "app-top" / "bin" / "hello"], capture_output=True, text=True, check=True
    )
    assert hello.stdout == "demo 1.0 on chimney\n"
    installed = elsewhere.root / "app-top"
    info = next(installed.rglob("demo-1.0.dist-info"))
    assert {path.name for path in info.iterdir()} == {
        *("INSTALLER", "METADATA", "RECORD", "WHEEL", "entry_points.txt")
    }
    for path in installed.rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            assert str(tmp_path).encode() not in path.read_bytes()
    hidden.rename(project.root)

    with monkeypatch.context() as patch:
        started = no_uv(tmp_path, patch)
        assert publish(project).of_work == []
        assert not started.exists()
    project.write("README.md", "a word\n")
    assert publish(project).steps("publishing") == []
    assert builds(log) == 2
    assert layers(project.dist) == published
    assert publish(project).of_work == []

    project.write("src/demo/more.py", "VALUE = 1\n")
    changed = publish(project)
    assert builds(log) == 3
    assert changed.steps("locking") == []
    assert changed.steps("publishing") == ["app-top"]
    now = layers(project.dist)["app-top"]
    assert now["project"]["hash"] != said["hash"]
    assert now["requirements_hash"] == published["app-top"]["requirements_hash"]
    publish(project, clean=True)
    assert builds(log) == 4, "who asks for all anew gets all anew"


def test_what_a_plan_can_say(project: Project, log: Path) -> None:
    """Showing what there is to do runs no backend, so it depends on what that will make."""
    request = Request(project=project.root, goal=Goal.PUBLISH, output_dir=project.dist)
    publish(project)
    project.write("src/demo/__init__.py", f"{PACKAGE}# edited\n")
    plan = preview(request, Messages().reporter)
    step = plan.step("build", "app-top")
    assert (step.need, step.reason) == (Need.MAYBE, "the project's wheel is to be made first")
    assert plan.step("build", "framework-middle").need is Need.NO
    said = requested(request, Messages().reporter)["layers"]["applications"][0]
    assert "project" not in said, "it is not known"
    assert builds(log) == 1
    with pytest.raises(BuildError, match="app-top is not up to date, and is not to be built"):
        publish(project, build=False)
    publish(project)
    said = requested(request, Messages().reporter)["layers"]["applications"][0]
    assert said["project"]["version"] == "1.0"
    shown = json.loads(venvstacks("show", "--json", cwd=project.root, check=True).stdout)
    assert shown["applications"][0]["project"] == {"extras": ["all"], "is_below": False}
    shown_text = venvstacks("show", cwd=project.root, check=True).stdout
    assert (
        "    app-top\n      starts top\n      the project itself\n      framework-middle\n"
        in shown_text
    )


def test_below_an_application(project: Project, log: Path, stock: Stock, tmp_path: Path) -> None:
    """A framework's project serves the applications on it; an extra is only what that needs."""
    stock.index.add("plugin", requires=["demo>=7"])  # which no index has
    contain(project, "frameworks")
    stack = project.stack()
    stack["applications"][0]["requirements"] = ["roof", "plugin"]
    project.set_stack(stack)
    publish(project)
    assert builds(log) == 1
    made = layers(project.dist)
    assert [name for name, layer in made.items() if "project" in layer] == ["framework-middle"]
    here = Deployment.unpacked(project.dist, tmp_path / "there")
    code = "import demo, hat, plugin; print(demo.__file__)"
    printed = here.python("app-top", "-c", code)
    assert printed.stdout.startswith(str(here.root / "framework-middle")), printed.stderr
    locks = spec_and_layout(project)[1].pylock("app-top").read_text("utf-8")
    assert "hat" in locks
    assert "chimney" not in locks, "it is below"


def test_a_script_of_the_project_starts_an_application(project: Project, tmp_path: Path) -> None:
    """Its launcher is in the place of the package's own; without the project it cannot start."""
    project.set_project(scripts={"hello": "demo:main"})
    stack = project.stack()
    application = stack["applications"][0]
    del application["launch_module"]
    application |= {"name": "hello", "launch": "hello"}
    project.set_stack(stack)
    assert publish(project).of(Kind.WARNING) == [], "both do the same"
    there = Deployment.unpacked(project.dist, tmp_path / "there").root / "app-hello"
    started = subprocess.run([there / "bin" / "hello"], capture_output=True, text=True, check=True)
    assert started.stdout == "demo 1.0 on chimney\n"
    (record,) = there.rglob("demo-1.0.dist-info/RECORD")
    assert "bin/hello" not in record.read_text("utf-8")

    del application["project"]
    project.set_stack(stack)
    with pytest.raises(BuildError, match="app-hello cannot launch 'demo:main': none of") as caught:
        publish(project)
    assert "`project = true` adds all" in str(caught.value.hint)


def test_clones_give_equal_layers(project: Project, tmp_path: Path) -> None:
    """Wherever they are, and although the backend leaves order and times to chance."""
    publish(project)
    clone = Project(tmp_path / "a clone" / "of it")
    shutil.copytree(
        project.root, clone.root, ignore=shutil.ignore_patterns("_build", "dist"), symlinks=True
    )
    for file in (clone.root / "src").rglob("*.py"):
        file.chmod(0o600)
    publish(clone)
    for layer in layers(project.dist).values():
        name = layer["archive_name"]
        assert_same_archives(project.dist / name, clone.dist / name)


def test_what_the_backend_computes(project: Project, log: Path, stock: Stock) -> None:
    """Dependencies that only the backend knows are locked; that asks it once for its sources."""
    document = project.read_pyproject()
    for key in ("dependencies", "optional-dependencies"):
        del document["project"][key]
    document["project"]["dynamic"] = ["dependencies", "optional-dependencies"]
    project.write_document(document)
    metadata = [
        ("Requires-Dist", "chimney"),
        ("Provides-Extra", "server"),
        ("Requires-Dist", "hat; sys_platform != 'win32' and extra == 'server'"),
        ("Provides-Extra", "all"),
        ("Requires-Dist", "demo[server]; extra == 'all'"),
        ("Provides-Extra", "other"),
        ("Requires-Dist", "nowhere-to-be-had; extra == 'other'"),
    ]
    tell_backend(project, metadata=metadata)
    spec, layout = spec_and_layout(project)
    assert (
        lock_states(spec, layout)["app-top"].outdated == "the project's wheel is to be made first"
    )
    outcome = run(project, Goal.LOCK)
    assert builds(log) == 1
    assert outcome.plan.step("lock", "app-top").need is Need.YES
    declared = layout.declared("app-top").read_text("utf-8")
    assert declared.splitlines() == ["roof", "chimney", 'hat; sys_platform != "win32"']
    publish(project)
    assert builds(log) == 1
    shutil.rmtree(project.root / "_build" / ".project")
    publish(project, lock=LockPolicy.NEVER)
    assert builds(log) == 2, "a fresh checkout has to ask, and finds its locks valid"
    tell_backend(project, metadata=metadata[1:])
    with pytest.raises(LockError, match=r"locks would change.*\n  - app-top: its requirements ch"):
        publish(project, locked=True)
    assert builds(log) == 3
    contain(project, "applications", extras=["servr"])
    with pytest.raises(SpecError, match=r"makes no extra 'servr' \(did you mean 'server'\?\)"):
        publish(project)


def test_sources_beside_locks(project: Project, log: Path) -> None:
    """What a project has in `requirements` itself counts; what we write there does not."""
    project.write("requirements/base.txt", "chimney\n")
    publish(project)
    made = builds(log)
    publish(project, lock=LockPolicy.ALWAYS)
    assert builds(log) == made
    project.write("requirements/base.txt", "chimney\nhat\n")
    publish(project)
    assert builds(log) == made + 1


def test_archives_with_and_without_platform_in_turns(project: Project) -> None:
    """Hatch and the command, each with its usual names and place, leave the other's in place."""
    own = project.root / "_artifacts"
    publish(project)
    run(project, output_dir=own)
    for more in ({"tag_outputs": True}, {"output_dir": own}):
        assert {layer.reused for layer in run(project, **more).published} == {True}


def test_a_versioned_layer_counts_changes_of_code(project: Project, log: Path) -> None:
    """Its number is that of its lock, which does not change with the words about the code."""
    stack = project.stack()
    stack["applications"][0]["versioned"] = True
    project.set_stack(stack)

    def target() -> str:
        return str(layers(project.dist)["app-top"]["install_target"])

    publish(project)
    assert (target(), builds(log)) == ("app-top@2", 1)
    tell_backend(project, metadata=[("Summary", "another")])
    publish(project)
    assert (target(), builds(log)) == ("app-top@2", 2)
    project.write("src/demo/more.py", "VALUE = 1\n")
    publish(project)
    assert (target(), builds(log)) == ("app-top@3", 3)
    assert publish(project).of_work == []


def test_a_hook_that_writes_sources(project: Project, log: Path) -> None:
    """What a build writes is no reason for the next one, even where it differs each time."""
    tell_backend(project, writes={"src/demo/_version.py": "VERSION = 1\n"})
    publish(project)
    assert builds(log) == 2, "the second time to see that it stays"
    assert publish(project).of_work == []
    (project.root / "src" / "demo" / "_version.py").unlink()
    assert publish(project).steps("publishing") == []
    tell_backend(project, writes={"src/demo/_version.py": "VERSION = {now}\n"})
    publish(project)
    asked = builds(log)
    assert publish(project).of_work == []
    assert builds(log) == asked


def test_what_git_ignores_and_the_wheel_has(project: Project, log: Path) -> None:
    """Generated files: seen when they change, unless the build itself wrote them."""
    (project.root / ".git").mkdir()
    project.write(".gitignore", "*.txt\n_version.py\n/_build/\n")
    project.write("src/demo/page.txt", "one")
    project.write("notes.txt", "not of the wheel")
    tell_backend(project, writes={"src/demo/_version.py": "VERSION = {now}\n"})
    publish(project)
    assert builds(log) == 1
    project.write("notes.txt", "still not")
    assert publish(project).of_work == []
    project.write("src/demo/page.txt", "two")
    assert publish(project).steps("publishing") == ["app-top"]
    assert builds(log) == 2
    (project.root / "src" / "demo" / "page.txt").unlink()
    assert publish(project).steps("publishing") == ["app-top"]
    assert publish(project).of_work == []


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=b"]
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)


def test_a_version_that_git_tells(project: Project, log: Path) -> None:
    document = project.read_pyproject()
    del document["project"]["version"]
    document["project"]["dynamic"] = ["version"]
    project.write_document(document)
    project.write(".gitignore", "/_build/\n/dist/\n")
    tell_backend(project, version="git")
    git(project.root, "init")
    git(project.root, "add", ".")
    git(project.root, "commit", "-m", "first")
    git(project.root, "tag", "1.0")

    def version() -> str:
        return str(layers(project.dist)["app-top"]["project"]["version"])

    publish(project)
    publish(project)
    git(project.root, "add", ".")
    git(project.root, "commit", "-m", "locked")
    publish(project)
    assert version().startswith("1.0+1.g")
    git(project.root, "tag", "1.1")
    asked = builds(log)
    publish(project)
    assert (version(), builds(log)) == ("1.1", asked + 1)
    git(project.root, "pack-refs", "--all")
    publish(project)
    assert (version(), builds(log)) == ("1.1", asked + 1)
    lock = spec_and_layout(project)[1].pylock("app-top").read_text("utf-8")
    assert "1.1" not in lock


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            {"fail": "no compiler"},
            r"the wheel of demo cannot be built by the project's build backend\n(.*\n)*.*no compil",
        ),
        (
            {"tag": "cp39-cp39-win32"},
            r"demo-1.0-cp39-cp39-win32.whl, which .* made, does not run with Python 3",
        ),
        (
            {"metadata": [["Requires-Python", "<3"]]},
            r"app-top has Python 3.*, and demo requires <3\nhint: choose another `python_impl",
        ),
    ],
)
def test_what_cannot_be_built(project: Project, said: dict[str, Any], expected: str) -> None:
    """One clear error, and what was there before stays."""
    before = layers(project.dist)
    tell_backend(project, **said)
    with pytest.raises(BuildError, match=expected) as caught:
        publish(project)
    assert caught.value.exit_code == 5
    assert layers(project.dist) == before


def test_what_a_layer_below_has_from_an_index(project: Project, stock: Stock) -> None:
    stock.index.add("demo", "0.9")
    stack = project.stack()
    stack["frameworks"][0]["requirements"] = ["storey", "demo"]
    project.set_stack(stack)
    with pytest.raises(LockError, match=r"framework-middle has demo==0.9"):
        publish(project)


def test_in_development_its_sources_are_found_where_the_backend_found_them(
    project: Project, log: Path, tmp_path: Path
) -> None:
    """An edit is seen at once, wherever a backend is told that the package is."""
    (project.root / "src").rename(project.root / "lib")
    tell_backend(project, root="lib")
    place = tmp_path / "environment"
    wanted = Wanted(project=project.pyproject, env_name="app-top")
    make_environment(wanted, place, Messages().reporter)
    fresh = digest(place, wanted)
    project.write("lib/demo/__init__.py", PACKAGE.replace('"demo",', '"edited",'))
    python = place / "bin" / "python"
    printed = subprocess.run([python, "-m", "top"], capture_output=True, text=True, check=False)
    assert printed.stdout == "edited 1.0 on chimney\n", printed.stderr
    assert digest(place, wanted) == fresh
    assert builds(log) == 1


def test_sources_that_cannot_be_read(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(project)
    module = project.write("src/demo/secret.py", "")
    real = Path.open

    def closed(path: Path, *arguments: Any, **more: Any) -> Any:
        if path == module:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *arguments, **more)

    monkeypatch.setattr(Path, "open", closed)  # root may read everything
    with pytest.raises(
        BuildError, match=r"the project cannot be read: Permission denied: .*secret"
    ):
        publish(project)


def test_sources_that_change_while_a_versioned_layer_is_locked(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its number must not be given to something else than it was made for."""
    stack = project.stack()
    stack["applications"][0]["versioned"] = True
    project.set_stack(stack)
    real = stages.wheel_to_build_with

    def edited(run: Any) -> Any:
        project.write("src/demo/later.py", "VALUE = 1\n")
        return real(run)

    monkeypatch.setattr(stages, "wheel_to_build_with", edited)
    with pytest.raises(BuildError, match="app-top was edited while it was built"):
        publish(project)
