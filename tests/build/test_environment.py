"""Environments built with the real uv: what gets in, what stays out, what is refused."""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib
import json
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.index import Index
from support.projects import Project
from support.stacks import Messages, run
from venvlayers.build.recorded import recorded_key
from venvlayers.build.sources import module_files, module_hash
from venvlayers.errors import BuildError, PublishError
from venvlayers.files import replace_directory
from venvlayers.layout import Layout
from venvlayers.plan import Goal
from venvlayers.platforms import host_platform
from venvlayers.report import Kind
from venvlayers.selection import Choice
from venvlayers.spec.model import SourceModule

MakeProject = Callable[..., Project]

STACK = """
[[runtimes]]
name = "base"
requirements = {base}

[[applications]]
name = "top"
launch_module = "{launch}"
runtime = "base"
requirements = {top}
"""


def stack(base: str = "[]", top: str = "[]", launch: str = "top.py") -> str:
    return STACK.format(base=base, top=top, launch=launch)


def environment(project: Project, name: str) -> Path:
    return project.root / "_build" / host_platform().name / name


def site_packages(project: Project, name: str) -> Path:
    (found,) = environment(project, name).glob("lib/python*/site-packages")
    return found


def test_x31_a_launch_module_must_not_hide_a_package(
    make_project: MakeProject, index: Index
) -> None:
    index.add("tool")
    below = make_project(
        stack(base='["tool"]', launch="tool.py"), files={"tool.py": ""}, directory="below"
    )
    with pytest.raises(BuildError, match="'tool' of app-top would hide an installed one"):
        run(below, Goal.BUILD)
    same = make_project(
        stack(top='["tool"]', launch="tool.py"), files={"tool.py": ""}, directory="same"
    )
    with pytest.raises(BuildError, match="would hide"):
        run(same, Goal.BUILD)
    assert not environment(same, "app-top").exists()


def test_x8_a_nested_sitecustomize_is_just_a_file(make_project: MakeProject, index: Index) -> None:
    nested = "tool/auto/sitecustomize.py"
    index.add("tool", modules={"tool/__init__.py": "", nested: "raise SystemExit"})
    project = make_project(stack(top='["tool"]'), files={"top.py": ""})
    run(project, Goal.BUILD)
    assert (site_packages(project, "app-top") / nested).is_file()


def test_a_packages_own_sitecustomize_is_kept_and_the_layers_are_there(
    make_project: MakeProject, index: Index
) -> None:
    index.add("ground")
    index.add("tool", modules={"sitecustomize.py": "print('theirs')\n"})
    project = make_project(
        stack(base='["ground"]', top='["tool"]'), files={"top.py": "import ground"}
    )
    messages = Messages()
    run(project, Goal.BUILD, messages)
    assert any("brings its own top-level sitecustomize.py" in w for w in messages.of(Kind.WARNING))
    python = environment(project, "app-top") / "bin" / "python"
    output = subprocess.run([python, "-B", "-m", "top"], capture_output=True, text=True, check=True)
    assert output.stdout == "theirs\n"


def test_203_what_is_hashed_is_what_ships(make_project: MakeProject, index: Index) -> None:
    """#203 #219: caches and git's files are neither hashed nor copied."""
    files = {
        "pkg/__main__.py": "print('pkg')",
        "pkg/data/table.csv": "1,2",
        "pkg/__pycache__/old.pyc": "",
        "pkg/stray.pyc": "",
        "pkg/.gitignore": "*.pyc",
        "pkg/.git/config": "",
    }
    project = make_project(stack(launch="pkg"), files=files)
    module = SourceModule(path=project.root / "pkg")
    before = module_hash(module)
    run(project, Goal.BUILD)
    shipped = site_packages(project, "app-top") / "pkg"
    names = sorted(p.relative_to(shipped).as_posix() for p in shipped.rglob("*") if p.is_file())
    assert names == ["__main__.py", "data/table.csv"]
    assert [place for place, _ in module_files(module)] == [f"pkg/{name}" for name in names]
    assert module_hash(SourceModule(path=shipped)) == before
    project.write("pkg/__pycache__/new.pyc", "")
    assert module_hash(module) == before


def test_x14_hashes_tell_nesting_renaming_and_editing_apart(tmp_path: Path) -> None:
    """#89."""
    seen = set()
    for number, name in enumerate(("x/y/f.py", "x/y-f.py", "xy/f.py", "x/y/g.py")):
        root = tmp_path / str(number) / "pkg"
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text("pass")
        seen.add(module_hash(SourceModule(path=root)))
        (root / name).write_text("stop")
        seen.add(module_hash(SourceModule(path=root)))
        (root / name).chmod(0o755)
        seen.add(module_hash(SourceModule(path=root)))
    assert len(seen) == 12


