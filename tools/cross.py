"""Layers for another platform, built here and truly run there, in an emulator.

Builds the demo project for Linux on AArch64 from this x86-64 machine, with real wheels from
the package index. The Python of the runtime layer is made from Debian's packages, in
python-build-standalone's layout, and offered to uv by a list of our own, as a mirror would.
The deployed applications, which use compiled packages, then run in qemu's user mode.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import debian
from demo import unpack
from sandbox import Sandbox, table

PLATFORM = "linux_aarch64"
BUILD = "20260101"
_QUESTION = """
import json, os, platform, sys
print(json.dumps([platform.machine(), sys.prefix, os.path.dirname(sys.base_prefix)]))
"""


def main() -> int:
    """Build, deploy and run; return 1 if an application failed."""
    parser = argparse.ArgumentParser(description="Run layers of another platform in an emulator.")
    parser.add_argument("--wheels", type=Path, required=True, help="has this checkout's wheel")
    parser.add_argument("--debian", type=Path, required=True, help="where to keep its packages")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cross-") as name:
        directory = Path(name).resolve()
        emulated = Emulated.fetch(options.debian)
        try:
            return demonstrate(Sandbox.create(directory, options.wheels), emulated)
        except subprocess.CalledProcessError as error:
            print(f"\nexit {error.returncode}: {' '.join(map(str, error.cmd))}")
            return 1


@dataclass(frozen=True, slots=True)
class Emulated:
    """A machine of the other platform.

    Attributes:
        qemu: Runs one program of it.
        root: Its file system: libraries, and a Python to make a runtime from.
    """

    qemu: Path
    root: Path

    @classmethod
    def fetch(cls, directory: Path) -> Emulated:
        """Get both from Debian's packages."""
        here = debian.own_architecture()
        with ThreadPoolExecutor() as threads:
            qemu = threads.submit(debian.unpack, ["qemu-user-static"], here, directory / "qemu")
            python = ["python3", "libstdc++6"]
            root = threads.submit(debian.unpack, python, "arm64", directory / "arm64")
            return cls(qemu.result() / "usr/bin/qemu-aarch64-static", root.result())

    @property
    def python(self) -> Path:
        """Its Python; the name has the series in it."""
        return (self.root / "usr/bin/python3").resolve()

    def run(self, *command: str | Path, **options: Any) -> str:
        """Run a program of the other platform; show and return what it prints.

        Raises:
            subprocess.CalledProcessError: It fails.
        """
        steering = ("PYTHON", "VIRTUAL_ENV", "UV_", "PIP_", "HATCH_")
        environment = {k: v for k, v in os.environ.items() if not k.startswith(steering)}
        completed = subprocess.run(
            [self.qemu, "-L", self.root, *command],
            env=environment,
            stdout=subprocess.PIPE,
            check=True,
            encoding="utf-8",
            **options,
        )
        printed: str = completed.stdout
        print(printed, end="", flush=True)
        return printed


def demonstrate(sandbox: Sandbox, emulated: Emulated) -> int:
    """Build for the other platform, deploy, hide the project, run; return the exit status."""
    version = emulated.run(emulated.python, "-c", "import platform as p; print(p.python_version())")
    downloads = offer_python(emulated, version.strip(), sandbox.directory / "mirror")
    sandbox.copy_project()
    _retarget(sandbox.project / "pyproject.toml", emulated.python.name)
    os.environ["UV_PYTHON_DOWNLOADS_JSON_URL"] = downloads.as_uri()
    os.environ["VENVSTACKS_PLATFORMS"] = PLATFORM
    _heading("hatch build -t venvstacks")
    started = time.perf_counter()
    sandbox.hatch("build", "-t", "venvstacks")
    rows = [("step", "seconds"), ("build", f"{time.perf_counter() - started:.1f}")]
    layers = list(sandbox.layers())
    deployment = sandbox.directory / "a new place"
    for layer in layers:
        unpack(sandbox.archive(layer), deployment)
    sandbox.hide_project()
    for layer in layers:
        if "app_launch_module" in layer:
            started = time.perf_counter()
            _run(layer, deployment, emulated)
            rows.append((layer["layer_name"], f"{time.perf_counter() - started:.1f}"))
    print(f"\n{table(rows)}")
    return 0


def _run(layer: dict[str, Any], deployment: Path, emulated: Emulated) -> None:
    directory = deployment / layer["install_target"]
    python = directory / "bin/python"
    _heading(f"{PLATFORM}: {directory.name}/bin/python -m {layer['app_launch_module']}")
    found = json.loads(emulated.run(python, "-c", _QUESTION))
    expected = ["aarch64", str(directory), str(deployment)]
    if found != expected:
        raise SystemExit(f"machine, prefix and place are {found}, not {expected}")
    emulated.run(python, "-m", layer["app_launch_module"], cwd=deployment)


def offer_python(emulated: Emulated, version: str, directory: Path) -> Path:
    """Make an archive as python-build-standalone's of Debian's Python, and uv's list of it.

    Returns:
        The list, for ``UV_PYTHON_DOWNLOADS_JSON_URL``.
    """
    directory.mkdir()
    archive = directory / f"cpython-{version}+{BUILD}-aarch64-unknown-linux-gnu-install_only.tar.gz"
    usr, name = emulated.root / "usr", emulated.python.name
    with tarfile.open(archive, "w:gz", compresslevel=1, dereference=True) as packed:
        packed.add(emulated.python, f"python/bin/{name}")
        packed.add(usr / "lib" / name, f"python/lib/{name}", filter=_no_bytecode)
    major, minor, patch = map(int, version.split("."))
    entry = {
        "name": "cpython",
        "arch": {"family": "aarch64", "variant": None},
        "os": "linux",
        "libc": "gnu",
        "major": major,
        "minor": minor,
        "patch": patch,
        "prerelease": "",
        "url": archive.as_uri(),
        "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
        "variant": None,
        "build": BUILD,
    }
    listed = directory / "downloads.json"
    listed.write_text(json.dumps({f"cpython-{version}-linux-aarch64-gnu": entry}), "utf-8")
    return listed


def _no_bytecode(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if member.name.endswith("/__pycache__") else member


def _retarget(pyproject: Path, python: str) -> None:
    """Let the copy of the demo be for the other platform, and for the Python that we have."""
    text = pyproject.read_text("utf-8")
    series = python.removeprefix("python")
    text = re.sub(r'"cpython@[^"]+"', f'"cpython@{series}"', text)
    text = re.sub(r"^platforms = .*$", f'platforms = ["{PLATFORM}"]', text, flags=re.MULTILINE)
    pyproject.write_text(text, "utf-8", newline="\n")


def _heading(text: str) -> None:
    print(f"\n== {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
