"""Local export: what an archive would have, as copies that nothing else shares."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from support.layers import make_layer, make_runtime, packed_times
from support.projects import Project
from support.stacks import run
from support.stock import Stock
from venvlayers.build.chain import LAYER_CONFIG
from venvlayers.deploy.export import exporting
from venvlayers.deploy.exported import remove_superseded
from venvlayers.errors import PublishError
from venvlayers.plan import Goal
from venvlayers.publish.contents import plan_contents
from venvlayers.publish.manifest import write_export_manifests
from venvlayers.publish.metadata import layer_metadata
from venvlayers.report import silent


def contents(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def test_an_export_runs_and_says_what_it_is(published_project: Project) -> None:
    outcome = run(published_project, Goal.EXPORT)
    assert outcome.artifact == published_project.dist
    python = published_project.dist / "app-top" / "bin" / "python"
    output = subprocess.run([python, "-m", "top"], capture_output=True, text=True, check=True)
    assert output.stdout == "versions: 1.0 1.0 1.0\n"
    manifest = published_project.dist / "__venvstacks__" / "venvstacks.json"
    assert "archive_name" not in manifest.read_text("utf-8")


def test_x9_an_edit_in_an_export_reaches_nothing_else(
    published_project: Project, stock: Stock
) -> None:
    run(published_project, Goal.EXPORT)
    build = published_project.root / "_build"
    uv_cache = Path(stock.caches["UV_CACHE_DIR"])
    before = contents(build), contents(uv_cache)
    (module,) = (published_project.dist / "framework-middle").rglob("storey.py")
    with module.open("a") as file:
        file.write("edited = True\n")
    assert (contents(build), contents(uv_cache)) == before


def test_x9_a_later_build_does_not_change_an_export(published_project: Project) -> None:
    run(published_project, Goal.EXPORT)
    exported = published_project.dist / "app-top"
    before = contents(exported)
    published_project.write("top.py", "print('changed')\n")
    run(published_project, Goal.BUILD)
    assert contents(exported) == before


def test_x9_no_file_of_an_export_is_anybody_elses(published_project: Project) -> None:
    """X9, #205: not even where uv's cache and the build share theirs."""
    run(published_project, Goal.EXPORT)
    files = [path for path in published_project.dist.glob("*/**/*") if path.is_file()]
    assert {path.lstat().st_nlink for path in files if not path.is_symlink()} == {1}


def test_x9_what_was_edited_elsewhere_is_not_exported(
    published_project: Project, stock: Stock
) -> None:
    """An environment shares its files with uv's cache: an edit there would be exported too.

    Nor are the layers exported that were whole, and copied before it was seen.
    """
    before = contents(published_project.dist)
    (module,) = (published_project.root / "_build").rglob("framework-middle/**/storey.py")
    text = module.read_bytes()
    module.unlink()
    module.write_bytes(text + b"edited = True\n")
    with pytest.raises(PublishError, match=r"storey\.py is not what was installed") as failure:
        run(published_project, Goal.EXPORT)
    assert "made anew" in (failure.value.hint or "")
    assert contents(published_project.dist) == before
    assert {path.name for path in published_project.dist.iterdir() if path.is_dir()} == {
        "__venvstacks__"
    }


def test_x10_nothing_is_compiled(published_project: Project) -> None:
    """X10: by no Python, so not by a wrong one."""
    run(published_project, Goal.EXPORT)
    assert not list(published_project.dist.rglob("*.pyc"))


def test_an_export_replaces_the_one_before_as_a_whole(published_project: Project) -> None:
    run(published_project, Goal.EXPORT)
    stray = published_project.dist / "app-top" / "stray.txt"
    stray.touch()
    run(published_project, Goal.EXPORT)
    assert not stray.exists()
    assert not list(published_project.dist.glob(".venvstacks-*"))


def test_times_modes_and_bytecode_are_those_of_an_archive(tmp_path: Path) -> None:
    environment = make_layer(tmp_path / "env")
    (environment.path / "lib" / "__pycache__").mkdir(parents=True, exist_ok=True)
    (environment.path / "lib" / "__pycache__" / "x.pyc").touch()
    next(path for path in environment.path.rglob("*.py")).chmod(0o600)
    with exporting([environment], tmp_path / "out", timestamp=1_000_000_000, reporter=silent()):
        pass
    target = tmp_path / "out" / environment.deployed_name
    assert not list(target.rglob("*.pyc"))
    files = [path for path in target.rglob("*") if path.is_file() and not path.is_symlink()]
    times = packed_times(plan_contents(environment, 1_000_000_000))
    assert {path: path.stat().st_mtime for path in files} == {
        path: times[path.relative_to(target.parent).as_posix()] for path in files
    }
    assert {path.stat().st_mode & 0o777 for path in files} <= {0o644, 0o755}


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    environment = make_runtime(tmp_path / "rt")
    with (
        pytest.raises(PublishError, match="cannot export to"),
        exporting([environment], tmp_path / "file" / "below", timestamp=None, reporter=silent()),
    ):
        pytest.fail("nothing is there")


