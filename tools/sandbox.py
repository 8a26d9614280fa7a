"""A copy of the demo project that builds with the wheel of this checkout.

What `demo.py` and `bench/` share: where the project is, how ``hatch`` is
called in it, and what it left in ``dist``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEMO = Path(__file__).resolve().parents[1] / "fixtures" / "sklearn_demo"
KINDS = ("runtimes", "frameworks", "applications")


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A directory that the demo is built in.

    Attributes:
        directory: Everything is below it, Hatch's own data included.
        wheel: This checkout's.
    """

    directory: Path
    wheel: Path

    @property
    def project(self) -> Path:
        """The copy of the demo project."""
        return self.directory / "project"

    @classmethod
    def create(cls, directory: Path, wheels: Path) -> Sandbox:
        """Use *directory*, which is empty, and the one wheel of this project in *wheels*.

        The wheel is copied, because installers remember local wheels by their path.
        """
        (wheel,) = wheels.glob("hatch_venvstacks-*.whl")
        copied = shutil.copy(wheel, directory)
        return cls(directory, Path(copied))

    def copy_project(self) -> str | None:
        """Copy the demo; return what was changed in it, if anything was."""
        return copy_project(DEMO, self.project)

    def hatch(self, *arguments: str) -> list[str]:
        """Run ``hatch`` in the project, show what it prints, and return it by line.

        Raises:
            subprocess.CalledProcessError: It fails.
        """
        command, lines = self._command(arguments), []
        with subprocess.Popen(
            command,
            cwd=self.project,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        ) as process:
            for line in process.stdout or ():
                print(line, end="", flush=True)
                lines.append(line.rstrip())
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
        return lines

    def hatch_quietly(self, *arguments: str) -> int:
        """Run ``hatch`` in the project, and return the peak memory of its largest process.

        Returns:
            Bytes; 0 where the machine does not tell.

        Raises:
            subprocess.CalledProcessError: It fails; its output is in there.
        """
        command = self._command(arguments)
        log = self.directory / "hatch.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=self.project,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            peak = _wait(process)
        if process.returncode:
            raise subprocess.CalledProcessError(
                process.returncode, command, output=log.read_text("utf-8", "replace")
            )
        return peak

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "hatch", *arguments]

    def _environment(self) -> dict[str, str]:
        # Our wheel by its address: whatever a registry has under that name is no candidate.
        constraints = self.directory / "constraints.txt"
        constraints.write_text(f"hatch-venvstacks @ {self.wheel.as_uri()}\n", "utf-8")
        return {
            **os.environ,
            "UV_CONSTRAINT": str(constraints),
            "HATCH_DATA_DIR": str(self.directory / "hatch-data"),
        }

    def hide_project(self) -> None:
        """Move the project away, with its lock, its environments and its archives."""
        self.project.rename(self.directory / "hidden")

    def layers(self) -> Iterator[dict[str, Any]]:
        """Yield what the manifest says about each layer, each after those that it needs."""
        manifests = self.project.joinpath("dist", "__venvstacks__").glob("venvstacks*.json")
        document = json.loads(next(manifests).read_text("utf-8"))
        for kind in KINDS:
            yield from document["layers"].get(kind, ())

    def archive(self, layer: dict[str, Any]) -> Path:
        """Return a layer's archive."""
        return self.project / "dist" / str(layer["archive_name"])


def copy_project(fixture: Path, project: Path) -> str | None:
    """Copy a project that asks for some Python; return what was changed in it, if anything was."""
    shutil.copytree(fixture, project)
    pyproject = project / "pyproject.toml"
    ours = f"cpython@{sys.version_info.major}.{sys.version_info.minor}"
    text = pyproject.read_text("utf-8")
    changed, _ = re.subn(r'(?<=^python_implementation = ")[^"]+', ours, text, flags=re.MULTILINE)
    if changed == text:
        return None
    # A machine that cannot fetch a Python has the one that runs this, and perhaps no other.
    pyproject.write_text(changed, "utf-8", newline="\n")
    return f'python_implementation = "{ours}", because that is the Python that runs this'


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Wait for *process*; return the peak memory of it or a descendant of it, in bytes."""
    if sys.platform == "win32":
        process.wait()
        return 0
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Return *rows*, the first of which has the headings, in columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(_cells(row, widths)).rstrip() for row in rows]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _cells(row: tuple[str, ...], widths: list[int]) -> Iterator[str]:
    for number, (text, width) in enumerate(zip(row, widths, strict=True)):
        yield text.rjust(width) if number else text.ljust(width)


def human_size(size: float) -> str:
    """Return *size* bytes in MB, or in kB where that would be next to nothing."""
    megabytes = f"{size / 1e6:.1f} MB"
    return f"{size / 1e3:.1f} kB" if megabytes == "0.0 MB" else megabytes
