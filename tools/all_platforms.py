"""The demo project for all six platforms, from this machine: what each takes, and all together.

The packages are the real ones, from the package index; the runtimes are made from the
stand-in archives of the tests, of which only the one for this machine holds a whole
Python. Everything is made from nothing each time, with the downloads in uv's cache.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox import DEMO, human_size, table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from support.interpreters import standalone_downloads
from venvlayers.platforms import PLATFORMS, host_platform

_GOAL = 4.0
"""How many times the time of one platform all six may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a run took: seconds by the clock, and of all cores together."""

    seconds: float
    cpu: float


class Demo:
    """The demo project in a directory of its own, for all platforms.

    Args:
        directory: Where to work; empty.
    """

    def __init__(self, directory: Path) -> None:
        self.project = directory / "project"
        shutil.copytree(DEMO, self.project)
        pyproject = self.project / "pyproject.toml"
        text = re.sub(r"(?m)^platforms = .*\n", "", pyproject.read_text("utf-8"))
        ours = f"cpython@{sys.version_info.major}.{sys.version_info.minor}"
        text = re.sub(r'(?<=^python_implementation = ")[^"]+', ours, text, flags=re.MULTILINE)
        pyproject.write_text(text, "utf-8", newline="\n")
        served = standalone_downloads(directory / "pythons")
        own = ("VENVSTACKS_", "SOURCE_DATE_EPOCH")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(own)}
        caches = {"VENVSTACKS_CACHE_DIR": str(directory / "cache")}
        self.environment: Mapping[str, str] = {**kept, **served.environment, **caches}

    def venvstacks(self, *arguments: str) -> Taken:
        """Run the command, and return what it took.

        Raises:
            subprocess.CalledProcessError: It fails; its output is in there.
        """
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "venvlayers", *arguments],
            cwd=self.project,
            env=self.environment,
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        seconds = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        return Taken(seconds=seconds, cpu=cpu)

    def publish(self, platform: str) -> Taken:
        """Build and publish for a platform, or all, from nothing but locks and downloads."""
        for name in ("_build", "_artifacts"):
            shutil.rmtree(self.project / name, ignore_errors=True)
        return self.venvstacks("publish", "--platform", platform, "--quiet")

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Return the number and the size of the archives that were published, by platform."""
        place = self.project / "_artifacts" / "__venvstacks__"
        found = {}
        for manifest in place.glob("venvstacks-*.json"):
            kinds = json.loads(manifest.read_text("utf-8"))["layers"].values()
            archives = [layer["archive_size"] for kind in kinds for layer in kind]
            found[manifest.stem.partition("-")[2]] = (len(archives), sum(archives))
        return found


def measure(demo: Demo, runs: int) -> int:
    """Measure, print a table, and return 1 if all together take too long."""
    lock = demo.venvstacks("lock")
    print(f"locked for all platforms in {lock.seconds:.1f} s", flush=True)
    demo.publish("all")  # fetches what is missing
    sizes = demo.sizes()
    taken = {name: [demo.publish(name) for _ in range(runs)] for name in (*PLATFORMS, "all")}
    rows = [("", "layers", "archives", "time", "time of all cores")]
    for name, times in taken.items():
        count = sum(value[0] for key, value in sizes.items() if name in (key, "all"))
        size = sum(value[1] for key, value in sizes.items() if name in (key, "all"))
        seconds, cpu = _median(times)
        label = "all six together" if name == "all" else name
        rows.append((label, str(count), human_size(size), f"{seconds:.1f} s", f"{cpu:.1f} s"))
    print(table(rows))
    here = host_platform().name
    one, everything = _median(taken[here])[0], _median(taken["all"])[0]
    ratio = everything / one
    print(f"\nall six take {ratio:.1f} times the time of {here} (goal: {_GOAL:.1f})")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    return 0 if ratio <= _GOAL else 1


def _median(times: list[Taken]) -> tuple[float, float]:
    return (
        statistics.median(one.seconds for one in times),
        statistics.median(one.cpu for one in times),
    )


def main() -> int:
    """Run it; return 1 if the goal is missed or something fails."""
    parser = argparse.ArgumentParser(description="Publish the demo for all platforms.")
    parser.add_argument("--runs", type=int, default=1, help="how often to repeat (default: 1)")
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="sklearn-platforms-")).resolve()
    try:
        return measure(Demo(directory), options.runs)
    except subprocess.CalledProcessError as error:
        print(error.output)
        print(f"exit {error.returncode}: {error.cmd}")
        return 1
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
