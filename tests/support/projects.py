"""Projects as users write them, in a directory of the test's own.

A stack given to `Project` is completed with what nearly every test wants: the
Python that runs the tests, copied from this machine, and the test's own index.
"""

from __future__ import annotations

import platform
import textwrap
import tomllib
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from support.index import Index

RUNNING_PYTHON = f"cpython@{platform.python_version()}"
"""The exact Python that runs the tests, as ``python_implementation`` names it."""

SMALL_STACK = """
[[runtimes]]
name = "base"
requirements = ["ground"]

[[frameworks]]
name = "middle"
runtime = "base"
requirements = ["storey"]

[[applications]]
name = "top"
launch_module = "top.py"
frameworks = ["middle"]
requirements = ["roof"]
"""
"""Three layers with a package each; `fill_small_index` makes the packages."""

SMALL_APPLICATION = """
import ground, roof, storey

print("versions:", ground.__version__, storey.__version__, roof.__version__)
"""
"""``top.py`` of `SMALL_STACK`: imports a package of each layer and prints their versions."""


def fill_small_index(index: Index) -> None:
    """Add the packages of `SMALL_STACK`: each needs the one of the layer below."""
    index.add("ground")
    index.add("storey", requires=["ground"])
    index.add("roof", requires=["storey"])


@dataclass(frozen=True, slots=True)
class Project:
    """A directory with a ``pyproject.toml``.

    Attributes:
        root: The directory.
    """

    root: Path

    @classmethod
    def create(
        cls,
        root: Path,
        stack: str | Mapping[str, Any],
        *,
        index: Index | None = None,
        files: Mapping[str, str] | None = None,
        uv: Mapping[str, Any] | None = None,
        hatch: Mapping[str, Any] | None = None,
        name: str = "demo",
    ) -> Project:
        """Write a project.

        Args:
            root: Its directory; created if need be.
            stack: The ``[tool.venvstacks]`` table, as TOML with its tables at the top
                level, or as a value. ``python_implementation`` of runtimes and
                ``runtime_source`` are filled in where they are missing.
            index: The only index of the project.
            files: Other files by path; dedented.
            uv: More keys for ``[tool.uv]``.
            hatch: The ``[tool.hatch]`` table.
            name: The project's name.
        """
        project = cls(root)
        table = tomllib.loads(stack) if isinstance(stack, str) else deepcopy(dict(stack))
        tool: dict[str, Any] = {"venvstacks": completed(table)}
        if index is not None or uv:
            tool["uv"] = {**(index.uv_table() if index else {}), **(uv or {})}
        if hatch:
            tool["hatch"] = dict(hatch)
        project.write_pyproject(tool, name=name)
        for path, text in (files or {}).items():
            project.write(path, text)
        return project

    @classmethod
    def small(cls, root: Path, index: Index) -> Project:
        """Write a project with `SMALL_STACK`, and add its packages to *index*."""
        fill_small_index(index)
        return cls.create(root, SMALL_STACK, index=index, files={"top.py": SMALL_APPLICATION})

    @property
    def pyproject(self) -> Path:
        """The specification."""
        return self.root / "pyproject.toml"

    @property
    def dist(self) -> Path:
        """Where ``hatch build`` puts its outputs unless told otherwise."""
        return self.root / "dist"

    def write(self, path: str, text: str) -> Path:
        """Write a file of the project, dedented and without leading empty lines."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text).lstrip("\n"), "utf-8", newline="\n")
        return file

    def write_pyproject(self, tool: Mapping[str, Any], *, name: str = "demo") -> None:
        """Write ``pyproject.toml`` with exactly these tables below ``[tool]``."""
        document = {
            "build-system": {
                "requires": ["hatchling", "hatch-venvstacks"],
                "build-backend": "hatchling.build",
            },
            "project": {"name": name, "version": "1.0"},
            "tool": dict(tool),
        }
        self.write("pyproject.toml", tomli_w.dumps(document))

    def set_backend(self, backend: str) -> None:
        """Have the project built by *backend*; Hatch's ``hatchling.build`` is the default."""
        document = self.read_pyproject()
        document["build-system"]["build-backend"] = backend
        self.write("pyproject.toml", tomli_w.dumps(document))

    def set_project(self, **keys: Any) -> None:
        """Add keys to the ``[project]`` table."""
        document = self.read_pyproject()
        document["project"] |= keys
        self.write("pyproject.toml", tomli_w.dumps(document))

    def read_pyproject(self) -> dict[str, Any]:
        """Return ``pyproject.toml`` as a value."""
        return tomllib.loads(self.pyproject.read_text("utf-8"))

    def write_document(self, document: Mapping[str, Any]) -> None:
        """Replace ``pyproject.toml``."""
        self.write("pyproject.toml", tomli_w.dumps(document))

    def stack(self) -> dict[str, Any]:
        """Return the ``[tool.venvstacks]`` table."""
        stack: dict[str, Any] = self.read_pyproject()["tool"]["venvstacks"]
        return stack

    def set_stack(self, stack: str | Mapping[str, Any]) -> None:
        """Replace the ``[tool.venvstacks]`` table, completed as `create` does it."""
        document = self.read_pyproject()
        table = tomllib.loads(stack) if isinstance(stack, str) else deepcopy(dict(stack))
        document["tool"]["venvstacks"] = completed(table)
        self.write("pyproject.toml", tomli_w.dumps(document))


def completed(stack: dict[str, Any]) -> dict[str, Any]:
    """Return *stack* with the running Python, from this machine, where it names none."""
    runtimes = stack.get("runtimes")
    for runtime in runtimes if isinstance(runtimes, list) else ():
        if "fully_versioned_name" not in runtime:
            runtime.setdefault("python_implementation", RUNNING_PYTHON)
    return {"runtime_source": "local", **stack}
