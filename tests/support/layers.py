"""Layer environments made by hand, without building anything."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from venvlayers.build.model import Distribution, LayerEnvironment
from venvlayers.build.sources import AppModules
from venvlayers.lock.model import PythonPin
from venvlayers.platforms import PLATFORMS, PythonVersion
from venvlayers.publish.contents import LayerContents
from venvlayers.spec.kinds import LayerKind
from venvlayers.spec.model import Launch

LOCKED_AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
"""When every layer made here was locked."""


@dataclass(frozen=True, slots=True)
class Link:
    """A symlink to make."""

    target: str


@dataclass(frozen=True, slots=True)
class Program:
    """An executable file to make."""

    content: bytes = b"#!/bin/sh\n"


FileContent = bytes | Link | Program | None
"""What to make at a path: a file, a symlink, an executable file, or a directory (None)."""

SMALL_FILES: dict[str, FileContent] = {
    "bin/python": Link("../../cpython-3.12/bin/python3.12"),
    "bin/tool": Program(),
    "empty": b"",
    "empty-dir": None,
    "postinstall.py": b"print('ready')\n",
    "site/alpha/__init__.py": b"A = 1\n" * 50,
    "site/alpha-1.0.dist-info/RECORD": b"alpha/__init__.py,,\n",
    "site/beta.py": b"B = 2\n" * 50,
    "site/gr\u00fc\u00df gott.txt": "gr\u00fc\u00df gott".encode(),
}
"""A little of everything that an environment has."""

SMALL_OWNERS = {
    "alpha": ("site/alpha-1.0.dist-info/RECORD", "site/alpha/__init__.py"),
    "beta": ("site/beta.py",),
}
"""The distributions in `SMALL_FILES`."""


def write_files(root: Path, files: Mapping[str, FileContent]) -> None:
    """Write *files* below *root*, in their order."""
    root.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.mkdir(exist_ok=True)
        elif isinstance(content, Link):
            path.symlink_to(content.target)
        elif isinstance(content, Program):
            path.write_bytes(content.content)
            path.chmod(0o755)
        else:
            path.write_bytes(content)


def make_layer(
    path: Path,
    files: Mapping[str, FileContent] | None = None,
    owners: Mapping[str, tuple[str, ...]] | None = None,
    **fields: Any,
) -> LayerEnvironment:
    """Make an environment in *path*; an application on Linux unless *fields* say otherwise.

    Args:
        path: Its directory; what is there is removed first.
        files: What is in it, `SMALL_FILES` by default.
        owners: The files of each distribution.
        fields: Anything else to say about the layer.
    """
    shutil.rmtree(path, ignore_errors=True)
    write_files(path, SMALL_FILES if files is None else files)
    if owners is None:
        owners = SMALL_OWNERS if files is None else {}
    name = fields.pop("name", "app-demo")
    defaults: dict[str, Any] = {
        "path": path,
        "key": "sha256:one",
        "kind": LayerKind.APPLICATION,
        "env_name": name,
        "deployed_name": name,
        "platform": PLATFORMS["linux_x86_64"],
        "python": PythonPin(
            implementation="cpython",
            version=PythonVersion(3, 12, 7),
            source="managed",
            build="20251120",
        ),
        "runtime_layer": "cpython-3.12",
        "required_layers": ("framework-lower",),
        "distributions": tuple(
            Distribution(name=owner, version="1.0", files=tuple(sorted(owned)))
            for owner, owned in owners.items()
        ),
        "requirements_hash": "sha256:two",
        "lock_version": 1,
        "locked_at": LOCKED_AT,
        "launch": Launch(module="demo"),
        "launcher": "bin/x",
        "modules": AppModules(launch=f"sha256:{3:064x}"),
    }
    return LayerEnvironment(**(defaults | fields))


def make_runtime(path: Path, files: Mapping[str, FileContent] | None = None) -> LayerEnvironment:
    """Make a runtime in *path*."""
    program: Mapping[str, FileContent] = {
        "bin/python": Link("python3.12"),
        "bin/python3.12": Program(b"\x7fELF" + bytes(100)),
        "lib/python3.12/os.py": b"import sys\n",
    }
    return make_layer(
        path,
        files or program,
        name="cpython-3.12",
        kind=LayerKind.RUNTIME,
        required_layers=(),
        launch=None,
        modules=None,
    )


def packed_times(contents: LayerContents) -> dict[str, int]:
    """Return the time that each entry has in an archive, by its name there."""
    return {
        contents.member(entry): group.mtime for group in contents.groups for entry in group.entries
    }
