"""Measures the demo project, next to what the machine allows.

What a layer adds to a warm ``hatch run`` is measured by `warm.py`. Every number is the
median of several runs, with the packages in uv's cache. Hatch's own start is measured
with a builder that does nothing, in the same project and the same build environment.
The limits are what ordinary programs need for the same files in the same minute.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import warm
from demo import unpack
from sandbox import Sandbox, human_size, table

RESULTS = Path(__file__).resolve().parents[1] / "bench-results"

_NOTHING = """
from hatchling.builders.plugin.interface import BuilderInterface

class Nothing(BuilderInterface):
    def get_version_api(self):
        return {"standard": lambda directory, **_: directory}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One line of the result.

    Attributes:
        what: What was measured.
        value: The median.
        unit: ``s`` or ``B``.
        goal: The most that it should be; None for a limit or a baseline.
        runs: The single measurements.
    """

    what: str
    value: float
    unit: str
    goal: float | None = None
    runs: tuple[float, ...] = ()

    @property
    def row(self) -> tuple[str, ...]:
        """The line's cells: what, value, goal, share of the goal."""
        share = f"{self.value / self.goal:.2f}" if self.goal else ""
        return (self.what, self._text(self.value), self._text(self.goal), share)

    def _text(self, value: float | None) -> str:
        if value is None:
            return ""
        return f"{value:.2f} s" if self.unit == "s" else human_size(value)


class Bench:
    """The measurements of one project, made in order.

    Args:
        sandbox: Where to build.
        runs: How often to repeat each measurement.
    """

    def __init__(self, sandbox: Sandbox, runs: int) -> None:
        self.sandbox = sandbox
        self.runs = runs
        self.peak = 0

    def pipeline(self) -> list[Measured]:
        """Measure our own work, all of it, in part, and when there is nothing to do."""
        self._prepare()
        whole = self._repeat(lambda: self._build(without=("requirements", "_build", "dist")))
        archives = self._repeat(self._publish_again)
        pairs = [(self._build(), self._nothing()) for _ in range(self.runs)]
        unchanged, start = (tuple(column) for column in zip(*pairs, strict=True))
        base = statistics.median(start)
        return [
            _seconds("Hatch's own start", start),
            _seconds("lock, build and publish", [run - base for run in whole], goal=10),
            _seconds("archives only", [run - base for run in archives], goal=5),
            _seconds("nothing changed", [run - base for run in unchanged], goal=0.5),
            Measured(what="largest process", value=self.peak, unit="B", goal=300e6),
        ]

    def limits(self, *, xz: bool) -> list[Measured]:
        """Measure ordinary programs on the same files; call after `pipeline`."""
        layers = list(self.sandbox.layers())
        deployed = self.sandbox.directory / "deployed"
        unpacking = self._repeat(lambda: self._unpack_into(deployed))
        copying = self._repeat(lambda: self._copy(deployed))
        size = sum(path.lstat().st_size for path in deployed.rglob("*") if not path.is_dir())
        archived = sum(layer["archive_size"] for layer in layers)
        measured = [
            Measured(what="unpacked", value=size, unit="B"),
            Measured(what="archives", value=archived, unit="B"),
            _seconds("unpacking the archives", unpacking),
            _seconds("cp -r", copying),
        ]
        compressors = ["zstd -T0 -6", *(["xz -6"] if xz else [])]
        for compressor in compressors:
            if shutil.which(compressor.split()[0]) and shutil.which("tar"):
                measured += self._compress(deployed, compressor)
        return measured

    def _prepare(self) -> None:
        """Fill caches and the build environment, and add the builder that does nothing."""
        self.sandbox.copy_project()
        (self.sandbox.project / "hatch_build.py").write_text(_NOTHING, "utf-8")
        pyproject = self.sandbox.project / "pyproject.toml"
        pyproject.write_text(pyproject.read_text("utf-8") + "\n[tool.hatch.build.targets.custom]\n")
        self._build()
        self._nothing()

    def _repeat(self, run: Callable[[], float]) -> tuple[float, ...]:
        return tuple(run() for _ in range(self.runs))

    def _build(self, *, without: tuple[str, ...] = ()) -> float:
        for name in without:
            shutil.rmtree(self.sandbox.project / name, ignore_errors=True)
        return self._hatch("venvstacks")

    def _publish_again(self) -> float:
        for record in (self.sandbox.project / "_build").glob(".records/*/published.json"):
            record.unlink()
        return self._build(without=("dist",))

    def _nothing(self) -> float:
        return self._hatch("custom")

    def _hatch(self, target: str) -> float:
        started = time.perf_counter()
        self.peak = max(self.peak, self.sandbox.hatch_quietly("build", "-t", target))
        return time.perf_counter() - started

    def _unpack_into(self, deployed: Path) -> float:
        shutil.rmtree(deployed, ignore_errors=True)
        started = time.perf_counter()
        for layer in self.sandbox.layers():
            unpack(self.sandbox.archive(layer), deployed)
        return time.perf_counter() - started

    def _copy(self, deployed: Path) -> float:
        copy = self.sandbox.directory / "copy"
        started = time.perf_counter()
        subprocess.run(["cp", "-r", str(deployed), str(copy)], check=True)
        seconds = time.perf_counter() - started
        shutil.rmtree(copy)
        return seconds

    def _compress(self, deployed: Path, compressor: str) -> list[Measured]:
        packed = self.sandbox.directory / "packed"
        pipeline = f'tar -C "{deployed}" -cf - . | {compressor} > "{packed}"'

        def run() -> float:
            started = time.perf_counter()
            subprocess.run(pipeline, shell=True, check=True)
            return time.perf_counter() - started

        repeats = self.runs if compressor.startswith("zstd") else 1  # xz takes minutes
        seconds = _seconds(f"tar | {compressor}", [run() for _ in range(repeats)])
        size = packed.stat().st_size
        return [seconds, Measured(what=f"tar | {compressor}: size", value=size, unit="B")]


