"""Environments for development: thin, above the layers as they are built."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.index import Index
from support.projects import SMALL_STACK, Project, fill_small_index
from venvlayers.develop.environment import make_environment, remove_environment
from venvlayers.develop.layers import declared_layers
from venvlayers.develop.record import Wanted, digest, read_record
from venvlayers.develop.state import current_record
from venvlayers.errors import BuildError, LockError, SelectionError, SpecError
from venvlayers.platforms import host_platform
from venvlayers.report import silent

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="local runtimes are for Linux")

HERE = host_platform().name if sys.platform == "linux" else ""


def output(program: Path, *arguments: str, cwd: Path) -> str:
    environment = {key: os.environ[key] for key in os.environ if not key.startswith("PYTHON")}
    completed = subprocess.run(
        [program, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


def wanted(project: Project, env_name: str = "app-top") -> Wanted:
    return Wanted(project=project.pyproject, env_name=env_name)


def made(project: Project, place: Path, env_name: str = "app-top") -> Path:
    make_environment(wanted(project, env_name), place, silent())
    return place


def files_below(root: Path) -> dict[str, int]:
    """Return when what is below *root* was changed, but for what Python imports before `site`."""
    paths = (path for path in sorted(root.rglob("*")) if "encodings" not in path.parts)
    return {str(path): path.lstat().st_mtime_ns for path in paths}


def test_sources_are_used_and_nothing_is_written_into_layers(
    published_project: Project, tmp_path: Path
) -> None:
    place = made(published_project, tmp_path / "data" / "app top")
    before = files_below(published_project.root)
    python = place / "bin" / "python"
    assert output(python, "-m", "top", cwd=tmp_path) == "versions: 1.0 1.0 1.0\n"
    assert files_below(published_project.root) == before, "no bytecode either"
    published_project.write("top.py", "import json, sys; print(json.dumps(sys.path))\n")
    path = eval(output(python, "-m", "top", cwd=tmp_path))
    here = published_project.root / "_build" / HERE
    series = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    assert path[-5:] == [
        str(directory)
        for directory in (
            place / series,
            published_project.root,
            *(here / layer / series for layer in ("app-top", "framework-middle", "base")),
        )
    ]
    assert output(python, "-c", "import sys; print(sys.prefix)", cwd=tmp_path) == f"{place}\n"


def test_programs_of_all_layers_run_with_the_sources(tmp_path: Path, index: Index) -> None:
    fill_small_index(index)
    modules = {"tool.py": "def main():\n    import roof, top\n    print('tool', top.VALUE)\n"}
    scripts = {"look": "#!python\nimport sys\nprint(sys.prefix)\n", "plain": "#!/bin/sh\necho hi\n"}
    more = {"also.pth": "import sys; sys.by_pth = 1\n"}
    index.add(
        "tool", modules={**modules, **more}, entry_points={"tool": "tool:main"}, scripts=scripts
    )
    stack = SMALL_STACK.replace('"storey"', '"storey", "tool"')
    files = {"top.py": "VALUE = 1\n"}
    project = Project.create(tmp_path / "project", stack, index=index, files=files)
    place = made(project, tmp_path / "environment")
    assert output(place / "bin" / "tool", cwd=tmp_path) == "tool 1\n"
    project.write("top.py", "import sys\nVALUE = sys.by_pth + 1\n")
    assert output(place / "bin" / "tool", cwd=tmp_path) == "tool 2\n"
    assert output(place / "bin" / "look", cwd=tmp_path) == f"{place}\n"
    assert output(place / "bin" / "plain", cwd=tmp_path) == "hi\n"


def test_every_way_to_start_an_application(published_project: Project, tmp_path: Path) -> None:
    """With the sources first, and again when it is declared otherwise."""
    place = tmp_path / "environment"

    def declared(**launch: Any) -> str | None:
        stack = published_project.stack()
        for key in ("launch", "launch_module", "support_modules"):
            stack["applications"][0].pop(key, None)
        stack["applications"][0] |= launch
        published_project.set_stack(stack)
        made(published_project, place)
        (layer,) = declared_layers(published_project.pyproject)[2:]
        return layer.launch

    code = "import sys\ndef main(): print({}, *sys.argv)\nif __name__ == '__main__': main()\n"
    published_project.write("top.py", code.format("'built'"))
    program, python = place / "bin" / "top", place / "bin" / "python"
    support = {"support_modules": ["top.py"]}
    for launch in (
        {"launch_module": "top.py"},
        {"launch": "top:main", **support},
        {"launch": "top", **support},
    ):
        module = declared(**launch)
        published_project.write("top.py", code.format("'edited'"))
        started = output(python, "-m", str(module), "a b", cwd=tmp_path)
        launched = output(program, "a b", cwd=tmp_path)
        called = program if module != "top" else published_project.root / "top.py"
        assert started == launched == f"edited {called} a b\n"
        published_project.write("top.py", code.format("'built'"))
    before = current_record(wanted(published_project))
    stack = published_project.stack()
    stack["applications"][0]["launch"] = "top:main"
    published_project.set_stack(stack)
    assert current_record(wanted(published_project)).state != before.state


def test_only_what_is_needed_is_built(
    unbuilt_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And for this machine, whatever else is to be published."""
    monkeypatch.setenv("VENVSTACKS_PLATFORMS", "win_amd64,macosx_arm64")
    place = made(unbuilt_project, tmp_path / "environment", "base")
    assert output(place / "bin" / "python3", "-c", "import ground", cwd=tmp_path) == ""
    built = {path.name for path in (unbuilt_project.root / "_build" / HERE).iterdir()}
    assert built == {"base"}
    assert [path.name for path in (unbuilt_project.root / "_build").glob("[a-z]*")] == [HERE]


