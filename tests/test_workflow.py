"""What a run does, and what it leaves alone, from one state of a project to the next."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pytest

from support.compare import tar_bytes
from support.deployments import Deployment, layers, manifest
from support.index import Index
from support.interpreters import VERSION, standalone_downloads
from support.locks import change_record
from support.outputs import leftovers
from support.projects import Project
from support.stacks import Messages, run
from support.stock import Stock
from venvlayers.errors import BuildError, LockError, PublishError, SelectionError
from venvlayers.files import sha256_file
from venvlayers.layout import Layout
from venvlayers.plan import Goal, Need
from venvlayers.platforms import PythonVersion, host_platform
from venvlayers.publish.format import EPOCH
from venvlayers.report import Kind
from venvlayers.workflow import LockPolicy, Outcome, Request, clean, preview
from venvlayers.workflow.outcome import summary
from venvlayers.workflow.outlook import make_plan
from venvlayers.workflow.publishing import requested_manifest
from venvlayers.workflow.run import start

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="local runtimes are for Linux")

MakeProject = Callable[..., Project]

HERE = host_platform() if sys.platform == "linux" else None
LAYERS = ("base", "framework-middle", "app-top")


def publish(project: Project) -> tuple[Outcome, Messages]:
    messages = Messages()
    return run(project, messages=messages, tag_outputs=True), messages


def archive(project: Project, layer: str) -> Path:
    return project.dist / str(layers(project.dist)[layer]["archive_name"])


def members(project: Project, layer: str) -> dict[str, bytes]:
    """Return the files of a layer's archive, relative to the layer."""
    with tarfile.open(fileobj=BytesIO(tar_bytes(archive(project, layer)))) as tar:
        return {
            member.name.partition("/")[2]: file.read()
            for member in tar
            if member.isfile() and (file := tar.extractfile(member))
        }


def site_packages(project: Project, layer: str) -> dict[str, bytes]:
    """Return what is in the site-packages of a layer's archive."""
    inside = f"lib/python{VERSION.series}/site-packages/"
    return {
        name.removeprefix(inside): content
        for name, content in members(project, layer).items()
        if name.startswith(inside)
    }


def reused(outcome: Outcome) -> dict[str, bool]:
    return {layer.env_name: layer.reused for layer in outcome.published}


def built(project: Project, layer: str) -> tuple[Path, Path]:
    """Return the places of a layer's environment and of its record."""
    layout, here = Layout.beside(project.root), host_platform()
    return layout.environment(layer, here), layout.environment_record(layer, here)


def edit(project: Project, kind: str, **keys: object) -> None:
    stack = project.stack()
    stack[kind][0].update(keys)
    project.set_stack(stack)


def test_nothing_to_do(published_project: Project, stock: Stock) -> None:
    asked = len(stock.index.requests)
    outcome, messages = publish(published_project)
    assert outcome.plan.is_done
    assert reused(outcome) == dict.fromkeys(LAYERS, True)
    assert messages.of_work == []
    assert len(messages.of(Kind.DETAIL)) == 3
    assert len(stock.index.requests) == asked
    assert outcome.artifact == published_project.dist / f"__venvstacks__/venvstacks-{HERE}.json"


def test_a_requirement_in_the_middle_changed(published_project: Project) -> None:
    """PR #227, H18."""
    edit(published_project, "frameworks", requirements=["storey", "ground"])
    outcome, messages = publish(published_project)
    # What is locked is the same as before, so neither is what stands on it locked again,
    # nor has anything to be built.
    assert messages.steps("locking") == ["framework-middle"]
    assert messages.steps("building") == []
    assert reused(outcome) == dict.fromkeys(LAYERS, True)


def test_a_package_is_added_in_the_middle(published_project: Project, stock: Stock) -> None:
    stock.index.add("mezzanine")
    edit(published_project, "frameworks", requirements=["storey", "mezzanine"])
    before = archive(published_project, "base").stat()
    outcome, messages = publish(published_project)
    assert messages.steps("locking") == ["framework-middle", "app-top"]
    assert messages.steps("building") == ["framework-middle"]
    assert reused(outcome) == {"base": True, "framework-middle": False, "app-top": True}
    after = archive(published_project, "base").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert "mezzanine.py" in site_packages(published_project, "framework-middle")


