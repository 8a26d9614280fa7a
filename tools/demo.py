"""The demo: from a ``pyproject.toml`` to applications that run somewhere else.

Builds the demo project with the real ``hatch build -t venvstacks``, unpacks the
archives in a fresh directory with nothing of ours, hides the project with all
that was built in it, runs the applications, and prints a table of the layers.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import zstandard

from sandbox import Sandbox, human_size, table


def main() -> int:
    """Run the demo; return 1 if an application failed."""
    parser = argparse.ArgumentParser(description="Build, deploy and run the demo project.")
    parser.add_argument("--wheels", type=Path, required=True, help="has this checkout's wheel")
    parser.add_argument("--keep", action="store_true", help="do not remove what was made")
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="sklearn-demo-")).resolve()
    try:
        return demonstrate(Sandbox.create(directory, options.wheels))
    except subprocess.CalledProcessError as error:
        print(f"\nexit {error.returncode}: {' '.join(error.cmd)}")
        return 1
    finally:
        if options.keep:
            print(f"\nkept: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)


def demonstrate(sandbox: Sandbox) -> int:
    """Build, deploy, hide and run; return the exit status."""
    if change := sandbox.copy_project():
        print(f"changed in the copy: {change}")
    _heading("hatch build -t venvstacks")
    started = time.perf_counter()
    times = times_by_layer(sandbox.hatch("build", "-t", "venvstacks"))
    seconds = time.perf_counter() - started
    layers = list(sandbox.layers())
    deployment = sandbox.directory / "a new place"
    _heading(f"unpacking in {deployment.name!r}, and hiding the project")
    for layer in layers:
        unpack(sandbox.archive(layer), deployment)
    sandbox.hide_project()
    failed = [layer["layer_name"] for layer in layers if not run_application(layer, deployment)]
    _heading("layers")
    print(overview(layers, deployment, times, seconds))
    print("\nA layer's time is that of locking, building and packing it, some of it side by side;")
    print("that of all is the whole run's, with Hatch and its build environment.")
    for name in failed:
        print(f"FAILED: {name}")
    return 1 if failed else 0


def unpack(archive: Path, deployment: Path) -> None:
    """Unpack *archive* as any tool for tar and zstd does."""
    reader = zstandard.ZstdDecompressor()
    with (
        archive.open("rb") as file,
        # One frame follows another; this reader has to be told to go on.
        reader.stream_reader(file, read_across_frames=True) as stream,
        tarfile.open(fileobj=stream, mode="r|") as members,
    ):
        members.extractall(deployment, filter="tar")


def run_application(layer: dict[str, Any], deployment: Path) -> bool:
    """Run a deployed application, if *layer* is one; tell whether all is well."""
    directory = deployment / layer["install_target"]
    if os.name == "nt":  # the only place where layers have to be told where they are
        subprocess.run([sys.executable, str(directory / "postinstall.py")], check=True)
    launcher = layer.get("app_launcher")
    if launcher is None:
        return True
    _heading(f"{directory.name}/{launcher}")
    steering = ("PYTHON", "VIRTUAL_ENV", "UV_", "PIP_", "HATCH_")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(steering)}
    command = [str(directory / launcher)]
    completed = subprocess.run(command, cwd=deployment, env=environment, check=False)
    return completed.returncode == 0


def times_by_layer(lines: Sequence[str]) -> dict[str, float]:
    """Return the seconds spent on each layer, from what the build said."""
    times: dict[str, float] = defaultdict(float)
    for line in lines:
        if done := re.search(r"^\w+ing (\S+): .*done in ([\d.]+) s$", line):
            times[done[1]] += float(done[2])
    return times


def overview(
    layers: Sequence[dict[str, Any]], deployment: Path, times: Mapping[str, float], seconds: float
) -> str:
    """Return a table of the layers as they are once unpacked; *seconds* is the time of all."""
    rows = [("layer", "packages", "files", "unpacked", "archive", "digest", "time")]
    unpacked = archived = 0
    for layer in layers:
        directory = deployment / layer["install_target"]
        files = [path for path in directory.rglob("*") if path.is_symlink() or path.is_file()]
        size = sum(path.lstat().st_size for path in files)
        packages = sum(path.match("site-packages/*.dist-info/METADATA") for path in files)
        digest = layer["archive_hashes"]["sha256"][:12]
        sizes = (human_size(size), human_size(layer["archive_size"]))
        taken = f"{times[layer['layer_name']]:.1f} s"
        rows.append((directory.name, str(packages), str(len(files)), *sizes, digest, taken))
        unpacked += size
        archived += layer["archive_size"]
    rows.append(("all", "", "", human_size(unpacked), human_size(archived), "", f"{seconds:.1f} s"))
    return table(rows)


def _heading(text: str) -> None:
    print(f"\n== {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
