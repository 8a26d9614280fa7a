"""From tables to layers: what each stands on, and what follows from that.

Layers are read in the order runtimes, frameworks, applications, because each may only
name what was declared before it. Values that can be judged on their own are read by
`values.py`, `modules.py` and `indexes.py`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from venvlayers.platforms import PLATFORMS, Platform
from venvlayers.spec.groups import ProjectNeeds
from venvlayers.spec.indexes import Inherited, read_package_indexes, read_priority_indexes
from venvlayers.spec.keys import LAYERS, getter_names
from venvlayers.spec.kinds import LayerKind
from venvlayers.spec.launch import ProjectScripts, read_launch
from venvlayers.spec.linearize import NoOrderError, linearize
from venvlayers.spec.model import LayerSpec, ProjectSpec, ProjectUse
from venvlayers.spec.modules import read_launch_module, read_support_modules
from venvlayers.spec.names import name_mistake, same_directory_key
from venvlayers.spec.project import read_project, refuse_computed_version, refuse_itself
from venvlayers.spec.table import Findings, Table, did_you_mean
from venvlayers.spec.values import (
    read_accepted,
    read_platforms,
    read_python,
    read_requirements,
    read_scripts,
    read_targets,
)
from venvlayers.values import frozen


@frozen(kw_only=False)
class _Declared:
    """A layer that was declared; its spec is usable even if it has mistakes."""

    spec: LayerSpec
    order: tuple[str, ...]
    """For a framework: itself, then the frameworks below it."""


@frozen(kw_only=False)
class _Below:
    """What a layer stands on, by environment names.

    Attributes:
        parents: The layers that it names.
        frameworks: All frameworks, in path order.
        runtime: The runtime; None for one, or if it could not be read.
    """

    parents: tuple[str, ...] = ()
    frameworks: tuple[str, ...] = ()
    runtime: str | None = None

    @property
    def all(self) -> tuple[str, ...]:
        """Everything below, in path order."""
        return (*self.frameworks, self.runtime) if self.runtime else self.frameworks


@dataclass(slots=True)
class LayerReader:
    """What is known while layers are read, top to bottom.

    Attributes:
        root: The project's directory.
        findings: Where mistakes go.
        default_platforms: Those of runtimes that name none.
        indexes: The names of all indexes.
        project: The project in the same file, if there is one.
        needs: What it needs.
        scripts: The project's scripts.
    """

    root: Path
    findings: Findings
    default_platforms: tuple[Platform, ...]
    indexes: Collection[str]
    project: ProjectSpec | None
    needs: ProjectNeeds
    scripts: ProjectScripts
    _declared: dict[str, _Declared] = field(default_factory=dict)
    _taken: dict[str, str] = field(default_factory=dict)
    _tables: dict[str, Table] = field(default_factory=dict)
    _coming: set[str] = field(default_factory=set)

    @property
    def enabled(self) -> tuple[LayerSpec, ...]:
        """The layers read so far that are made for a platform."""
        return tuple(found.spec for found in self._declared.values() if found.spec.platforms)

    @property
    def is_empty(self) -> bool:
        """Whether no layer was declared."""
        return not self._declared

    def announce(self, kind: LayerKind, names: Collection[object]) -> None:
        """Tell which layers of a kind come, so that naming one too early can be explained."""
        self._coming |= {f"{kind.prefix}{name}" for name in names if isinstance(name, str)}

    def read(self, table: Table, kind: LayerKind) -> None:
        """Read one layer and add it to those declared."""
        table.only(getter_names(LAYERS[kind]))
        for key in LAYERS[kind]:
            if key.deprecated and not key.older_name_of and key.getter_name in table:
                what = "is deprecated, and has no effect"
                self.findings.warning(table.at(key.getter_name), what, key.deprecated)
        name = self._name(table, kind)
        use = None
        if kind is not LayerKind.RUNTIME:
            use = read_project(table, self.project, self.needs)
        requirements = read_requirements(table, self.needs, use)
        python = read_python(table) if kind is LayerKind.RUNTIME else None
        below = self._below(table) if kind is not LayerKind.RUNTIME else _Below()
        use = self._above(use, below)
        versioned = table.boolean("versioned") or False
        if self.project and (use or self._has_project(below)):
            refuse_itself(table, requirements, self.project)
            if versioned and use and not use.is_below:
                refuse_computed_version(table, self.project)
        platforms = self._platforms(table, below)
        launch, module, enabled = None, None, bool(platforms)
        if kind is LayerKind.APPLICATION:
            module = read_launch_module(table, self.root, enabled=enabled)
            launch = read_launch(table, self.scripts, module)
        spec = LayerSpec(
            kind=kind,
            name=name,
            requirements=requirements,
            platforms=platforms,
            lower=below.all,
            python=python,
            launch=launch,
            launch_module=module,
            support_modules=read_support_modules(table, self.root, module, enabled=enabled),
            project=use,
            targets=read_targets(table, platforms),
            versioned=versioned,
            package_indexes=read_package_indexes(table, self._inherited(below), self.indexes),
            priority_indexes=read_priority_indexes(table, self.indexes),
            dynlib_exclude=tuple(table.strings("dynlib_exclude") or ()),
            accepted_findings=read_accepted(table),
            scripts=read_scripts(table),
        )
        self._declared.setdefault(
            spec.env_name, _Declared(spec, (spec.env_name, *below.frameworks))
        )
        self._tables.setdefault(spec.env_name, table)

    def check_deployed_names(self) -> None:
        """Note layers that a versioned one could be deployed in the place of."""
        keys = {same_directory_key(layer.env_name): layer.env_name for layer in self.enabled}
        for key, env_name in keys.items():
            match = re.fullmatch(r"(.+)@[0-9]+", key)
            other = keys.get(match[1]) if match else None
            if other and self._declared[other].spec.versioned:
                table, name = self._tables[env_name], self._declared[env_name].spec.name
                what = f"{name!r} can be the deployed name of {other}, which is versioned"
                self.findings.problem(table.at("name"), what)

    def _has_project(self, below: _Below) -> bool:
        """Tell whether a layer below contains the project."""
        return any(self._declared[name].spec.project for name in below.all)

    def _above(self, use: ProjectUse | None, below: _Below) -> ProjectUse | None:
        return replace(use, is_below=True) if use and self._has_project(below) else use

    def _name(self, table: Table, kind: LayerKind) -> str:
        name = table.string("name", required=True)
        if name is None:
            return f"<unnamed {len(self._declared)}>"
        if mistake := name_mistake(name, kind):
            self.findings.problem(table.at("name"), f"{name!r} {mistake}")
            return name
        key = same_directory_key(f"{kind.prefix}{name}")
        if key in self._taken:
            what = f"{name!r} is taken by {self._taken[key]}"
            self.findings.problem(table.at("name"), what, "names must differ by more than case")
        self._taken.setdefault(key, table.where)
        return name

    def _below(self, table: Table) -> _Below:
        if "runtime" in table and "frameworks" in table:
            what = "has both 'runtime' and 'frameworks'"
            self.findings.problem(table.where, what, "frameworks bring their runtime")
        elif "runtime" not in table and "frameworks" not in table:
            self.findings.problem(table.where, "has neither 'runtime' nor 'frameworks'")
        parents = self._frameworks(table) if "frameworks" in table else ()
        name = table.string("runtime")
        if name is not None:
            runtime = self._known(table.at("runtime"), name, LayerKind.RUNTIME)
            return _Below(parents=(runtime,) if runtime else (), runtime=runtime)
        ordered = self._ordered(table, parents)
        return _Below(parents=parents, frameworks=ordered, runtime=self._runtime_of(table, parents))

    def _frameworks(self, table: Table) -> tuple[str, ...]:
        """Return the frameworks that a layer names and that are there, each once."""
        names = table.strings("frameworks")
        if names == []:
            self.findings.problem(table.at("frameworks"), "must name at least one framework")
        found = []
        for index, name in enumerate(names or ()):
            where = f"{table.at('frameworks')}[{index}]"
            if known := self._known(where, name, LayerKind.FRAMEWORK):
                found.append(known)
        return tuple(dict.fromkeys(found))

    def _known(self, where: str, name: str, kind: LayerKind) -> str | None:
        """Return the environment name of a layer declared earlier; note it if there is none."""
        env_name = f"{kind.prefix}{name}"
        if env_name in self._declared:
            return env_name
        one = kind.value.removesuffix("s")
        if env_name in self._coming:
            what = f"{one} {name!r} is declared here or further down"
            self.findings.problem(where, what, "declare it before the layers that use it")
            return None
        known = [d.spec.name for d in self._declared.values() if d.spec.kind is kind]
        meant = did_you_mean(name, known) or (
            f"declare it before the layers that use it; known so far: {', '.join(known) or 'none'}"
        )
        self.findings.problem(where, f"no {one} {name!r} is declared above", meant)
        return None

    def _ordered(self, table: Table, parents: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return linearize(parents, {name: self._declared[name].order for name in parents})
        except NoOrderError as error:
            orders = "; ".join(" before ".join(sequence) for sequence in error.remaining)
            where = table.at("frameworks")
            self.findings.problem(where, f"no order of frameworks satisfies all of: {orders}")
            return parents

    def _runtime_of(self, table: Table, parents: tuple[str, ...]) -> str | None:
        runtimes = {parent: self._declared[parent].spec.runtime_name for parent in parents}
        if len(set(runtimes.values())) > 1:
            listed = ", ".join(f"{parent} on {runtime}" for parent, runtime in runtimes.items())
            self.findings.problem(table.at("frameworks"), f"are on different runtimes: {listed}")
        return next(iter(runtimes.values()), None)

    def _platforms(self, table: Table, below: _Below) -> tuple[Platform, ...]:
        inherited = self._common_platforms(below.all)
        own = read_platforms(table)
        if own is None:
            return inherited
        missing = [str(platform) for platform in own if below.all and platform not in inherited]
        if missing:
            what = f"a layer below is not made for {', '.join(missing)}"
            self.findings.problem(table.at("platforms"), what)
        return own

    def _common_platforms(self, below: Sequence[str]) -> tuple[Platform, ...]:
        if not below:
            return self.default_platforms
        sets = [self._declared[name].spec.platforms for name in below]
        return tuple(p for p in PLATFORMS.values() if all(p in platforms for platforms in sets))

    def _inherited(self, below: _Below) -> list[Inherited]:
        specs = [self._declared[name].spec for name in below.parents]
        return [Inherited(spec.env_name, spec.package_indexes) for spec in specs]
