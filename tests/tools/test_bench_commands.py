"""What the bench runs, and what it takes from the machine; no time is judged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import sandbox
from bench import limits, plot, processes, results, theirs, workplace
from bench.results import Run, StackResult


def test_a_command_is_waited_for_with_all_its_children(tmp_path: Path) -> None:
    inner = "import time; memory = b'1' * 150_000_000; time.sleep(0.3)"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    run = processes.timed([sys.executable, "-c", outer], cwd=tmp_path, log=tmp_path / "log")
    assert run.wall > 0.3
    if sys.platform.startswith("linux"):
        assert min(run.largest, run.together) > 150_000_000
        assert run.cpu > 0


def test_a_command_that_fails_says_what_it_printed(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        processes.timed(
            [sys.executable, "-c", "print('so'); raise SystemExit(3)"],
            cwd=tmp_path,
            log=tmp_path / "log",
            watch=False,
        )
    assert (caught.value.returncode, caught.value.output) == (3, "so\n")


def test_what_would_change_a_measurement_does_not_reach_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENVSTACKS_CACHE_SIZE", "0")
    monkeypatch.setenv("UV_CACHE_DIR", "there")
    environment = processes.clean_environment({"MORE": "1"})
    assert "VENVSTACKS_CACHE_SIZE" not in environment
    assert (environment["UV_CACHE_DIR"], environment["MORE"]) == ("there", "1")


@pytest.mark.parametrize(
    ("codec", "plain", "windowed"),
    [
        ({"level": 6}, "-6", "-6"),
        ({"level": 6, "window_log": 23}, "-6", "--zstd=wlog=23"),
        ({"level": 10, "window_log": 27, "long_distance_matching": 1}, "-10", "--long=27"),
        ({"level": 22}, "--ultra", "--ultra"),
    ],
)
def test_zstd_is_asked_for_what_our_archives_have(
    codec: dict[str, int], plain: str, windowed: str
) -> None:
    one, other = limits.zstd_like(codec)
    assert (one[-1], other[-1]) == (plain, windowed)


def test_other_programs_get_an_exact_python() -> None:
    document = {"tool": {"venvstacks": {"runtimes": [{"name": "a", "python_implementation": "x"}]}}}
    assert theirs.specification(document, "3.12.1") == {
        "runtimes": [{"name": "a", "python_implementation": "cpython@3.12.1"}]
    }


def test_our_own_command_is_no_other(tmp_path: Path) -> None:
    ours = tmp_path / "venvstacks"
    ours.write_text("#!/bin/sh\n", "utf-8")
    ours.chmod(0o755)
    with pytest.raises(SystemExit, match="no `venvstacks` of others"):
        theirs.find(ours, ours)


def test_files_are_counted_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "file").write_bytes(b"12345")
    if sys.platform != "win32":
        (tmp_path / "link").symlink_to("inner")
    size, count = workplace.size_of(tmp_path)
    assert (size, count) in {(10, 2), (5, 1)}


def test_a_project_for_a_bench_has_the_python_that_runs_it(tmp_path: Path) -> None:
    fixture = sandbox.DEMO.parent / "five_layers"
    sandbox.copy_project(fixture, tmp_path / "project")
    text = (tmp_path / "project" / "pyproject.toml").read_text("utf-8")
    assert f'"cpython@{sys.version_info[0]}.{sys.version_info[1]}"' in text


@pytest.mark.parametrize(("seconds", "status"), [(0.001, 0), (1000.0, 1)])
def test_a_check_fails_when_a_ratio_is_worse(tmp_path: Path, seconds: float, status: int) -> None:
    """Results of an earlier run are held against the ratios that are committed."""
    result = StackResult(name="tiny")
    result.add("build", Run(wall=seconds))
    result.add("uv pip install", Run(wall=1.0))
    file = results.write(tmp_path / "results", [result], {})
    bench = Path(processes.__file__).parent
    completed = subprocess.run(
        [sys.executable, bench, "--from", file, "--check"],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (completed.returncode, completed.stderr) == (status, "")
    assert ("worse: tiny: build / uv pip install is 1e+03" in completed.stdout) == bool(status)


def test_the_picture_is_one(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    result = StackResult(name="large", sizes={"unpacked": 10**9, "files": 9, "archives": 10**8})
    result.add("publish", Run(wall=10.0))
    result.add("tar | zstd", Run(wall=9.0))
    result.add("publish, beside xz", Run(wall=11.0))
    result.add("tar | xz -6", Run(wall=440.0))
    plot.draw({"large": result}, tmp_path / "bench.png")
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG")
