"""What a specification says, after parsing: frozen values without behaviour of their own.

Everything here was checked by `parse.py`; nobody downstream looks at a TOML
value again. Nothing in here reads a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import Enum
from pathlib import Path
from typing import Any, Literal

from venvlayers.errors import Problem
from venvlayers.platforms import DEFAULT_TARGETS, Interpreter, Platform, PythonVersion, Targets
from venvlayers.spec.kinds import LayerKind
from venvlayers.values import frozen


class RuntimeSourceChoice(Enum):
    """Where runtime layers take their interpreter from."""

    AUTO = "auto"
    """Fetched when it can be fetched, else copied from this machine, with a warning."""
    MANAGED = "managed"
    """python-build-standalone or PyPy's own archives, fetched and verified by uv."""
    LOCAL = "local"
    """A relocated copy of an interpreter on this machine."""


@frozen
class PythonRequest:
    """The Python that a runtime asks for: a series (newest release) or an exact release.

    Attributes:
        implementation: One of `IMPLEMENTATIONS`.
        version: Of the language, for PyPy too, whose own releases have other numbers.
    """

    implementation: str
    version: PythonVersion

    def admits(self, python: Interpreter) -> bool:
        """Tell whether *python* is what is asked for."""
        return self.implementation == python.implementation and self.version.admits(python.version)

    def __str__(self) -> str:
        return f"{self.implementation}@{self.version}"


@frozen
class SourceModule:
    """A module of the project that is copied into an application: a ``.py`` file or a package."""

    path: Path

    @property
    def name(self) -> str:
        """The name that it is imported by, and run by with ``python -m``."""
        return self.path.name.removesuffix(".py")


class FindingKind(Enum):
    """The kinds of findings of the check of environments; the value is the name of the kind."""

    FOREIGN_MODULE = "foreign-module"
    """An extension module is for another platform."""
    OTHER_PYTHON = "other-python"
    """A module has files for other Pythons only."""
    DAMAGED_FILE = "damaged-file"
    """A program, library or extension module is cut or damaged."""
    MISSING_LIBRARY = "missing-library"
    """A library that is needed is in no layer, and not on every system."""
    LIBRARY_BELOW = "library-below"
    """A library that is needed is in a layer below, where the loader does not look."""
    NEWER_SYSTEM = "newer-system"
    """Something needs a newer system than the oldest that the layer is made for."""
    RECORD = "record"
    """A package's record differs from what is there."""
    FILE_OF_TWO = "file-of-two"
    """Two packages in one layer bring the same module."""
    ABSOLUTE_PATH = "absolute-path"
    """A file leads to one place of one machine."""
    HIDDEN_MODULE = "hidden-module"
    """A module hides a different one of another package in a layer below."""


@frozen
class Accepted:
    """Findings that are all right.

    Attributes:
        kind: Their kind.
        pattern: What has to match the package, the library or module, or the end of the path
            that a finding names; ``*`` for all.
    """

    kind: FindingKind
    pattern: str = "*"

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.pattern}"


@frozen
class Launch:
    """What starts an application.

    Attributes:
        module: A module, by the name that it is imported by.
        attribute: What is called in it, with dots; empty if it is run as ``python -m`` does.
        gui: Whether it is started without a console, where there is a difference.
        scripts: The names of the project's scripts, of which one may have been meant.
    """

    module: str
    attribute: str = ""
    gui: bool = False
    scripts: tuple[str, ...] = field(default=(), compare=False)

    def __str__(self) -> str:
        return f"{self.module}:{self.attribute}" if self.attribute else self.module


@frozen
class ProjectUse:
    """That a layer contains the project in the same file, and how.

    Attributes:
        extras: The project's extras that it is there with, normalised, sorted.
        is_below: Whether a layer below contains it already: then this one only has what
            the extras need.
        is_computed: Whether the layer's requirements lack those of the project, which only
            its wheel tells (`venvlayers.project.needs`).
        code_hash: ``sha256:<hex>`` of the code in the wheel, for a versioned layer that
            contains it; None while that is not known.
    """

    extras: tuple[str, ...] = ()
    is_below: bool = False
    is_computed: bool = False
    code_hash: str | None = None


@frozen
class ProjectSpec:
    """The project that a specification stands in, as its ``[project]`` table has it (PEP 621).

    Attributes:
        name: Its name, normalised (PEP 503).
        computed: What its build backend says of it instead: the fields in ``dynamic``.
    """

    name: str
    computed: frozenset[str] = frozenset()

    @property
    def needs_are_computed(self) -> bool:
        """Whether the table does not say what it depends on."""
        return not self.computed.isdisjoint(("dependencies", "optional-dependencies"))


