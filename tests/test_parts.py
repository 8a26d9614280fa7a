"""Runs on a part of a stack, and runs that are told to do more, or less, than is needed."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from support.deployments import layers, manifest
from support.outputs import leftovers
from support.projects import Project
from support.stacks import Messages, done, run
from support.stock import Stock
from venvlayers.errors import BuildError, LockError, PublishError, SelectionError
from venvlayers.layout import Layout
from venvlayers.lock.model import Change, Upgrade
from venvlayers.plan import Goal
from venvlayers.platforms import host_platform
from venvlayers.report import Kind
from venvlayers.request import LockPolicy
from venvlayers.selection import Choice
from venvlayers.workflow import Outcome
from venvlayers.workflow.outcome import change_table, summary

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="local runtimes are for Linux")

HERE = host_platform() if sys.platform == "linux" else None
LAYERS = ("base", "framework-middle", "app-top")
APP = Choice(include=("app-top",))
MIDDLE = Choice(include=("framework-middle",))


def publish(project: Project, choice: Choice | None = None, **more: Any) -> Outcome:
    return run(project, choice=choice or Choice(), tag_outputs=True, **more)


def export(project: Project, choice: Choice | None = None, **more: Any) -> Outcome:
    return run(project, Goal.EXPORT, choice=choice or Choice(), **more)


def reused(outcome: Outcome) -> dict[str, bool]:
    return {layer.env_name: layer.reused for layer in outcome.published}


def edit(project: Project, kind: str, **keys: object) -> None:
    stack = project.stack()
    stack[kind][0].update(keys)
    project.set_stack(stack)


def environment(project: Project, name: str) -> Path:
    return Layout.beside(project.root).environment(name, host_platform())


# A part of a stack is published.


def test_the_other_layers_stay_in_the_manifest(published_project: Project) -> None:
    """G14 K14: also if what is published has changed."""
    before = layers(published_project.dist)
    published_project.write("top.py", "print('changed')\n")
    outcome = publish(published_project, APP)
    after = layers(published_project.dist)
    assert list(after) == list(before)
    assert reused(outcome) == {"base": True, "framework-middle": True, "app-top": False}
    assert after["base"] == before["base"]
    assert after["app-top"]["content_hash"] != before["app-top"]["content_hash"]
    assert publish(published_project, APP).plan.is_done
    assert publish(published_project).plan.is_done, "and nothing is packed again"


def test_the_others_are_not_published_but_built(unbuilt_project: Project) -> None:
    """G27 K14."""
    shutil.rmtree(unbuilt_project.dist)
    messages = Messages()
    outcome = publish(unbuilt_project, MIDDLE, messages=messages)
    assert list(reused(outcome)) == ["framework-middle"]
    assert not [text for text in messages.of(Kind.WARNING) if "left as it is" in text]
    assert list(layers(unbuilt_project.dist)) == ["framework-middle"]
    assert environment(unbuilt_project, "base").is_dir()
    assert not environment(unbuilt_project, "app-top").exists()
    publish(unbuilt_project)
    assert set(layers(unbuilt_project.dist)) == set(LAYERS)


def test_a_layer_whose_archive_is_gone_leaves_the_manifest(published_project: Project) -> None:
    base = layers(published_project.dist)["base"]
    (published_project.dist / base["archive_name"]).unlink()
    published_project.write("top.py", "print('changed')\n")
    messages = Messages()
    run(published_project, messages=messages, choice=APP, tag_outputs=True)
    assert list(layers(published_project.dist)) == ["app-top", "framework-middle"]
    (warning,) = messages.of(Kind.WARNING)
    assert warning.startswith("base leaves the manifest: ")


def test_a_part_whose_neighbours_cannot_be_locked(published_project: Project) -> None:
    """G26: what is not selected is not looked at."""
    edit(published_project, "applications", requirements=["missing"])
    published_project.write("requirements/app-top/pylock.app-top.meta.json", "damaged")
    outcome = publish(published_project, MIDDLE, lock=LockPolicy.NEVER)
    assert outcome.plan.is_done


def test_nothing_is_selected(published_project: Project) -> None:
    choice = Choice(include=("nothing",), allow_missing=True)
    before = manifest(published_project.dist)
    outcome = publish(published_project, choice)
    assert (outcome.plan.steps, done(outcome)) == ((), ())
    assert summary(run(published_project, Goal.BUILD, choice=choice)) == ["nothing to do"]
    assert manifest(published_project.dist) == before


def test_no_selected_layer_is_for_this_machine(published_project: Project) -> None:
    """G32."""
    edit(published_project, "applications", platforms=["win_amd64"])
    run(published_project, Goal.LOCK)
    with pytest.raises(BuildError, match=f"no layer is made for {HERE}"):
        publish(published_project, Choice(include=("app-top",)))
    assert run(published_project, Goal.BUILD, choice=MIDDLE).plan.is_done
    messages = Messages()
    choice = Choice(include=("app-*",))
    outcome = run(published_project, Goal.BUILD, messages, choice=choice)
    assert outcome.plan.is_done
    assert messages.of(Kind.WARNING) == [
        f"app-top is not made for {HERE}, so only layers below it are built (it is for win_amd64)"
    ]


def test_forced_archives_are_packed_again_to_the_same_bytes(
    published_project: Project, stock: Stock
) -> None:
    """G12."""
    outcome = publish(published_project, APP, force=True)
    assert reused(outcome) == {"base": True, "framework-middle": True, "app-top": False}
    assert manifest(published_project.dist) == manifest(stock.project.dist)


def test_an_unusable_output_directory_is_found_before_anything_is_built(
    unbuilt_project: Project,
) -> None:
    for place in ("top.py", "top.py/dist"):
        for goal in (Goal.PUBLISH, Goal.EXPORT):
            messages = Messages()
            with pytest.raises(PublishError, match="cannot publish to"):
                run(unbuilt_project, goal, messages, output_dir=unbuilt_project.root / place)
            assert messages.of(Kind.STEP) == []
    assert not (unbuilt_project.root / "_build").exists()


# A part of a stack is locked, or locked anew.


def locked(project: Project, **more: Any) -> tuple[list[str], Messages, Outcome]:
    messages = Messages()
    outcome = run(project, Goal.LOCK, messages, **more)
    return messages.steps("locking"), messages, outcome


def lock_texts(project: Project) -> dict[str, str]:
    root = project.root / "requirements"
    return {file.name: file.read_text("utf-8") for file in root.rglob("*") if file.is_file()}


def test_locking_anew_without_a_change(published_project: Project) -> None:
    """H18, G4: every selected layer is resolved, and nothing is different."""
    before = lock_texts(published_project)
    steps, messages, outcome = locked(published_project, lock=LockPolicy.ALWAYS)
    assert steps == [*LAYERS]
    assert lock_texts(published_project) == before
    assert outcome.changes == {}
    assert "locking base: it is to be locked anew" in messages.of(Kind.STEP)
    assert summary(outcome) == [f"lock: {name}" for name in LAYERS]


def test_a_part_is_locked_with_what_stands_on_it(published_project: Project) -> None:
    """G28, #161."""
    edit(published_project, "runtimes", requirements=[])
    steps, _, _ = locked(published_project, lock=LockPolicy.ALWAYS, choice=MIDDLE)
    assert steps == [*LAYERS], "the runtime's is needed, and not up to date"
    steps, _, _ = locked(published_project, lock=LockPolicy.ALWAYS, choice=MIDDLE)
    assert steps == ["framework-middle", "app-top"]
    steps, _, _ = locked(published_project, lock=LockPolicy.ALWAYS, choice=APP)
    assert steps == ["app-top"]