def test_a_module_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="cannot be read"):
        module_hash(SourceModule(path=tmp_path / "gone.py"))


def test_links_inside_the_project_are_copied_as_files(
    make_project: MakeProject, index: Index
) -> None:
    project = make_project(stack(launch="pkg"), files={"pkg/__main__.py": "", "shared.py": "x = 1"})
    (project.root / "pkg" / "shared.py").symlink_to("../shared.py")
    run(project, Goal.BUILD)
    copied = site_packages(project, "app-top") / "pkg" / "shared.py"
    assert not copied.is_symlink()
    assert copied.read_text() == "x = 1"


def test_103_programs_headers_and_data_land_where_they_belong(
    make_project: MakeProject, index: Index
) -> None:
    """PR #103, and scripts of a runtime layer."""
    index.add(
        "tool",
        entry_points={"tool": "tool:main"},
        modules={"tool.py": "def main(): print('tool')"},
        data={"share/tool/x": "x", "bin/sub/program": "#!/bin/sh\n"},
    )
    project = make_project(stack(base='["tool"]'), files={"top.py": ""})
    run(project, Goal.BUILD)
    base = environment(project, "base")
    assert (base / "share/tool/x").read_text() == "x"
    assert (base / "bin/sub/program").is_file()
    output = subprocess.run([base / "bin" / "tool"], capture_output=True, text=True, check=True)
    assert output.stdout == "tool\n"


def test_headers_of_a_wheel_are_in_a_directory_of_their_own(
    make_project: MakeProject, index: Index
) -> None:
    headers = "tool-1.0.data/headers/tool.h"
    index.add("tool", modules={"tool.py": "", headers: "#define TOOL\n"})
    project = make_project(stack(top='["tool"]'), files={"top.py": ""})
    run(project, Goal.BUILD)
    (header,) = environment(project, "app-top").glob("include/site/python*/tool/tool.h")
    (record,) = site_packages(project, "app-top").glob("tool-1.0.dist-info/RECORD")
    relative = header.relative_to(environment(project, "app-top"))
    assert f"../../../{relative}," in record.read_text("utf-8")


def test_a_wheel_that_was_replaced_after_locking_is_refused(
    make_project: MakeProject, index: Index
) -> None:
    """No hash goes unverified."""
    index.add("tool", modules={"tool.py": "good = 1"})
    project = make_project(stack(base='["tool"]'), files={"top.py": ""})
    run(project, Goal.LOCK)
    lock = project.root / "requirements/base/pylock.base.toml"
    text = lock.read_text("utf-8")
    index.add("tool", modules={"tool.py": "evil = 1"})
    with pytest.raises(BuildError, match="packages of base cannot be installed") as caught:
        run(project, Goal.BUILD)
    assert "hash" in str(caught.value).lower()
    assert lock.read_text("utf-8") == text
    assert not environment(project, "base").exists()


def test_two_packages_that_bring_one_file(make_project: MakeProject, index: Index) -> None:
    index.add("one", data={"lib/odd/file": "1"})
    index.add("two", data={"lib/odd/file": "2"})
    project = make_project(stack(base='["one", "two"]'), files={"top.py": ""})
    run(project, Goal.BUILD)
    assert (environment(project, "base") / "lib/odd/file").read_text() in ("1", "2")


def test_linked_directories_ship_and_count(make_project: MakeProject, index: Index) -> None:
    files = {"pkg/__main__.py": "", "shared/part.py": "x = 1\n"}
    project = make_project(stack(launch="pkg"), files=files)
    (project.root / "pkg" / "linked").symlink_to("../shared", target_is_directory=True)
    module = SourceModule(path=project.root / "pkg")
    before = module_hash(module)
    run(project, Goal.BUILD)
    assert (site_packages(project, "app-top") / "pkg/linked/part.py").read_text() == "x = 1\n"
    project.write("shared/part.py", "x = 2\n")
    assert module_hash(module) != before
    (project.root / "shared" / "loop").symlink_to("../pkg", target_is_directory=True)
    with pytest.raises(BuildError, match="is a link to a directory that it is in"):
        module_hash(module)


def test_x31_shadowing_is_noticed_when_the_layer_below_changes(
    make_project: MakeProject, index: Index
) -> None:
    index.add("tool")
    project = make_project(stack(launch="tool.py"), files={"tool.py": ""})
    run(project, Goal.BUILD)
    changed = project.stack()
    changed["runtimes"][0]["requirements"] = ["tool"]
    project.set_stack(changed)
    with pytest.raises(BuildError, match="would hide"):
        run(project, Goal.BUILD)


