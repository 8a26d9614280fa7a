"""A stack in a directory of its own, and our command in it. What is measured is in `rounds.py`."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.processes import timed
from bench.results import Run
from bench.stacks import Edit, Stack
from sandbox import KINDS, copy_project

_LOCAL = '[tool.venvstacks]\nruntime-source = "local"\n\n'


class Workplace:
    """A copy of a stack's project, with what is made of it.

    Its runtime is a copy of the Python that runs this, wherever that works: what is measured
    is then the same on machines that can and that cannot fetch another.

    Args:
        stack: The stack.
        directory: An empty directory; everything is below it.
        program: The command `venvstacks`.
    """

    def __init__(self, stack: Stack, directory: Path, program: Path) -> None:
        self.stack = stack
        self.directory = directory
        self.program = program
        self.project = directory / "project"
        self.outputs = self.project / "dist"
        self.environments = self.project / "_build"
        self.locks = self.project / "requirements"
        self.deployed = directory / "deployed"
        self._specification = self.project / "pyproject.toml"
        self.kept = directory / "cache"  # ours, warm
        self.log = directory / "log"
        self._aside = directory / "aside"

    def create(self) -> None:
        """Copy the project, and write down what restores it; nothing is locked or built."""
        copy_project(self.stack.directory, self.project)
        text = self._specification.read_text("utf-8")
        if sys.platform.startswith("linux"):
            text = text.replace("[[tool.venvstacks.", f"{_LOCAL}[[tool.venvstacks.", 1)
        self._text = self.stack.pin.apply(text)
        self._module = self.project.joinpath(self.stack.launch_module).read_text("utf-8")
        self._specification.write_text(self._text, "utf-8")

    def set_aside(self, place: Path) -> None:
        """Have what was made out of the way until everything is removed.

        For a minute or more after inodes were freed, ext4 takes none of them again, and searches
        through them for others: the next thousand files would take five times as long.
        """
        if place.exists():
            self._aside.mkdir(exist_ok=True)
            place.rename(self._aside / str(len(list(self._aside.iterdir()))))

    def remember_locks(self) -> None:
        """Take the locks that are there for those that `restore` puts back."""
        remembered = self.directory / "locks"
        shutil.rmtree(remembered, ignore_errors=True)
        shutil.copytree(self.locks, remembered)

    def restore(self) -> None:
        """Undo every change of what a user writes, and put the locks back."""
        self._specification.write_text(self._text, "utf-8")
        self.project.joinpath(self.stack.launch_module).write_text(self._module, "utf-8")
        shutil.rmtree(self.locks, ignore_errors=True)
        shutil.copytree(self.directory / "locks", self.locks)

    def edit(self, change: Edit) -> None:
        """Make a change in the specification."""
        text = self._specification.read_text("utf-8")
        self._specification.write_text(change.apply(text), "utf-8")

    def edit_launch_module(self, number: int) -> None:
        """Change the module that starts an application, each time to something else."""
        file = self.project / self.stack.launch_module
        file.write_text(f"{self._module}\n# change {number}\n", "utf-8")

    def venvstacks(self, *arguments: str, cache: Path | None = None, uv: Path | None = None) -> Run:
        """Run our command in the project.

        Args:
            *arguments: Of the command.
            cache: Where our own cache is; the warm one if not given.
            uv: Where uv's cache is; where it always is if not given.

        Raises:
            subprocess.CalledProcessError: It fails.
        """
        extra = {"VENVSTACKS_CACHE_DIR": str(cache or self.kept)}
        if uv is not None:
            extra["UV_CACHE_DIR"] = str(uv)
        return self.run(self.program, *arguments, "-q", extra=extra)

    def publish(self, *arguments: str, cache: Path | None = None) -> Run:
        """Run `venvstacks publish` into the outputs' directory."""
        return self.venvstacks("publish", "--output-dir", "dist", *arguments, cache=cache)

    def forget_frames(self, cache: Path) -> None:
        """Remove all compressed frames from a cache of ours, and nothing else."""
        extra = {"VENVSTACKS_CACHE_DIR": str(cache)}
        self.run(self.program, "cache", "prune", "--size", "0", extra=extra)

    def run(
        self,
        *command: str | Path,
        cwd: Path | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> Run:
        """Run any command, in the project if nothing else is said."""
        return timed(command, cwd=cwd or self.project, log=self.log, extra=extra)

    def layers(self) -> Iterator[dict[str, Any]]:
        """Yield what the manifest says of each layer, each after those that it needs."""
        manifest = self.outputs / "__venvstacks__" / "venvstacks.json"
        document = json.loads(manifest.read_text("utf-8"))
        for kind in KINDS:
            yield from document["layers"].get(kind, ())

    def packages(self, layer: str = "*") -> list[str]:
        """Return what is installed in the deployed layers, or in one, as pins, sorted."""
        found = self.deployed.glob(f"{layer}/[Ll]ib/**/site-packages/*.dist-info")
        pins = (re.sub("-(?=[^-]+$)", "==", directory.stem) for directory in found)
        return sorted(set(pins))

    def application(self, deployment: Path) -> Path:
        """Return the program that starts the stack's application in *deployment*."""
        layer = self._application_layer()
        return deployment / str(layer["install_target"]) / str(layer["app_launcher"])

    def runtime_python(self) -> Path:
        """Return the Python in the deployed runtime that the application stands on."""
        runtime = self.deployed / str(self._application_layer()["runtime_layer"])
        described = runtime / "share" / "venv" / "metadata" / "venvstacks_layer.json"
        return runtime / str(json.loads(described.read_text("utf-8"))["python"])

    def _application_layer(self) -> dict[str, Any]:
        name = f"app-{self.stack.application}"
        (layer,) = (layer for layer in self.layers() if layer["layer_name"] == name)
        return layer


def size_of(directory: Path) -> tuple[int, int]:
    """Return how many bytes the files in *directory* have, and how many there are."""
    files = [path for path in directory.rglob("*") if path.is_symlink() or not path.is_dir()]
    return sum(path.lstat().st_size for path in files), len(files)


def remove(*places: Path) -> None:
    """Remove what is there, whatever it is."""
    for place in places:
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