def test_what_changed_in_locks_is_a_table(small_project: Project, index: Any) -> None:
    run(small_project, Goal.LOCK)
    index.add("roof", "2.0", requires=["storey"])
    assert locked(small_project, lock=LockPolicy.ALWAYS)[2].changes == {}, "pins are kept"
    more = {"lock": LockPolicy.ALWAYS, "upgrade": Upgrade(packages=("roof",))}
    _, messages, outcome = locked(small_project, **more)
    (change,) = outcome.changes["app-top"]
    assert (change.package, change.before, change.after) == ("roof", "1.0", "2.0")
    (table,) = [text for text in messages.of(Kind.INFO) if text.startswith("changes in")]
    assert table.splitlines()[:2] == [
        "changes in the lock of app-top:",
        "  package  from  to   because of",
    ]
    assert table.splitlines()[2].split()[:3] == ["roof", "1.0", "2.0"]
    document = outcome.as_json()
    assert document["lock_changes"]["app-top"][0]["after"] == "2.0"
    assert not any("2.0  because" in text for text in lock_texts(small_project).values())


def test_packages_that_come_and_go_in_the_table() -> None:
    changes = (
        Change(package="new-one", before=None, after="1", because="required"),
        Change(package="old", before="10.0", after=None, because=""),
    )
    assert list(change_table(changes)) == [
        "  package  from  to  because of",
        "  new-one  -     1   required",
        "  old      10.0  -",
    ]


