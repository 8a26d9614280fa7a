"""Builds that are stopped: by Ctrl-C, by a kill, or by another build in the same project.

Tests wait for what a build says, not for time to pass.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from support.command import read_until, start_venvstacks, venvstacks
from support.deployments import Deployment, layers, manifest
from support.hatch import Hatch
from support.outputs import leftovers, outputs, unchanged
from support.projects import Project
from support.stacks import Messages, run
from support.stock import Stock
from venvlayers.files import sha256_file
from venvlayers.platforms import host_platform
from venvlayers.uv import find_uv
from venvlayers.workflow import building

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="local runtimes are for Linux")

PUBLISH = ("build", "--lock-if-needed", "--publish", "--tag-outputs", "--output-dir", "dist")
HERE = host_platform().name if sys.platform == "linux" else ""
LATER = {"SOURCE_DATE_EPOCH": "1700000000"}
"""Makes every archive of a project that was published another one."""


def interrupt(process: subprocess.Popen[str]) -> str:
    """Do what Ctrl-C does, and return what is said from then on."""
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    return said


def expect_interrupted(process: subprocess.Popen[str], said: str) -> None:
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert "Error" not in said
    assert said.splitlines()[-1] == "interrupted; earlier outputs are as they were"


def kill(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def slow_uv(place: Path, command: str) -> Mapping[str, str]:
    """Give variables with a uv that never comes to an end of *command*, and says its number."""
    uv, pid = find_uv().path, place / "pid"
    program = place / "slow-uv"
    program.write_text(
        f'#!/bin/sh\ncase "$1 $2" in "{command}") echo $$ > "{pid}.new"; mv "{pid}.new" "{pid}"; '
        f'exec sleep 600;; *) exec "{uv}" "$@";; esac\n'
    )
    program.chmod(0o755)
    return {"VENVSTACKS_UV": str(program)}


def pid_of_slow_uv(place: Path) -> int:
    deadline = time.monotonic() + 60
    while not (place / "pid").exists():
        assert time.monotonic() < deadline, "uv was not started"
        time.sleep(0.01)
    return int((place / "pid").read_text())


def is_running(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def change(project: Project) -> None:
    """Give the framework another requirement."""
    stack = project.stack()
    stack["frameworks"][0]["requirements"] = ["storey", "ground"]
    project.set_stack(stack)


@pytest.mark.parametrize("to", ["everyone", "the command alone"])
def test_ctrl_c_while_locking(published_project: Project, tmp_path: Path, to: str) -> None:
    change(published_project)
    with unchanged(published_project):
        env = slow_uv(tmp_path, "pip compile")
        process = start_venvstacks(*PUBLISH, cwd=published_project.root, env=env)
        said = read_until(process, "locking framework-middle: its requirements changed")
        uv = pid_of_slow_uv(tmp_path)
        if to == "everyone":
            said += interrupt(process)
        else:
            process.send_signal(signal.SIGINT)
            said += process.communicate(timeout=60)[0]
        expect_interrupted(process, said)
        assert not is_running(uv)
    assert venvstacks(*PUBLISH, cwd=published_project.root).returncode == 0


def test_ctrl_c_while_a_thread_is_started(
    unbuilt_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread goes on, and nobody knows of what it was to do."""
    begun: list[Future[object]] = []

    class Pool(ThreadPoolExecutor):
        def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
            begun.append(super().submit(*args, **kwargs))
            if len(begun) == 3:
                while not begun[-1].running():
                    time.sleep(0.001)
                raise KeyboardInterrupt
            return begun[-1]

    monkeypatch.setattr(building, "ThreadPoolExecutor", Pool)
    messages = Messages()
    with unchanged(unbuilt_project), pytest.raises(KeyboardInterrupt):
        run(unbuilt_project, messages=messages)
    wait(begun)
    assert messages.steps("building")[-1] == "framework-middle"
    assert isinstance(begun[-1].exception(), CancelledError)


def test_ctrl_c_keeps_the_locks_below(published_project: Project, tmp_path: Path) -> None:
    """The runtime's new lock is not written when the framework's is not made."""
    stack = published_project.stack()
    stack["runtimes"][0]["requirements"] = ["ground>=1"]
    stack["frameworks"][0]["requirements"] = []
    published_project.set_stack(stack)
    with unchanged(published_project):
        process = start_venvstacks("lock", cwd=published_project.root)
        said = read_until(process, "locking framework-middle")
        os.killpg(process.pid, signal.SIGSTOP)
        os.killpg(process.pid, signal.SIGINT)
        os.killpg(process.pid, signal.SIGCONT)
        said += process.communicate(timeout=60)[0]
        expect_interrupted(process, said)