def test_what_makes_it_outdated(published_project: Project, tmp_path: Path) -> None:
    place = made(published_project, tmp_path / "environment")
    this = wanted(published_project)
    fresh = digest(place, this)
    assert current_record(this) == read_record(place)

    published_project.write("top.py", "print('edited')\n")
    assert digest(place, this) == fresh
    assert current_record(this) == read_record(place)

    document = published_project.pyproject
    text = document.read_text("utf-8")
    document.write_text(f"{text}\n[tool.other]\nkey = 1\n", "utf-8")
    assert digest(place, this) != fresh, "it is looked at"
    assert current_record(this) == read_record(place), "and found to be up to date"
    document.write_text(text, "utf-8")

    stack = published_project.stack()
    stack["frameworks"][0]["requirements"] = ["storey", "ground"]
    published_project.set_stack(stack)
    assert digest(place, this) != fresh
    assert current_record(this) != read_record(place)
    document.write_text(text, "utf-8")
    assert digest(place, this) == fresh

    shutil.rmtree(published_project.root / "_build" / HERE / "base")
    assert digest(place, this) != fresh
    assert current_record(this) != read_record(place)
    made(published_project, place)
    assert current_record(this) == read_record(place)


def test_an_environment_of_an_older_release_is_looked_at(
    published_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may lack what environments have now; with its record nothing else is different."""
    place, this = tmp_path / "environment", wanted(published_project)
    with monkeypatch.context() as older:
        for module in ("record", "state"):
            older.setattr(f"venvlayers.develop.{module}.FORMAT", 1)
        made(published_project, place)
        before = digest(place, this)
    assert digest(place, this) != before
    assert current_record(this) != read_record(place)


def test_a_shell_reads_and_takes_back(published_project: Project, tmp_path: Path) -> None:
    place = made(published_project, tmp_path / "it's an environment")
    script = (
        f'. "{place}/bin/activate"; python -m top; echo "$VIRTUAL_ENV_PROMPT"; deactivate;'
        ' echo "${VIRTUAL_ENV-nothing}"; test "$PATH" = "$BEFORE"'
    )
    before = os.environ["PATH"]
    result = subprocess.run(
        ["bash", "-c", script],
        env={"PATH": before, "BEFORE": before, "PYTHONHOME": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout == "versions: 1.0 1.0 1.0\nit's an environment\nnothing\n"
    assert result.returncode == 0, result.stderr


def test_another_layer_is_another_digest(published_project: Project, tmp_path: Path) -> None:
    place = made(published_project, tmp_path / "environment")
    other = wanted(published_project, "base")
    assert digest(place, other) != digest(place, wanted(published_project))


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"state": 1, "files": 2}'])
def test_a_damaged_record_is_none(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / ".venvstacks.json").write_text(text)
    assert read_record(tmp_path) is None


def test_what_cannot_be_made_says_why(small_project: Project, tmp_path: Path) -> None:
    place = tmp_path / "environment"
    with pytest.raises(SelectionError, match=r"no layer is called 'app-tpo'.*\n.*app-top"):
        made(small_project, place, "app-tpo")
    with pytest.raises(SelectionError, match=r"the layers are base, framework-middle, app-top"):
        made(small_project, place, "zzz")
    stack = small_project.stack()
    stack["applications"][0]["platforms"] = ["win_arm64"]
    small_project.set_stack(stack)
    with pytest.raises(BuildError, match=r"app-top is not made for .*\n.*win_arm64"):
        made(small_project, place)
    small_project.set_stack({"framewroks": 1})
    with pytest.raises(SpecError, match="framewroks"):
        made(small_project, place)
    assert not place.exists()
    assert not (small_project.root / "_build").exists()


def test_a_place_that_cannot_be_written(published_project: Project, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BuildError, match="the environment for base cannot be made"):
        made(published_project, tmp_path / "file" / "environment", "base")


def test_what_was_there_stays_if_a_lock_cannot_be_made(
    published_project: Project, tmp_path: Path
) -> None:
    place = made(published_project, tmp_path / "environment")
    stack = published_project.stack()
    stack["applications"][0]["requirements"] = ["not-in-the-index"]
    published_project.set_stack(stack)
    with pytest.raises(LockError, match="not-in-the-index"):
        made(published_project, place)
    assert output(place / "bin" / "python", "-m", "top", cwd=tmp_path).startswith("versions")


def test_removal_takes_an_empty_directory_with_it(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / "project" / name).mkdir(parents=True)
    remove_environment(tmp_path / "project" / "one")
    assert (tmp_path / "project" / "two").is_dir()
    remove_environment(tmp_path / "project" / "two")
    assert not (tmp_path / "project").exists()
    remove_environment(tmp_path / "project" / "two")