def test_x3_an_edited_launch_module_ships(published_project: Project, tmp_path: Path) -> None:
    published_project.write("top.py", "print('edited')\n")
    before = layers(published_project.dist)
    outcome, messages = publish(published_project)
    assert messages.steps("locking") == []
    others = [step.split(":")[0] for step in messages.of(Kind.STEP) if "app-top" not in step]
    assert sorted(others) == ["keeping base", "keeping framework-middle"]
    assert reused(outcome) == {"base": True, "framework-middle": True, "app-top": False}
    assert site_packages(published_project, "app-top")["top.py"] == b"print('edited')\n"
    after = layers(published_project.dist)
    assert after["base"] == before["base"]
    for field in ("content_hash", "archive_hashes", "app_launch_module_hash"):
        assert after["app-top"][field] != before["app-top"][field]
    deployment = Deployment.unpacked(published_project.dist, tmp_path / "deployed")
    assert deployment.python("app-top", "-m", "top").stdout == "edited\n"


def test_x5_a_removed_file_of_a_launch_package_does_not_ship(published_project: Project) -> None:
    for name in ("__main__.py", "kept.py", "data/removed.txt", "removed.py"):
        published_project.write(f"package/{name}", "")
    edit(published_project, "applications", launch_module="package")
    publish(published_project)
    shipped = {name for name in site_packages(published_project, "app-top") if "package/" in name}
    assert shipped == {
        f"package/{name}" for name in ("__main__.py", "kept.py", "data/removed.txt", "removed.py")
    }
    shutil.rmtree(published_project.root / "package" / "data")
    (published_project.root / "package" / "removed.py").unlink()
    publish(published_project)
    shipped = {name for name in site_packages(published_project, "app-top") if "package/" in name}
    assert shipped == {"package/__main__.py", "package/kept.py"}
    assert not list(built(published_project, "app-top")[0].rglob("removed*"))


def test_x4_a_removed_requirement_does_not_ship(published_project: Project) -> None:
    assert "roof.py" in site_packages(published_project, "app-top")
    edit(published_project, "applications", requirements=[])
    publish(published_project)
    shipped = site_packages(published_project, "app-top")
    assert not [name for name in shipped if name.startswith("roof")]
    assert "top.py" in shipped


def test_x4_nor_does_one_of_a_runtime(published_project: Project) -> None:
    for kind in ("runtimes", "frameworks", "applications"):
        edit(published_project, kind, requirements=[])
    run(published_project, Goal.BUILD)
    for layer in LAYERS:
        assert list(built(published_project, layer)[0].rglob("*.dist-info")) == []