def test_ctrl_c_while_installing(published_project: Project, tmp_path: Path) -> None:
    shutil.rmtree(published_project.root / "_build" / HERE / "framework-middle")
    before = (published_project.root / "_build" / HERE / "base").stat().st_ino
    with unchanged(published_project):
        env = slow_uv(tmp_path, "pip install")
        process = start_venvstacks(*PUBLISH, cwd=published_project.root, env=env)
        said = read_until(process, "building framework-middle")
        uv = pid_of_slow_uv(tmp_path)
        expect_interrupted(process, said + interrupt(process))
        assert not is_running(uv)
    assert not (published_project.root / "_build" / HERE / "framework-middle").exists()
    result = venvstacks(*PUBLISH, cwd=published_project.root, check=True)
    assert "building framework-middle" in result.stderr
    assert (published_project.root / "_build" / HERE / "base").stat().st_ino == before


@pytest.mark.parametrize("times", [1, 3])
def test_ctrl_c_while_a_runtime_is_copied(unbuilt_project: Project, times: int) -> None:
    """Also by users who press it again, because it does not end at once."""
    with unchanged(unbuilt_project):
        process = start_venvstacks(*PUBLISH, cwd=unbuilt_project.root)
        said = read_until(process, "building framework-middle")
        for _ in range(times - 1):
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.1)
        expect_interrupted(process, said + interrupt(process))
    result = venvstacks(*PUBLISH, cwd=unbuilt_project.root, check=True)
    assert result.stdout.count("sha256:") == 3


def test_ctrl_c_while_publishing(published_project: Project) -> None:
    with unchanged(published_project):
        process = start_venvstacks(*PUBLISH, cwd=published_project.root, env=LATER)
        said = read_until(process, "publishing base")
        expect_interrupted(process, said + interrupt(process))
    result = venvstacks(*PUBLISH, cwd=published_project.root, env=LATER, check=True)
    assert result.stdout.count("  new\n") == 3


@pytest.mark.parametrize("how", ["-m", "file"])
def test_ctrl_c_while_a_string_is_executed(tmp_path: Path, how: str) -> None:
    """As while a module with a dataclass is imported: Python remembers that until it exits."""
    program = tmp_path / "program.py"
    program.write_text(
        "from venvlayers import cli\n"
        "from venvlayers.__main__ import main\n"
        "cli.cli.main = lambda *_, **__: exec('raise KeyboardInterrupt')\n"
        "main()\n"
    )
    arguments = ("-m", "program") if how == "-m" else (str(program),)
    command = [sys.executable, *arguments]
    completed = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True)
    assert completed.returncode == 130, completed.stderr


def test_ctrl_c_while_exporting(published_project: Project) -> None:
    command = ("local-export", "--output-dir", "out")
    process = start_venvstacks(*command, cwd=published_project.root)
    said = read_until(process, "exporting to ")
    expect_interrupted(process, said + interrupt(process))
    assert leftovers(published_project) == []
    venvstacks(*command, cwd=published_project.root, check=True)
    deployment = Deployment(published_project.root / "out")
    assert deployment.python("app-top", "-m", "top").stdout == "versions: 1.0 1.0 1.0\n"


def test_ctrl_c_while_waiting_for_another_build(published_project: Project) -> None:
    published_project.write("top.py", "print('changed')\n")
    with unchanged(published_project), FileLock(published_project.root / "_build" / ".lock"):
        process = start_venvstacks(*PUBLISH, cwd=published_project.root)
        said = read_until(process, "waiting for another build in ")
        expect_interrupted(process, said + interrupt(process))


