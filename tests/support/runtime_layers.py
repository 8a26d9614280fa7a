"""Runtime layers: what they are made from, what is asked of them, what is said meanwhile."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.interpreters import copy_interpreter
from venvlayers import process
from venvlayers.build.runtime.source import RuntimeContext
from venvlayers.report import Kind

_SELF_PORTRAIT = """
import json, site, sys, sysconfig
import ssl, sqlite3, ctypes, zlib, hashlib, lzma
with open("/proc/self/maps") as file:
    mapped = sorted({line.split(None, 5)[5].strip() for line in file if "/" in line})
print(json.dumps({
    "version": sys.version,
    "prefix": sys.prefix,
    "path": sys.path,
    "site": site.getsitepackages(),
    "variables": sysconfig.get_config_vars(),
    "paths": sysconfig.get_paths(),
    "modules": [str(getattr(module, "__file__", "")) for module in sys.modules.values()],
    "mapped": mapped,
}))
"""


@dataclass
class Said:
    """What was reported."""

    messages: list[tuple[Kind, str]] = field(default_factory=list)

    def __call__(self, kind: Kind, message: str) -> None:
        self.messages.append((kind, message))

    def of(self, kind: Kind) -> list[str]:
        return [message for said, message in self.messages if said is kind]


class Installed:
    """An interpreter that can be put out of sight."""

    def __init__(self, prefix: Path) -> None:
        self.prefix = prefix
        self.program = copy_interpreter(prefix)

    def search(self, _context: RuntimeContext) -> Iterator[Path]:
        yield self.program

    @contextmanager
    def out_of_sight(self) -> Iterator[None]:
        hidden = self.prefix.with_name(f"{self.prefix.name}-hidden")
        self.prefix.rename(hidden)
        try:
            yield
        finally:
            hidden.rename(self.prefix)


def portrait(root: Path, program: str = "bin/python") -> dict[str, Any]:
    """Run the layer in *root* and return what it knows of itself."""
    completed = process.run([root / program, "-I", "-B", "-W", "error", "-c", _SELF_PORTRAIT])
    assert completed.returncode == 0, completed.stderr
    assert completed.stderr == ""
    described: dict[str, Any] = json.loads(completed.stdout)
    return described


def names_in(root: Path) -> set[str]:
    """Return the relative paths of everything in *root*."""
    return {path.relative_to(root).as_posix() for path in root.rglob("*")}


def files_with(root: Path, text: str) -> list[str]:
    """Return the files below *root*, and links, that hold *text*."""
    wanted = os.fsencode(text)
    return [
        path.relative_to(root).as_posix()
        for path in sorted(root.rglob("*"))
        if (
            wanted in os.fsencode(path.readlink())
            if path.is_symlink()
            else path.is_file() and wanted in path.read_bytes()
        )
    ]


def contents(root: Path) -> dict[str, str]:
    """Return what is in *root*: everything that an archive would record."""
    return {path.relative_to(root).as_posix(): _content(path) for path in root.rglob("*")}


def _content(path: Path) -> str:
    if path.is_symlink():
        return f"-> {path.readlink()}"
    if path.is_dir():
        return "directory"
    executable = bool(path.stat().st_mode & stat.S_IXUSR)
    return f"{executable} {hashlib.sha256(path.read_bytes()).hexdigest()}"


def assert_clean(root: Path, series: str) -> None:
    """Check that nothing of an interpreter's installation is left in *root*."""
    names = names_in(root)
    assert {name for name in names if name.startswith("bin/")} == {
        "bin/python",
        "bin/python3",
        f"bin/python{series}",
    }
    for link in ("python", "python3"):
        assert (root / "bin" / link).readlink() == Path(f"python{series}")
    assert list((root / "lib" / f"python{series}" / "site-packages").iterdir()) == []
    unwanted = ("__pycache__", ".pyc", ".a", "EXTERNALLY-MANAGED", "BUILD", "sitecustomize.py")
    assert [name for name in names if name.endswith(unwanted)] == []
    assert [name for name in names if "/test/" in name or "config-" in name] == []
    assert not (root / "lib" / "pkgconfig").exists()