def test_x34_a_damaged_lock_is_reset(published_project: Project) -> None:
    """X34, G15: the others are as they were."""
    before = lock_texts(published_project)
    published_project.write("requirements/framework-middle/pylock.framework-middle.toml", "<<<<")
    with pytest.raises(LockError):
        run(published_project, Goal.LOCK)
    reset = Choice(reset_lock=("framework-*",))
    steps, _, _ = locked(published_project, choice=reset)
    assert steps[0] == "framework-middle"
    after = lock_texts(published_project)
    name = "pylock.framework-middle.toml"
    assert after[name] == before[name]


def test_to_change_locks_and_not_to(published_project: Project) -> None:
    with pytest.raises(SelectionError, match="hint: leave out one of the two"):
        run(published_project, Goal.LOCK, upgrade=Upgrade(everything=True), locked=True)


# Environments.


def test_a_clean_build(published_project: Project, stock: Stock) -> None:
    """G3: the environment is another one, with the same content."""
    app, base = environment(published_project, "app-top"), environment(published_project, "base")
    before = app.stat().st_ino, base.stat().st_ino
    outcome = publish(published_project, APP, clean=True)
    assert done(outcome) == (("clean", "app-top"), ("build", "app-top"))
    assert app.stat().st_ino != before[0]
    assert base.stat().st_ino == before[1]
    assert reused(outcome) == {"base": True, "framework-middle": True, "app-top": False}
    assert manifest(published_project.dist) == manifest(stock.project.dist)


def test_locking_cleanly(published_project: Project) -> None:
    """G3: environments are gone, and built by the next build."""
    _, _, outcome = locked(published_project, lock=LockPolicy.ALWAYS, clean=True, choice=APP)
    assert done(outcome) == (("clean", "app-top"), ("lock", "app-top"))
    assert not environment(published_project, "app-top").exists()
    assert environment(published_project, "base").is_dir()
    assert done(run(published_project, Goal.BUILD)) == (("build", "app-top"),)


def test_cleaning_what_is_not_there(unbuilt_project: Project) -> None:
    """G3."""
    outcome = run(unbuilt_project, Goal.LOCK, clean=True)
    assert done(outcome) == ()


def test_what_is_not_to_be_built(published_project: Project) -> None:
    """G7 G29."""
    published_project.write("top.py", "print('changed')\n")
    before = manifest(published_project.dist)
    with pytest.raises(BuildError) as caught:
        publish(published_project, build=False)
    assert str(caught.value) == (
        "environments are not up to date, and are not to be built:\n"
        "  - app-top: its contents changed\nhint: leave out --no-build"
    )
    assert publish(published_project, MIDDLE, build=False).plan.is_done
    edit(published_project, "applications", requirements=[])
    with pytest.raises(BuildError, match="app-top is not up to date, and is not to be built"):
        publish(published_project, build=False)
    assert manifest(published_project.dist) == before
    assert leftovers(published_project) == []


def test_another_build_directory(unbuilt_project: Project) -> None:
    """G1."""
    run(unbuilt_project, Goal.BUILD, build_dir=Path("made"), choice=Choice(include=("base",)))
    assert (unbuilt_project.root / "made" / str(HERE) / "base").is_dir()
    assert not (unbuilt_project.root / "_build").exists()


# Exports.


def exported(project: Project) -> dict[str, Any]:
    text = (project.dist / "__venvstacks__" / "venvstacks.json").read_text("utf-8")
    listed = json.loads(text)["layers"]
    return {entry["layer_name"]: entry for kind in listed.values() for entry in kind}


def test_an_export_that_is_as_it_was_left(published_project: Project) -> None:
    """L5: running what is exported leaves bytecode, which is no change."""
    assert len(done(export(published_project))) == 3
    before = {path: path.stat().st_ino for path in published_project.dist.iterdir()}
    cache = published_project.dist / "app-top/lib/__pycache__"
    cache.mkdir()
    (cache / "x.pyc").touch()
    outcome = export(published_project)
    assert outcome.plan.is_done
    assert outcome.plan.step("local-export", "base").reason == "its output is in place"
    assert {path: path.stat().st_ino for path in published_project.dist.iterdir()} == before


def change_file(place: Path) -> None:
    (module,) = place.rglob("top.py")
    module.write_text("")