def test_exports_that_cannot_be_described_are_taken_back(published_project: Project) -> None:
    """Those before them are there again, with what was said of them."""
    run(published_project, Goal.EXPORT)
    record = published_project.dist / "__venvstacks__" / "env_metadata"
    before = contents(published_project.dist)
    published_project.write("top.py", "print('changed')\n")
    described = record / "framework-middle.json"
    described.rename(record / "kept")
    described.mkdir()
    with pytest.raises(PublishError, match="Is a directory"):
        run(published_project, Goal.EXPORT)
    described.rmdir()
    (record / "kept").rename(described)
    assert contents(published_project.dist) == before
    run(published_project, Goal.EXPORT)
    (module,) = (published_project.dist / "app-top").rglob("site-packages/top.py")
    assert "changed" in module.read_text("utf-8")


def test_only_exports_are_replaced(published_project: Project) -> None:
    """Whatever else has the name of a layer is somebody's work."""
    precious = published_project.dist / "app-top" / "precious.txt"
    precious.parent.mkdir()
    precious.write_text("years of work")
    with pytest.raises(PublishError, match="is not a layer"):
        run(published_project, Goal.EXPORT)
    assert precious.read_text() == "years of work"


def test_what_a_killed_export_left_is_removed(published_project: Project) -> None:
    (published_project.dist / ".venvstacks-export-killed" / "layer").mkdir(parents=True)
    run(published_project, Goal.EXPORT)
    assert not list(published_project.dist.glob(".venvstacks-*"))


def test_x19_superseded_exports_are_removed(published_project: Project) -> None:
    """X19, L5: of layers with another number, or that left the stack; nothing else is touched."""
    stack = published_project.stack()
    stack["frameworks"][0]["versioned"] = True
    published_project.set_stack(stack)
    place = published_project.root / "_export"
    run(published_project, Goal.EXPORT, output_dir=place)
    assert (place / "framework-middle@2").is_dir()
    foreign = place / "framework-notes"
    foreign.mkdir()
    stack["frameworks"][0]["requirements"] = ["ground"]
    del stack["applications"]
    published_project.set_stack(stack)
    run(published_project, Goal.EXPORT, output_dir=place)
    there = {path.name for path in place.iterdir()}
    assert there == {"__venvstacks__", "base", "framework-middle@3", "framework-notes"}


def test_x25_what_a_killed_export_superseded_is_removed(
    published_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X19: killed between the manifest and the removal; the next run knows the old names."""
    stack = published_project.stack()
    stack["frameworks"][0]["versioned"] = True
    published_project.set_stack(stack)
    place = published_project.root / "_export"
    run(published_project, Goal.EXPORT, output_dir=place)
    stack["frameworks"][0]["requirements"] = ["ground"]
    published_project.set_stack(stack)

    def killed(_directory: Path, _before: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("venvlayers.workflow.publishing.remove_superseded", killed)
        with pytest.raises(KeyboardInterrupt):
            run(published_project, Goal.EXPORT, output_dir=place)
    assert (place / "framework-middle@2").is_dir()
    assert (place / "framework-middle@3").is_dir()
    run(published_project, Goal.EXPORT, output_dir=place)
    there = {path.name for path in place.iterdir()}
    assert there == {"__venvstacks__", "base", "framework-middle@3", "app-top"}
    assert run(published_project, Goal.EXPORT, output_dir=place).plan.is_done


def test_exports_that_others_refer_to_stay(tmp_path: Path) -> None:
    """Layers that are not exported again stand on what was there before."""
    layers = [
        make_runtime(tmp_path / "rt"),
        make_layer(tmp_path / "app", required_layers=("framework-lower@1",)),
    ]
    for name in ("cpython-3.12", "framework-lower@1", "app-gone", "no-layer"):
        (tmp_path / "out" / name / LAYER_CONFIG).parent.mkdir(parents=True)
        if name != "no-layer":
            (tmp_path / "out" / name / LAYER_CONFIG).touch()
    (tmp_path / "out" / "app-linked").symlink_to(tmp_path / "out" / "app-gone")
    write_export_manifests([(each.kind, layer_metadata(each)) for each in layers], tmp_path / "out")
    before = ["cpython-3.12", "framework-lower@1", "app-gone", "no-layer", "app-linked", "nowhere"]
    assert remove_superseded(tmp_path / "out", before) == (tmp_path / "out" / "app-gone",)
    assert not (tmp_path / "out" / "app-gone").exists()
    for name in ("cpython-3.12", "framework-lower@1", "no-layer"):
        assert (tmp_path / "out" / name).is_dir()