@frozen
class LayerSpec:
    """One declared layer.

    Attributes:
        kind: Runtime, framework or application.
        name: The declared name, without prefix or version.
        requirements: Declared requirements (PEP 508), normalised, in the order declared.
        platforms: The platforms it is made for, never empty.
        lower: Names of the environments below it in path order, the runtime last;
            empty for a runtime.
        python: What a runtime asks for; None on other kinds.
        launch: What starts an application; None on other kinds.
        launch_module: What is copied into an application to be started; None if what starts
            it is installed, and on other kinds.
        support_modules: What else is copied, by name.
        project: How it contains the project; None if it does not.
        targets: The oldest systems that it is to run on.
        versioned: Whether the number of its lock is part of its deployed name.
        package_indexes: Names of packages, normalised, with the index that each comes from;
            those of the layers below included.
        priority_indexes: Indexes that are asked before others for this layer.
        dynlib_exclude: Shared libraries that upper layers are not to find.
        accepted_findings: What the check of its environment may find.
        scripts: The programs of its packages that are kept, as patterns; None for all.
    """

    kind: LayerKind
    name: str
    requirements: tuple[str, ...]
    platforms: tuple[Platform, ...]
    lower: tuple[str, ...] = ()
    python: PythonRequest | None = None
    launch: Launch | None = None
    launch_module: SourceModule | None = None
    support_modules: tuple[SourceModule, ...] = ()
    project: ProjectUse | None = None
    targets: Targets = DEFAULT_TARGETS
    versioned: bool = False
    package_indexes: Mapping[str, str] = field(default_factory=dict)
    priority_indexes: tuple[str, ...] = ()
    dynlib_exclude: tuple[str, ...] = ()
    accepted_findings: tuple[Accepted, ...] = ()
    scripts: tuple[str, ...] | None = None

    @property
    def env_name(self) -> str:
        """The name of its environment: unique in the stack, used for files and directories."""
        return f"{self.kind.prefix}{self.name}"

    def deployed_name(self, lock_version: int) -> str:
        """Return the directory that it is deployed as, which has a versioned layer's number."""
        return f"{self.env_name}@{lock_version}" if self.versioned else self.env_name

    @property
    def modules(self) -> tuple[SourceModule, ...]:
        """Everything that is copied into an application, what starts it first."""
        launched = (self.launch_module,) if self.launch_module else ()
        return (*launched, *self.support_modules)

    @property
    def has_wheel(self) -> bool:
        """Whether the project's wheel is installed in this layer itself."""
        return self.project is not None and not self.project.is_below

    @property
    def lock_needs_wheel(self) -> bool:
        """Whether its lock depends on the project's wheel in a way that is not known yet."""
        if self.project is None:
            return False
        its_number = self.versioned and self.has_wheel and self.project.code_hash is None
        return self.project.is_computed or its_number

    @property
    def runtime_name(self) -> str:
        """The environment name of the runtime that it runs on, its own for a runtime."""
        return self.lower[-1] if self.lower else self.env_name


Best = Literal["best"]
BEST: Best = "best"
"""Stands for the level that a format compresses hardest with."""


@frozen
class StackOptions:
    """What is said about the stack as a whole.

    Attributes:
        lock_dir: Where lock files are, absolute; None for ``requirements`` beside the file.
        build_dir: Where environments are, absolute; None for ``_build`` beside the file.
        runtime_source: Where interpreters come from.
        archive_format: How archives are packed, by name.
        compression_level: How hard; None for the format's default, `BEST` for its best.
        tag_outputs: Whether names of outputs have the platform in them; None for the shell's
            own default.
    """

    lock_dir: Path | None = None
    build_dir: Path | None = None
    runtime_source: RuntimeSourceChoice = RuntimeSourceChoice.AUTO
    archive_format: str = "tar.zst"
    compression_level: int | Best | None = None
    tag_outputs: bool | None = None


@frozen
class StackSpec:
    """All layers of one specification, each after the layers that it depends on.

    Attributes:
        path: The file that it was read from.
        layers: The enabled layers: runtimes, then frameworks, then applications.
        uv_settings: The settings for uv, as its ``[tool.uv]`` table has them, for resolution;
            names of packages in ``sources`` are normalised.
        table: The TOML path of the stack's own table; empty for the file as a whole.
        options: What is said about the stack as a whole.
        project: The project in the same file, if that is its ``pyproject.toml``.
        warnings: What works today and should be changed in the file.
    """

    path: Path
    layers: tuple[LayerSpec, ...]
    uv_settings: dict[str, Any]
    table: str = ""
    options: StackOptions = StackOptions()
    project: ProjectSpec | None = None
    warnings: tuple[Problem, ...] = ()

    @property
    def root(self) -> Path:
        """The directory that relative paths start from."""
        return self.path.parent

    def at(self, key: str) -> str:
        """Return the TOML path of one of the stack's own keys."""
        return f"{self.table}.{key}" if self.table else key

    def has_project(self, layer: LayerSpec) -> bool:
        """Tell whether *layer*, or one below it, contains the project."""
        return any(self.layer(name).project for name in layer.lower) or bool(layer.project)

    def layer(self, env_name: str) -> LayerSpec:
        """Return the layer whose environment is called *env_name*.

        Raises:
            KeyError: There is none.
        """
        for layer in self.layers:
            if layer.env_name == env_name:
                return layer
        raise KeyError(env_name)