def test_x9_an_edit_in_uvs_cache_reaches_no_layer(make_project: MakeProject, index: Index) -> None:
    """Other environments link to the same files, and people edit those."""
    index.add("tool", modules={"tool.py": "print('as published')\n"})
    project = make_project(stack(top='["tool"]'), files={"top.py": ""})
    run(project, Goal.BUILD)
    installed = site_packages(project, "app-top") / "tool.py"
    (cached,) = Path(os.environ["UV_CACHE_DIR"]).glob("archive-v*/*/tool.py")
    cached.write_text("print('edited')\n")
    shutil.rmtree(environment(project, "app-top"))
    messages = Messages()
    run(project, Goal.BUILD, messages)
    assert installed.read_text() == "print('as published')\n"
    (warning,) = [text for text in messages.of(Kind.WARNING) if "uv's cache" in text]
    assert "app-top: in uv's cache, " in warning
    assert "tool.py is not what" in warning


def test_what_was_fetched_once_is_not_asked_for_again(
    make_project: MakeProject, index: Index
) -> None:
    """Where an index forbids or does not mention caching, uv would fetch every time."""
    index.caching = "no-cache"
    index.add("tool")
    project = make_project(stack(top='["tool"]'), files={"top.py": ""})
    run(project, Goal.BUILD)
    index.requests.clear()
    shutil.rmtree(environment(project, "app-top"))
    run(project, Goal.BUILD)
    assert index.requests == []
    assert (site_packages(project, "app-top") / "tool.py").is_file()


def test_what_two_packages_bring_is_that_of_the_first_whatever_uv_did(
    make_project: MakeProject, index: Index
) -> None:
    """uv installs side by side: which one's file is there is chance, and no fault of its cache."""
    script = "#!python\nprint('of aaa')\n"
    index.add("aaa", modules={"shared.py": "of = 'aaa'\n"}, scripts={"prog": script})
    index.add(
        "bbb",
        modules={"shared.py": "of = 'bbb' and 2\n", "bbb.py": ""},
        entry_points={"prog": "bbb:main", "mine": "bbb:main"},
    )
    index.add("ccc", modules={"bbb.py": "of = 'ccc'\n"}, scripts={"mine": "#!python\n"})
    project = make_project(stack(top='["aaa", "bbb", "ccc"]'), files={"top.py": ""})
    messages = Messages()
    run(project, messages=messages)
    site = site_packages(project, "app-top")
    assert (site / "shared.py").read_text() == "of = 'aaa'\n"
    assert (site / "bbb.py").read_text() == ""
    programs = environment(project, "app-top") / "bin"
    assert "print('of aaa')" in (programs / "prog").read_text()
    assert "from bbb import main" in (programs / "mine").read_text()
    warnings = messages.of(Kind.WARNING)
    assert not [text for text in warnings if "uv's cache" in text]
    assert any("both bring a program 'prog': that of aaa stays" in text for text in warnings)
    for name in ("aaa", "bbb"):
        with (site / f"{name}-1.0.dist-info" / "RECORD").open(newline="") as file:
            recorded = {row[0]: row[1] for row in csv.reader(file)}
        digest = hashlib.sha256((site / "shared.py").read_bytes()).digest()
        encoded = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        assert recorded["shared.py"] == f"sha256={encoded}"


def test_a_wheel_whose_record_is_wrong_is_installed_with_a_right_one(
    make_project: MakeProject, index: Index
) -> None:
    wheel = index.add("tool", modules={"tool.py": "pass\n", "other.py": ""})
    spoil_record(wheel, "tool.py")
    project = make_project(stack(top='["tool"]'), files={"top.py": ""})
    run(project)
    record = site_packages(project, "app-top") / "tool-1.0.dist-info" / "RECORD"
    with record.open(newline="") as file:
        recorded = {name: digest for name, digest, _size in csv.reader(file)}
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"pass\n").digest()).decode().rstrip("=")
    assert recorded["tool.py"] == f"sha256={digest}"
    assert recorded["tool-1.0.dist-info/RECORD"] == ""


def spoil_record(wheel: Path, name: str) -> None:
    """Make a wheel's RECORD tell another hash for *name*, as careless repacking does."""
    with zipfile.ZipFile(wheel) as archive:
        contents = {entry: archive.read(entry) for entry in archive.infolist()}
    with zipfile.ZipFile(wheel, "w") as archive:
        for entry, content in contents.items():
            is_record = entry.filename.endswith("/RECORD")
            pattern = rf"(?m)^{re.escape(name)},sha256=[^,]+" if is_record else r"(?!)"
            archive.writestr(entry, re.sub(pattern, f"{name},sha256=AAAA", content.decode()))


