"""From a TOML document to a `StackSpec`: every mistake at once, or a value to rely on.

`load` reads the file; the rest turns tables into layers, in the order runtimes,
frameworks, applications, because each may only name what was declared before
it. Checks of single values live in `names.py`, `sources.py` and `table.py`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from venvlayers.errors import Problem, SpecError
from venvlayers.platforms import PLATFORMS, Platform, PythonVersion
from venvlayers.spec.linearize import NoOrderError, linearize
from venvlayers.spec.model import (
    LayerKind,
    LayerSpec,
    PythonRequest,
    RuntimeSourceChoice,
    SourceModule,
    StackOptions,
    StackSpec,
)
from venvlayers.spec.names import name_mistake, same_directory_key
from venvlayers.spec.sources import launch_module_mistake
from venvlayers.spec.table import Findings, Table, did_you_mean

STACK_KEYS = ("runtimes", "frameworks", "applications", "platforms", "runtime_source")
_COMMON_KEYS = ("name", "requirements", "platforms")
LAYER_KEYS = {
    LayerKind.RUNTIME: (*_COMMON_KEYS, "python_implementation", "fully_versioned_name"),
    LayerKind.FRAMEWORK: (*_COMMON_KEYS, "runtime", "frameworks"),
    LayerKind.APPLICATION: (*_COMMON_KEYS, "runtime", "frameworks", "launch_module"),
}


def load(path: Path) -> StackSpec:
    """Read the specification in *path*.

    Args:
        path: A ``pyproject.toml`` with a ``[tool.venvstacks]`` table, a
            ``venvstacks.toml``, or a directory that holds one of them.

    Raises:
        SpecError: It cannot be read, or has mistakes; all of them are reported.
    """
    file = Path(os.path.abspath(_find(path)))  # noqa: PTH100 - symlinks stay as they are
    document = _read(file)
    if file.name != "pyproject.toml":
        return parse(document, file, document, where="")
    tool = _tool(document)
    if "venvstacks" not in tool:
        raise _no_table(file, tool)
    return parse(tool["venvstacks"], file, document, where="tool.venvstacks")


def _find(path: Path) -> Path:
    if not path.is_dir():
        return path
    standalone, project = path / "venvstacks.toml", path / "pyproject.toml"
    if not standalone.is_file():
        return project
    if project.is_file() and "venvstacks" in _tool(_read(project)):
        what = "declares layers, and so does the venvstacks.toml beside it"
        raise SpecError(str(project), [Problem(where="", what=what)], hint="name one of the files")
    return standalone


def _tool(document: Mapping[str, Any]) -> dict[str, Any]:
    tool = document.get("tool")
    return tool if isinstance(tool, dict) else {}


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        hint = "name a pyproject.toml or venvstacks.toml, or a directory that has one"
        raise SpecError(str(file), [Problem(where="", what="not found")], hint=hint) from None
    except OSError as error:
        problem = Problem(where="", what=f"cannot be read: {error.strerror}")
        raise SpecError(str(file), [problem]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(str(file), [Problem(where="", what=f"not TOML: {error}")]) from error


def _no_table(file: Path, tool: Mapping[str, Any]) -> SpecError:
    near = [key for key in tool if did_you_mean(key, ["venvstacks"])]
    suggestion = f"is [tool.{near[0]}] it?" if near else None
    problem = Problem(where="tool.venvstacks", what="there is no such table", suggestion=suggestion)
    hint = (
        "declare at least one [[tool.venvstacks.runtimes]] "
        "with name, python_implementation and requirements"
    )
    return SpecError(str(file), [problem], hint=hint)


def parse(value: Any, file: Path, document: Mapping[str, Any], *, where: str) -> StackSpec:
    """Turn the stack's table into a `StackSpec`.

    Args:
        value: The table that holds ``runtimes``, ``frameworks`` and ``applications``.
        file: Where it stands; relative paths start from its directory.
        document: The whole file, for ``[tool.uv]``.
        where: The table's TOML path.

    Raises:
        SpecError: With every mistake found.
    """
    reading = _Reading(root=file.parent)
    table = Table(value, where, reading.findings)
    if where:
        table.only(STACK_KEYS)
    else:
        _near_misses(table, document)
    reading.default_platforms = reading.platforms(table) or tuple(PLATFORMS.values())
    source = table.choice("runtime_source", [c.value for c in RuntimeSourceChoice], "auto")
    for kind in LayerKind:
        for entry in table.tables(kind.value):
            reading.layer(entry, kind)
    reading.check_not_empty(where)
    uv_settings = _uv_settings(document, reading.findings)
    if reading.findings.problems:
        raise SpecError(str(file), reading.findings.problems)
    return StackSpec(
        path=file,
        layers=tuple(layer.spec for layer in reading.declared.values() if layer.spec.platforms),
        uv_settings=uv_settings,
        options=StackOptions(runtime_source=RuntimeSourceChoice(source)),
        warnings=tuple(reading.findings.warnings),
    )


def _near_misses(table: Table, document: Mapping[str, Any]) -> None:
    """Note misspelt tables of a ``venvstacks.toml``, where other tables are nobody's business."""
    for key in document:
        name = key.replace("-", "_")
        if name not in (*STACK_KEYS, "tool") and (meant := did_you_mean(name, STACK_KEYS)):
            table.findings.problem(key, "unknown key", meant)