def change_mode(place: Path) -> None:
    (module,) = place.rglob("top.py")
    module.chmod(0o755)


def add_file(place: Path) -> None:
    (place / "more.txt").touch()


def remove_it(place: Path) -> None:
    shutil.rmtree(place)


def damage_metadata(place: Path) -> None:
    (place.parent / "__venvstacks__/env_metadata/app-top.json").write_text("{}")


@pytest.mark.parametrize(
    "change",
    [change_file, change_mode, add_file, remove_it, damage_metadata],
    ids=lambda f: f.__name__,
)
def test_an_export_that_was_changed_is_made_again(published_project: Project, change: Any) -> None:
    """L5: and no other one is."""
    export(published_project)
    change(published_project.dist / "app-top")
    assert done(export(published_project)) == (("local-export", "app-top"),)
    assert export(published_project).plan.is_done


def test_an_export_of_what_changed(published_project: Project) -> None:
    """L5, X3."""
    export(published_project)
    published_project.write("top.py", "print('changed')\n")
    assert done(export(published_project)) == (("build", "app-top"), ("local-export", "app-top"))
    (module,) = (published_project.dist / "app-top").rglob("top.py")
    assert "changed" in module.read_text("utf-8")


def test_exports_in_two_places(published_project: Project) -> None:
    export(published_project)
    elsewhere = published_project.root / "elsewhere"
    assert len(done(export(published_project, output_dir=elsewhere))) == 3
    assert export(published_project, output_dir=elsewhere).plan.is_done


@pytest.mark.parametrize("text", ["", "[]", '{"version": 0}', '{"version": 1, "layers": 3}'])
def test_a_damaged_record_of_exports(published_project: Project, text: str) -> None:
    export(published_project)
    record = Layout.beside(published_project.root).exported_record(host_platform())
    record.write_text(text)
    assert len(done(export(published_project))) == 3


def test_a_forced_export(published_project: Project) -> None:
    """G12."""
    export(published_project)
    assert done(export(published_project, APP, force=True)) == (("local-export", "app-top"),)
    assert set(exported(published_project)) == set(LAYERS)


def test_an_export_of_a_part(published_project: Project) -> None:
    """L4 L6: the others stay in the manifest, as long as they are there."""
    shutil.rmtree(published_project.dist)
    export(published_project, MIDDLE)
    assert list(exported(published_project)) == ["framework-middle"]
    export(published_project, APP)
    assert set(exported(published_project)) == {"framework-middle", "app-top"}
    shutil.rmtree(published_project.dist / "framework-middle")
    export(published_project, Choice(include=("base",)))
    assert set(exported(published_project)) == {"base", "app-top"}
    described = (published_project.dist / "__venvstacks__/env_metadata").iterdir()
    assert {path.stem for path in described} == {"base", "app-top"}
    assert "archive_name" not in exported(published_project)["base"]


def test_a_layer_that_left_the_stack_is_not_listed_any_more(published_project: Project) -> None:
    """L4."""
    export(published_project)
    stack = published_project.stack()
    del stack["applications"]
    published_project.set_stack(stack)
    outcome = export(published_project)
    assert done(outcome) == ()
    assert set(exported(published_project)) == {"base", "framework-middle"}
    assert not (published_project.dist / "__venvstacks__/env_metadata/app-top.json").exists()
    assert export(published_project).plan.is_done


def test_something_in_the_way_of_an_export(published_project: Project) -> None:
    published_project.write("dist/__venvstacks__/env_metadata/app-top.json/file", "")
    with pytest.raises(PublishError, match="cannot export to"):
        export(published_project)


def test_the_disk_fails_in_between(
    published_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X28: what no stage expects is no traceback either."""
    edit(published_project, "applications", requirements=[])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("venvlayers.workflow.locking.save_locks", full)
    with pytest.raises(BuildError, match="this cannot be done here: No space left on device"):
        run(published_project, Goal.LOCK)


def test_upgrading_what_no_layer_has_is_told(published_project: Project) -> None:
    """X20: a slip of the pen would go unseen."""
    messages = Messages()
    more = {"lock": LockPolicy.ALWAYS, "upgrade": Upgrade(packages=("rof", "roof", "cpython"))}
    run(published_project, Goal.LOCK, messages, **more)
    told = [text for text in messages.of(Kind.WARNING) if "--upgrade-package" in text]
    assert told == ["--upgrade-package rof: no layer has it; did you mean 'roof'?"]