def test_an_edited_environment_is_not_published(make_project: MakeProject, index: Index) -> None:
    index.add("tool", modules={"tool.py": "print('as published')\n"})
    project = make_project(stack(top='["tool"]'), files={"top.py": ""})
    run(project, Goal.BUILD)
    installed = site_packages(project, "app-top") / "tool.py"
    installed.unlink()
    installed.write_text("print('as  publishe')\n")
    with pytest.raises(PublishError, match=r"tool\.py is not what was installed") as caught:
        run(project)
    assert str(environment(project, "app-top")) in str(caught.value.hint)
    assert not list(project.dist.glob("*.tar.zst"))
    shutil.rmtree(environment(project, "app-top"))
    run(project)


SUPPORTED = """
import helper, shared.deep, sys

print(helper.NAME, shared.deep.NAME)
"""


def with_support_modules(make_project: MakeProject, *modules: str, **more: object) -> Project:
    project = make_project(stack(**more), files={"top.py": SUPPORTED})  # type: ignore[arg-type]
    table = project.stack()
    table["applications"][0]["support_modules"] = list(modules)
    project.set_stack(table)
    project.write("helper.py", "NAME = 'helper'\n")
    project.write("../shared/deep.py", "NAME = 'deep'\n")
    return project


def metadata(project: Project) -> dict[str, object]:
    (file,) = project.dist.glob("__venvstacks__/env_metadata/app-top*.json")
    read: dict[str, object] = json.loads(file.read_text("utf-8"))
    return read