def _uv_settings(document: Mapping[str, Any], findings: Findings) -> dict[str, Any]:
    """Return ``[tool.uv]``; what `lock/resolve.py` does not look into is left to uv to check."""
    settings = _tool(document).get("uv", {})
    table = Table(settings, "tool.uv", findings)
    table.strings("constraint_dependencies")
    table.strings("find_links")
    for index in table.tables("index"):
        index.string("url", required=True)
    if "sources" in table:
        Table(settings["sources"], "tool.uv.sources", findings)
    return dict(settings) if isinstance(settings, dict) else {}


@dataclass(frozen=True, slots=True)
class _Declared:
    """A layer that was declared; its spec is usable even if it has mistakes."""

    spec: LayerSpec
    order: tuple[str, ...]
    """For a framework: itself, then the frameworks below it."""


@dataclass(slots=True)
class _Reading:
    """What is known while the file is read, top to bottom."""

    root: Path
    findings: Findings = field(default_factory=Findings)
    default_platforms: tuple[Platform, ...] = ()
    declared: dict[str, _Declared] = field(default_factory=dict)
    taken: dict[str, str] = field(default_factory=dict)

    def layer(self, table: Table, kind: LayerKind) -> None:
        """Read one layer and add it to those declared."""
        table.only(LAYER_KEYS[kind])
        name = self._name(table, kind)
        requirements = self._requirements(table)
        python = self._python(table) if kind is LayerKind.RUNTIME else None
        frameworks, runtime = self._lower(table) if kind is not LayerKind.RUNTIME else ((), None)
        lower = (*frameworks, runtime) if runtime else frameworks
        platforms = self._layer_platforms(table, lower)
        launch = self._launch_module(table, platforms) if kind is LayerKind.APPLICATION else None
        spec = LayerSpec(
            kind=kind,
            name=name,
            requirements=requirements,
            platforms=platforms,
            lower=lower,
            python=python,
            launch_module=launch,
        )
        self.declared.setdefault(spec.env_name, _Declared(spec, (spec.env_name, *frameworks)))

    def check_not_empty(self, where: str) -> None:
        """Note a stack without a single runtime, unless there are mistakes enough."""
        if not self.declared and not self.findings.problems:
            example = f"[[{where}.runtimes]]" if where else "[[runtimes]]"
            self.findings.problem(where, "declares no layers", f"add {example}")

    def platforms(self, table: Table) -> tuple[Platform, ...] | None:
        """Read ``platforms``; None if it is absent."""
        names = table.strings("platforms")
        if names is None:
            return None
        for index, name in enumerate(names):
            if name not in PLATFORMS:
                meant = did_you_mean(name, PLATFORMS) or f"one of {', '.join(PLATFORMS)}"
                where = f"{table.at('platforms')}[{index}]"
                self.findings.problem(where, f"unknown platform {name!r}", meant)
        known = tuple(platform for platform in PLATFORMS.values() if platform.name in names)
        return known if known or not names else tuple(PLATFORMS.values())

    def _name(self, table: Table, kind: LayerKind) -> str:
        name = table.string("name", required=True)
        if name is None:
            return f"<unnamed {len(self.declared)}>"
        if mistake := name_mistake(name, kind):
            self.findings.problem(table.at("name"), f"{name!r} {mistake}")
            return name
        key = same_directory_key(f"{kind.prefix}{name}")
        if key in self.taken:
            what = f"{name!r} is taken by {self.taken[key]}"
            self.findings.problem(table.at("name"), what, "names must differ by more than case")
        self.taken.setdefault(key, table.where)
        return name

    def _requirements(self, table: Table) -> tuple[str, ...]:
        from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415

        parsed = []
        for index, text in enumerate(table.strings("requirements", required=True) or ()):
            where = f"{table.at('requirements')}[{index}]"
            try:
                requirement = Requirement(text)
                parsed.append(str(requirement))
                if requirement.url and not requirement.url.partition("#")[0].endswith(".whl"):
                    what = f"{text!r} is not a wheel, and nothing is built from source"
                    self.findings.problem(where, what)
            except InvalidRequirement as error:
                reason = str(error).splitlines()[0]
                self.findings.problem(where, f"{text!r} is not a requirement: {reason}")
        return tuple(parsed)

    def _python(self, table: Table) -> PythonRequest | None:
        key = "python_implementation"
        if "fully_versioned_name" in table:
            where = table.at("fully_versioned_name")
            if key in table:
                self.findings.problem(where, f"is the older name of {key!r}; give one of them")
            self.findings.warning(where, "is deprecated", f"call it {key!r}")
            key = "fully_versioned_name"
        text = table.string(key, required=True)
        if text is None:
            return None
        implementation, _, version = text.partition("@")
        example = "write it as in 'cpython@3.12' or 'cpython@3.12.7'"
        if implementation != "cpython":
            what = f"unknown Python implementation {implementation!r}"
            meant = did_you_mean(implementation, ["cpython"]) or example
            self.findings.problem(table.at(key), what, meant)
            return None
        try:
            return PythonRequest(
                implementation=implementation, version=PythonVersion.parse(version)
            )
        except ValueError:
            self.findings.problem(table.at(key), f"{text!r} has no Python version", example)
            return None

    def _lower(self, table: Table) -> tuple[tuple[str, ...], str | None]:
        """Return the frameworks below a layer in path order, and its runtime."""
        if "runtime" in table and "frameworks" in table:
            what = "has both 'runtime' and 'frameworks'"
            self.findings.problem(table.where, what, "frameworks bring their runtime")
        elif "runtime" not in table and "frameworks" not in table:
            self.findings.problem(table.where, "has neither 'runtime' nor 'frameworks'")
        names = table.strings("frameworks") or []
        if "frameworks" in table and not names and isinstance(table.strings("frameworks"), list):
            self.findings.problem(table.at("frameworks"), "must name at least one framework")
        parents = [
            known
            for index, name in enumerate(names)
            if (known := self._known(table.at(f"frameworks[{index}]"), name, LayerKind.FRAMEWORK))
        ]
        runtime = table.string("runtime")
        if runtime is not None:
            return (), self._known(table.at("runtime"), runtime, LayerKind.RUNTIME)
        return self._ordered(table, list(dict.fromkeys(parents))), self._runtime_of(table, parents)

    def _known(self, where: str, name: str, kind: LayerKind) -> str | None:
        """Return the environment name of a layer declared earlier; note it if there is none."""
        env_name = f"{kind.prefix}{name}"
        if env_name in self.declared:
            return env_name
        one = kind.value.removesuffix("s")
        known = [d.spec.name for d in self.declared.values() if d.spec.kind is kind]
        meant = did_you_mean(name, known) or (
            f"declare it before the layers that use it; known so far: {', '.join(known) or 'none'}"
        )
        self.findings.problem(where, f"no {one} {name!r} is declared above", meant)
        return None

    def _ordered(self, table: Table, parents: list[str]) -> tuple[str, ...]:
        try:
            return linearize(parents, {name: self.declared[name].order for name in parents})
        except NoOrderError as error:
            orders = "; ".join(" before ".join(sequence) for sequence in error.remaining)
            where = table.at("frameworks")
            self.findings.problem(where, f"no order of frameworks satisfies all of: {orders}")
            return tuple(parents)

    def _runtime_of(self, table: Table, parents: list[str]) -> str | None:
        runtimes = {parent: self.declared[parent].spec.runtime_name for parent in parents}
        if len(set(runtimes.values())) > 1:
            listed = ", ".join(f"{parent} on {runtime}" for parent, runtime in runtimes.items())
            self.findings.problem(table.at("frameworks"), f"are on different runtimes: {listed}")
        return next(iter(runtimes.values()), None)

    def _layer_platforms(self, table: Table, lower: tuple[str, ...]) -> tuple[Platform, ...]:
        below = [self.declared[name].spec.platforms for name in lower if name in self.declared]
        inherited = tuple(
            platform
            for platform in (self.default_platforms if not below else PLATFORMS.values())
            if all(platform in platforms for platforms in below)
        )
        own = self.platforms(table)
        if own is None:
            return inherited
        missing = [platform.name for platform in own if below and platform not in inherited]
        if missing:
            what = f"a layer below is not made for {', '.join(missing)}"
            self.findings.problem(table.at("platforms"), what)
        return own

    def _launch_module(self, table: Table, platforms: tuple[Platform, ...]) -> SourceModule | None:
        declared = table.string("launch_module", required=True)
        if declared is None:
            return None
        # A disabled layer's files need not be there (X22).
        mistake = launch_module_mistake(self.root, declared) if platforms else None
        if mistake:
            self.findings.problem(table.at("launch_module"), mistake)
        return SourceModule(path=Path(os.path.normpath(self.root / declared)))