def _seconds(
    what: str, runs: list[float] | tuple[float, ...], goal: float | None = None
) -> Measured:
    median = statistics.median(runs)
    return Measured(what=what, value=median, unit="s", goal=goal, runs=tuple(runs))


def main() -> int:
    """Measure, print a table, and write the numbers below ``bench-results``."""
    parser = argparse.ArgumentParser(description="Measure the demo project.")
    parser.add_argument("--wheels", type=Path, required=True, help="has this checkout's wheel")
    parser.add_argument("--runs", type=int, default=3, help="how often to repeat (default: 3)")
    parser.add_argument(
        "--xz", action="store_true", help="compare with `tar | xz -6`, which takes minutes"
    )
    parser.add_argument("--warm", action="store_true", help="only `hatch run` with a layer")
    parser.add_argument("--turns", type=int, default=15, help="how often, for that (default: 15)")
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="sklearn-bench-")).resolve()
    measured: list[Measured] = []
    try:
        added = warm.measure(directory / "warm", options.turns)
        if not options.warm:
            bench = Bench(Sandbox.create(directory, options.wheels), options.runs)
            measured = bench.pipeline() + bench.limits(xz=options.xz)
    except subprocess.CalledProcessError as error:
        print(error.output)
        print(f"exit {error.returncode}: {error.cmd}")
        return 1
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(table([warm.HEADINGS, *(line.row for line in added)]))
    if measured:
        headings = ("without Hatch's own start", "median", "goal", "share of goal")
        print(table([headings, *(line.row for line in measured)]))
    print(f"\nwritten: {_write(measured, added)}")
    return 0


def _write(measured: list[Measured], added: list[warm.Added]) -> Path:
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    machine = {
        "cores": os.cpu_count(),
        "platform": platform.platform(),
        "python": platform.python_version(),
    }
    document = {
        "machine": machine,
        "measured": [asdict(line) for line in measured],
        "warm": [asdict(line) for line in added],
    }
    file.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    return file


if __name__ == "__main__":
    sys.exit(main())