def test_support_modules_are_importable_and_described(
    make_project: MakeProject, index: Index
) -> None:
    """C7 K28: also from elsewhere than the project; X3: an edit of one is published."""
    project = with_support_modules(make_project, "helper.py", "../shared")
    run(project, Goal.PUBLISH)
    python = environment(project, "app-top") / "bin" / "python"
    command = [python, "-m", "top"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert shown.stdout == "helper deep\n"
    before = metadata(project)
    described = before["app_support_modules"]
    names = {name: project.root / path for name, path in SUPPORT_PATHS.items()}
    assert described == [
        {"name": name, "hash": module_hash(SourceModule(path=path))}
        for name, path in sorted(names.items())
    ]
    project.write("../shared/deep.py", "NAME = 'edit'\n")
    messages = Messages()
    run(project, Goal.PUBLISH, messages)
    assert messages.steps("building") == ["app-top"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert shown.stdout == "helper edit\n"
    after = metadata(project)
    assert after["app_launch_module_hash"] == before["app_launch_module_hash"]
    assert after["app_support_modules"] != described
    assert after["content_hash"] != before["content_hash"]


SUPPORT_PATHS = {"helper": "helper.py", "shared": "../shared"}


def test_x5_a_support_module_that_is_not_declared_any_more_is_gone(
    make_project: MakeProject, index: Index
) -> None:
    project = with_support_modules(make_project, "helper.py", "../shared")
    run(project, Goal.BUILD)
    assert (site_packages(project, "app-top") / "helper.py").is_file()
    table = project.stack()
    table["applications"][0]["support_modules"] = ["../shared"]
    project.set_stack(table)
    run(project, Goal.BUILD)
    assert not (site_packages(project, "app-top") / "helper.py").exists()
    assert (site_packages(project, "app-top") / "shared" / "deep.py").is_file()


@pytest.mark.parametrize("where", ["base", "top"])
def test_x31_a_support_module_must_not_hide_a_package(
    make_project: MakeProject, index: Index, where: str
) -> None:
    """In the application itself, and in a layer below."""
    index.add("helper")
    project = with_support_modules(make_project, "helper.py", "../shared", **{where: '["helper"]'})
    with pytest.raises(BuildError, match="the support module 'helper' of app-top would hide"):
        run(project, Goal.BUILD)


@pytest.mark.parametrize("directory", ["..", "../../precious", "app-top@x", "app-topper", 7, None])
def test_only_a_layers_own_directories_are_recognised(
    make_project: MakeProject, directory: object
) -> None:
    """B8: what a record calls the environment before is removed, so it has to be one."""
    project = make_project(stack(), files={"top.py": ""})
    layout, here = Layout.beside(project.root), host_platform()
    record = layout.environment_record("app-top", here)
    record.parent.mkdir(parents=True)
    precious = project.root / "precious"
    precious.mkdir()
    record.write_text(json.dumps({"directory": directory, "key": "sha256:1"}), "utf-8")
    assert recorded_key(layout, "app-top", here) is None
    run(project, Goal.BUILD)
    assert precious.is_dir()
    assert environment(project, "app-top").is_dir()


def test_b8_the_environment_of_the_number_before_goes(
    make_project: MakeProject, index: Index
) -> None:
    """B8: one environment a layer, named as it is deployed."""
    text = stack().replace("requirements = []", "versioned = true\nrequirements = []")
    project = make_project(text, files={"top.py": "print(1)\n"})
    run(project, Goal.BUILD)
    assert environment(project, "app-top@1").is_dir()
    project.write("top.py", "print(2)\n")
    run(project, Goal.BUILD)
    assert not environment(project, "app-top@1").exists()
    python = environment(project, "app-top@2") / "bin" / "python"
    result = subprocess.run([python, "-m", "top"], capture_output=True, text=True, check=True)
    assert result.stdout == "2\n"


def test_b8_the_name_of_another_layer_is_not_the_number_before(make_project: MakeProject) -> None:
    """B8: a layer that is not versioned any more leaves alone what is called as it was."""
    versioned = stack().replace("requirements = []", "versioned = true\nrequirements = []", 1)
    project = make_project(versioned, files={"top.py": ""})
    run(project, Goal.BUILD)
    assert environment(project, "base@1").is_dir()
    project.set_stack(stack() + '\n[[runtimes]]\nname = "base@1"\nrequirements = []\n')
    run(project, Goal.BUILD, choice=Choice(include=("base@1",)))
    python = environment(project, "base@1") / "bin" / "python"
    before = python.stat().st_ino
    run(project, Goal.BUILD, choice=Choice(include=("base",)))
    assert environment(project, "base").is_dir()
    assert python.stat().st_ino == before


def test_x25_what_a_killed_build_put_in_place_goes_with_the_next_number(
    make_project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B8: a kill between an environment and its key."""
    text = stack().replace("requirements = []", "versioned = true\nrequirements = []")
    project = make_project(text, files={"top.py": "print(1)\n"})

    def killed(new: Path, place: Path) -> None:
        replace_directory(new, place)
        if place.name.startswith("app-top@"):
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("venvlayers.build.environment.replace_directory", killed)
        with pytest.raises(KeyboardInterrupt):
            run(project, Goal.BUILD)
    assert environment(project, "app-top@1").is_dir()
    assert recorded_key(Layout.beside(project.root), "app-top", host_platform()) is None
    project.write("top.py", "print(2)\n")
    run(project, Goal.BUILD)
    assert not environment(project, "app-top@1").exists()
    assert environment(project, "app-top@2").is_dir()


def edit_before(
    monkeypatch: pytest.MonkeyPatch, function: str, file: Path, text: str = "print('edited')\n"
) -> None:
    """Let somebody save a file right before a function is called."""
    module, _, name = function.rpartition(".")
    real = getattr(importlib.import_module(module), name)

    def edited(*args: Any) -> Any:
        file.write_text(text, "utf-8")
        return real(*args)

    monkeypatch.setattr(function, edited)


@pytest.mark.parametrize("name", ["top.py", "helper.py"])
def test_203_a_module_that_is_edited_while_it_is_copied(
    make_project: MakeProject, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """#203: what is recorded is never said of what was copied later."""
    project = with_support_modules(make_project, "helper.py")
    with monkeypatch.context() as patched:
        edit_before(patched, "venvlayers.build.environment.copy_module", project.root / name)
        with pytest.raises(BuildError, match="app-top was edited while it was built"):
            run(project, Goal.BUILD)
    assert not environment(project, "app-top").exists()
    run(project, Goal.BUILD)
    shipped = site_packages(project, "app-top") / name
    assert shipped.read_text("utf-8") == "print('edited')\n"


def test_203_a_module_that_is_edited_between_its_lock_and_its_environment(
    make_project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """#203: the number of a versioned layer stands for what its modules were."""
    text = stack().replace("requirements = []", "versioned = true\nrequirements = []")
    project = make_project(text, files={"top.py": ""})
    with monkeypatch.context() as patched:
        edit_before(patched, "venvlayers.workflow.building.lock_states", project.root / "top.py")
        with pytest.raises(BuildError, match="app-top was edited while it was built"):
            run(project, Goal.BUILD)
    run(project, Goal.BUILD)
    assert environment(project, "app-top@2").is_dir()