def test_x2_another_patch_release_of_python(
    make_project: MakeProject,
    tmp_path: Path,
    archives: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """X2: also what the metadata says is what the layer has."""
    newer = PythonVersion(VERSION.major, VERSION.minor, (VERSION.patch or 0) + 1)
    served = standalone_downloads(
        tmp_path / "list", versions=[VERSION, newer], platforms=[host_platform()], shared=archives
    )
    for name, value in served.environment.items():
        monkeypatch.setenv(name, value)
    runtime = {"name": "base", "requirements": []}
    platforms = [host_platform().name]
    stack = {"runtimes": [runtime], "runtime_source": "managed", "platforms": platforms}
    project = make_project(stack)
    run(project, Goal.BUILD)
    environment = project.root / "_build" / platforms[0] / "base"
    before = environment.stat().st_ino
    edit(project, "runtimes", python_implementation=f"cpython@{newer}")
    messages = Messages()
    outcome = run(project, messages=messages)
    assert messages.steps("locking") == messages.steps("building") == ["base"]
    assert environment.stat().st_ino != before
    (published,) = outcome.published
    assert published.metadata["python_implementation"] == f"cpython@{newer}"
    lock = project.root / "requirements/base/pylock.base.meta.json"
    assert json.loads(lock.read_text("utf-8"))["python"]["version"] == str(newer)


def test_a_layer_that_left_the_stack_leaves_the_outputs(published_project: Project) -> None:
    stack = published_project.stack()
    del stack["applications"]
    published_project.set_stack(stack)
    gone = archive(published_project, "app-top")
    foreign = published_project.write("dist/app-top-notes.txt", "mine\n")
    outcome, _ = publish(published_project)
    assert sorted(layers(published_project.dist)) == ["base", "framework-middle"]
    assert reused(outcome) == {"base": True, "framework-middle": True}
    assert not gone.exists()
    assert not list(published_project.dist.rglob("app-top*.json"))
    assert foreign.exists()


def test_a_layer_for_another_platform_is_passed_over(published_project: Project) -> None:
    edit(published_project, "applications", platforms=["win_amd64"])
    outcome, messages = publish(published_project)
    assert messages.steps("locking") == ["app-top"]
    assert "app-top" not in reused(outcome)
    assert sorted(layers(published_project.dist)) == ["base", "framework-middle"]


@pytest.mark.parametrize("goal", [Goal.BUILD, Goal.PUBLISH, Goal.EXPORT])
def test_no_layer_is_for_this_machine(small_project: Project, goal: Goal) -> None:
    small_project.set_stack(small_project.stack() | {"platforms": ["win_amd64"]})
    with pytest.raises(BuildError, match=f"no layer is made for {HERE}"):
        run(small_project, goal)


def replace_file(file: Path, content: bytes) -> None:
    file.unlink()
    file.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "truncated": lambda file: replace_file(file, file.read_bytes()[:-1]),
    "other bytes": lambda file: replace_file(file, file.read_bytes()[:-9] + b"123456789"),
    "emptied": lambda file: replace_file(file, b""),
    "removed": lambda file: file.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_x24_a_damaged_archive_is_made_again(
    published_project: Project, stock: Stock, damage: str
) -> None:
    """X24: files are compared, not what is said about them."""
    DAMAGES[damage](archive(published_project, "app-top"))
    outcome, _ = publish(published_project)
    assert reused(outcome) == {"base": True, "framework-middle": True, "app-top": False}
    assert manifest(published_project.dist) == manifest(stock.project.dist)
    digest = layers(stock.project.dist)["app-top"]["archive_hashes"]["sha256"]
    assert sha256_file(archive(published_project, "app-top")) == f"sha256:{digest}"


def test_x24_an_archive_that_was_written_to_behind_our_back(
    published_project: Project, stock: Stock
) -> None:
    """X24: also if its size, time and inode say that nobody did."""
    file = archive(published_project, "app-top")
    replace_file(file, file.read_bytes())  # it was a link to the stock's
    publish(published_project)
    before = file.stat()
    with file.open("r+b") as opened:
        opened.seek(before.st_size // 2)
        opened.write(b"123456789")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = file.stat()
    for name in ("st_size", "st_mtime_ns", "st_ino"):
        assert getattr(after, name) == getattr(before, name)
    outcome, _ = publish(published_project)
    assert reused(outcome) == {"base": True, "framework-middle": True, "app-top": False}
    assert file.read_bytes() == archive(stock.project, "app-top").read_bytes()


@pytest.mark.parametrize(
    "pattern", ["__venvstacks__/venvstacks*.json", "__venvstacks__/env_metadata/app-top*.json"]
)
def test_damaged_metadata_is_written_again(
    published_project: Project, stock: Stock, pattern: str
) -> None:
    (file,) = published_project.dist.glob(pattern)
    file.write_text(file.read_text("utf-8").replace('"lock_version": 1', '"lock_version": 2'))
    publish(published_project)
    assert manifest(published_project.dist) == manifest(stock.project.dist)
    assert '"lock_version": 2' not in file.read_text("utf-8")


HALF_MADE: dict[str, Callable[[Path, Path], object]] = {
    "no record": lambda _place, record: record.unlink(),
    "half a record": lambda _place, record: record.write_text('{"key": "sha'),
    "another record": lambda _place, record: record.write_text("[]"),
    "another key": lambda _place, record: record.write_text('{"key": "x"}'),
    "no environment": lambda place, _record: shutil.rmtree(place),
}


@pytest.mark.parametrize("state", HALF_MADE)
def test_x25_a_half_made_environment_is_made_again(
    published_project: Project, stock: Stock, state: str
) -> None:
    place, record = built(published_project, "framework-middle")
    HALF_MADE[state](place, record)
    if place.exists():
        next(place.rglob("storey.py")).unlink()
        (place / "stray.txt").write_text("left by a killed build")
    archive(published_project, "framework-middle").unlink()
    _, messages = publish(published_project)
    assert messages.steps("building") == ["framework-middle"]
    assert manifest(published_project.dist) == manifest(stock.project.dist)
    assert not (place / "stray.txt").exists()


def test_184_building_again_and_again_changes_nothing(published_project: Project) -> None:
    """#184: links of an environment are made anew, not on top of what is there."""
    place, record = built(published_project, "app-top")
    for _ in range(3):
        record.unlink()
        run(published_project, Goal.BUILD)
        python = place / "bin" / "python"
        shown = subprocess.run(
            [python, "-B", "-m", "top"], capture_output=True, text=True, check=True
        )
        assert shown.stdout == "versions: 1.0 1.0 1.0\n"


def test_222_what_failed_once_fails_again_and_then_recovers(
    published_project: Project, stock: Stock
) -> None:
    """#222: a failed build is not taken for a finished one."""
    published_project.write("storey.py", "")
    edit(published_project, "applications", launch_module="storey.py")
    for _ in range(2):
        with pytest.raises(BuildError, match="would hide an installed one"):
            publish(published_project)
        assert leftovers(published_project) == []
        assert manifest(published_project.dist) == manifest(stock.project.dist)
    edit(published_project, "applications", launch_module="top.py", requirements=[])
    publish(published_project)
    assert not [name for name in site_packages(published_project, "app-top") if "roof" in name]


def test_x29_nothing_stays_in_temporary_places(
    small_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert tempfile.gettempdir() == str(temporary)
    run(small_project)
    edit(small_project, "frameworks", requirements=["missing"])
    with pytest.raises(LockError):
        run(small_project)
    assert list(temporary.iterdir()) == []
    assert leftovers(small_project) == []
    build = {path.name for path in (small_project.root / "_build").iterdir()}
    # Some filelocks remove the file of a lock when they release it.
    assert build - {".lock"} == {".gitignore", ".records", str(HERE)}


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def test_x33_neither_umask_nor_running_an_application_changes_archives(
    unbuilt_project: Project, stock: Stock
) -> None:
    """X33: built under umask 077, used, and then published."""
    shutil.rmtree(unbuilt_project.dist)
    os.utime(unbuilt_project.root / "top.py", (0, 0))
    with umask(0o077):
        run(unbuilt_project, Goal.BUILD)
        program = [built(unbuilt_project, "app-top")[0] / "bin" / "python", "-m", "top"]
        subprocess.run(program, check=True, capture_output=True, env={"PATH": os.defpath})
        assert list((unbuilt_project.root / "_build").rglob("storey*.pyc")), (
            "it left bytecode in the environments"
        )
        publish(unbuilt_project)
    assert manifest(unbuilt_project.dist) == manifest(stock.project.dist)


def times_in(project: Project, layer: str) -> set[float]:
    with tarfile.open(fileobj=BytesIO(tar_bytes(archive(project, layer)))) as tar:
        return {member.mtime for member in tar}


def test_source_date_epoch_is_the_time_of_everything(
    published_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "")
    assert publish(published_project)[0].plan.is_done, "an empty one is none"
    unset = times_in(published_project, "framework-middle")
    assert max(unset) == EPOCH
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    outcome, messages = publish(published_project)
    # Files have less, by less than a day, by what is in them: bytecode must not outlive them.
    told = times_in(published_project, "framework-middle")
    assert told == {time - EPOCH + 1_000_000_000 for time in unset}
    assert min(told) > 1_000_000_000 - 24 * 60 * 60
    assert reused(outcome) == dict.fromkeys(LAYERS, False)
    assert messages.steps("building") == []


@pytest.mark.parametrize("value", ["yesterday", "-1", "1.5", "٣", "99999999999999999999"])
def test_a_source_date_epoch_that_is_no_time(
    published_project: Project, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    before = manifest(published_project.dist)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", value)
    with pytest.raises(PublishError, match="SOURCE_DATE_EPOCH must be"):
        publish(published_project)
    assert manifest(published_project.dist) == before


@pytest.mark.parametrize("goal", [Goal.BUILD, Goal.PUBLISH, Goal.EXPORT])
def test_a_size_of_the_cache_that_is_none_is_refused_before_any_work(
    unbuilt_project: Project, monkeypatch: pytest.MonkeyPatch, goal: Goal
) -> None:
    monkeypatch.setenv("VENVSTACKS_CACHE_SIZE", "much")
    before = sorted(unbuilt_project.root.rglob("*"))
    with pytest.raises(SelectionError, match="VENVSTACKS_CACHE_SIZE must be a size, not 'much'"):
        run(unbuilt_project, goal)
    assert sorted(unbuilt_project.root.rglob("*")) == before


def test_locked_refuses_and_changes_nothing(
    published_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(published_project, "applications", requirements=[])
    with pytest.raises(LockError, match="app-top: its requirements changed") as caught:
        run(published_project, locked=True)
    assert "framework-middle" not in str(caught.value)
    monkeypatch.setenv("VENVSTACKS_LOCKED", "1")
    with pytest.raises(LockError, match="--locked or VENVSTACKS_LOCKED forbids"):
        run(published_project)
    monkeypatch.setenv("VENVSTACKS_LOCKED", "0")
    run(published_project, Goal.LOCK)


def test_a_preview_does_nothing(small_project: Project) -> None:
    before = sorted(small_project.root.rglob("*"))
    request = Request(project=small_project.root, goal=Goal.PUBLISH, output_dir=small_project.dist)
    plan = preview(request, Messages().reporter)
    assert [step.need for step in plan.steps] == [Need.YES] * 3 + [Need.MAYBE] * 6
    assert sorted(small_project.root.rglob("*")) == before


def test_a_run_does_what_its_preview_said(published_project: Project) -> None:
    published_project.write("top.py", "print('edited')\n")
    request = Request(
        project=published_project.root,
        goal=Goal.PUBLISH,
        output_dir=published_project.dist,
        tag_outputs=True,
    )
    plan = preview(request, Messages().reporter)
    outcome, _ = publish(published_project)
    assert outcome.plan == plan
    assert preview(request, Messages().reporter).is_done


def test_a_dry_run_does_not_lock_what_changed_meanwhile(published_project: Project) -> None:
    """It has no guard: another run may change a lock after the plan was made."""
    request = Request(project=published_project.root, goal=Goal.PUBLISH, lock=LockPolicy.NEVER)
    prepared = start(request, Messages().reporter)
    plan = make_plan(prepared)
    layout = Layout.beside(published_project.root)
    layout.lock_record("framework-middle").unlink()
    before = sorted(layout.lock_dir.rglob("*"))
    with pytest.raises(LockError, match="framework-middle is not valid any more: it has no lock"):
        requested_manifest(prepared, plan)
    assert sorted(layout.lock_dir.rglob("*")) == before


def test_what_was_done_in_lines(published_project: Project) -> None:
    outcome, _ = publish(published_project)
    assert [line.split()[-1] for line in summary(outcome)] == ["unchanged"] * 3
    assert summary(run(published_project, Goal.BUILD)) == ["nothing to do"]
    edit(published_project, "applications", requirements=[])
    assert summary(run(published_project, Goal.LOCK)) == ["lock: app-top"]
    assert summary(run(published_project, Goal.BUILD)) == ["build: app-top"]


def test_mistakes_that_do_no_harm_are_warnings(published_project: Project) -> None:
    stack = published_project.stack()
    runtime = stack["runtimes"][0]
    runtime["fully_versioned_name"] = runtime.pop("python_implementation")
    published_project.set_stack(stack)
    outcome, messages = publish(published_project)
    assert outcome.plan.is_done, "the older spelling means the same"
    (warning,) = messages.of(Kind.WARNING)
    assert "fully_versioned_name: is deprecated" in warning


def test_a_machine_that_is_none_of_the_platforms(
    small_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "pdp11")
    with pytest.raises(BuildError, match="layers cannot be built on linux with pdp11"):
        run(small_project)


def test_a_runtime_source_that_is_not_installed(unbuilt_project: Project) -> None:
    change_record(unbuilt_project, "base", python={"source": "orbit"})
    with pytest.raises(LockError, match="the runtime source 'orbit', which is not installed"):
        run(unbuilt_project)


def test_cleaning_what_was_published(published_project: Project) -> None:
    foreign = published_project.write("dist/notes.txt", "mine\n")
    clean(published_project.dist)
    assert list(published_project.dist.iterdir()) == [foreign]
    clean(published_project.root / "nothing")


def test_outputs_go_beside_the_specification_by_default(
    published_project: Project, index: Index
) -> None:
    del index
    shutil.rmtree(published_project.dist)
    outcome = run(published_project, output_dir=None)
    assert outcome.artifact == published_project.root / "_artifacts/__venvstacks__/venvstacks.json"
    assert outcome.artifact.is_file()