def test_ctrl_c_while_the_command_is_loaded(published_project: Project, tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise KeyboardInterrupt\n")
    result = venvstacks("show", cwd=published_project.root, env={"PYTHONPATH": str(tmp_path)})
    assert (result.returncode, result.output) == (130, "interrupted\n")


@pytest.mark.hatch
def test_ctrl_c_through_hatch(hatch: Hatch, stock: Stock, unbuilt_project: Project) -> None:
    shared = replace(hatch, environment={**hatch.environment, **stock.caches})
    with unchanged(unbuilt_project):
        process = shared.popen("build", "-t", "venvstacks", cwd=unbuilt_project.root)
        said = read_until(process, "building framework-middle")
        said += interrupt(process)
        assert process.returncode != 0
        assert "Traceback" not in said
        assert "interrupted; earlier outputs are as they were" in said
    shared("build", "-t", "venvstacks", cwd=unbuilt_project.root)
    assert content(unbuilt_project) == content(stock.project)


# Kills.

MOMENTS = (
    ("building base", 0.0),
    ("building base", 0.4),
    ("building base", 1.0),
    ("building base: done", 0.0),
    ("building app-top: done", 0.0),
    ("publishing base", 0.2),
    ("publishing base", 1.0),
    ("publishing framework-middle", 0.0),
    ("publishing app-top", 0.0),
)


def content(project: Project) -> dict[str, str]:
    """Return what a project's archives are, as its manifest says."""
    return {name: layer["archive_hashes"]["sha256"] for name, layer in layers(project.dist).items()}


def expect_whole(project: Project) -> None:
    """X24: what a manifest lists is there with every byte."""
    if (project.dist / "__venvstacks__").exists():
        for layer in layers(project.dist).values():
            archive = project.dist / layer["archive_name"]
            assert sha256_file(archive) == f"sha256:{layer['archive_hashes']['sha256']}"


def test_x25_a_killed_build_is_simply_run_again(
    unbuilt_project: Project, stock: Stock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X24 X25 X29: kill upon kill, each run goes on with what the one before left."""
    shutil.rmtree(unbuilt_project.dist)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    for line, delay in MOMENTS:
        process = start_venvstacks(*PUBLISH, "-v", cwd=unbuilt_project.root)
        read_until(process, line)
        time.sleep(delay)
        kill(process)
        expect_whole(unbuilt_project)
        # A machine that is too fast to be killed in time has to begin again.
        if line == "building base":
            shutil.rmtree(unbuilt_project.root / "_build" / HERE, ignore_errors=True)
        elif (unbuilt_project.dist / "__venvstacks__").exists():
            shutil.rmtree(unbuilt_project.dist)
    venvstacks(*PUBLISH, cwd=unbuilt_project.root, check=True)
    assert manifest(unbuilt_project.dist) == manifest(stock.project.dist)
    expect_whole(unbuilt_project)
    assert leftovers(unbuilt_project) == []
    assert list((tmp_path / "tmp").iterdir()) == []
    deployment = Deployment.unpacked(unbuilt_project.dist, tmp_path / "deployed")
    assert deployment.python("app-top", "-m", "top").stdout == "versions: 1.0 1.0 1.0\n"


@pytest.mark.parametrize("line", ["locking base", "locking framework-middle", "locking app-top"])
def test_a_killed_lock_is_simply_run_again(unbuilt_project: Project, line: str) -> None:
    shutil.rmtree(unbuilt_project.root / "requirements")
    process = start_venvstacks("lock", cwd=unbuilt_project.root)
    read_until(process, line)
    kill(process)
    venvstacks("lock", cwd=unbuilt_project.root, check=True)
    locked = {
        name for name in outputs(unbuilt_project) if name.endswith((".toml", "json", ".txt", ".in"))
    }
    assert len([name for name in locked if name.startswith("requirements/")]) == 12
    assert venvstacks("lock", "--locked", cwd=unbuilt_project.root).stdout == "nothing to do\n"


@pytest.mark.parametrize(("line", "delay"), [("publishing base", 0.3), ("publishing app-top", 0)])
def test_x24_a_killed_publication_leaves_the_earlier_one(
    published_project: Project, line: str, delay: float
) -> None:
    before = content(published_project)
    process = start_venvstacks(*PUBLISH, cwd=published_project.root, env=LATER)
    read_until(process, line)
    time.sleep(delay)
    kill(process)
    if content(published_project) == before:
        expect_whole(published_project)
    venvstacks(*PUBLISH, cwd=published_project.root, env=LATER, check=True)
    after = content(published_project)
    assert all(after[name] != before[name] for name in before)
    expect_whole(published_project)
    assert leftovers(published_project) == []


@pytest.mark.hatch
def test_a_kill_through_hatch(hatch: Hatch, stock: Stock, published_project: Project) -> None:
    shared = replace(hatch, environment={**hatch.environment, **stock.caches})
    shutil.rmtree(published_project.root / "_build" / HERE / "app-top")
    shutil.rmtree(published_project.dist)
    process = shared.popen("build", "-t", "venvstacks", cwd=published_project.root)
    read_until(process, "publishing base")
    kill(process)
    shared("build", "-t", "venvstacks", cwd=published_project.root)
    assert manifest(published_project.dist) == manifest(stock.project.dist)
    assert leftovers(published_project) == []


# Two at once.


def test_x27_two_builds_at_once(unbuilt_project: Project, stock: Stock) -> None:
    shutil.rmtree(unbuilt_project.dist)
    first = start_venvstacks(*PUBLISH, cwd=unbuilt_project.root)
    read_until(first, "building framework-middle")
    second = start_venvstacks(*PUBLISH, cwd=unbuilt_project.root)
    said = read_until(second, "waiting for another build in ")
    built, _ = first.communicate()
    waited, _ = second.communicate()
    assert (first.returncode, second.returncode) == (0, 0), said + waited
    assert built.count("  new\n") == 3
    assert waited.count("  unchanged\n") == 3
    assert "building" not in waited
    assert manifest(unbuilt_project.dist) == manifest(stock.project.dist)
    expect_whole(unbuilt_project)
    assert leftovers(unbuilt_project) == []


def test_what_a_killed_build_left_is_cleared_up(published_project: Project) -> None:
    leftover = published_project.root / "_build" / ".work" / "tmpabc" / "base"
    leftover.mkdir(parents=True)
    (leftover / "half").write_text("made")
    (leftover / "sealed").mkdir(mode=0o500)
    (published_project.dist / ".venvstacks-publish-abc").mkdir()
    published_project.write("top.py", "print('changed')\n")
    venvstacks(*PUBLISH, cwd=published_project.root, check=True)
    assert leftovers(published_project) == []
