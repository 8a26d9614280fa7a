"""Every key of the table ``[tool.venvstacks]``: its type, where it stands, what it means.

The one description that the parser, the JSON schema (`schema.py`) and the reference
page are made from. What values mean together is checked where they are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import Enum
from typing import Any

from venvlayers.platforms import PLATFORMS
from venvlayers.spec.kinds import LayerKind
from venvlayers.spec.model import FindingKind, RuntimeSourceChoice
from venvlayers.values import frozen


class ValueType(Enum):
    """The types of values; each value names the type for people."""

    TEXT = "string"
    TEXTS = "array of strings"
    TEXT_TABLE = "table of strings"
    BOOLEAN = "boolean"
    BOOLEAN_OR_TEXTS = "boolean or array of strings"
    INTEGER_OR_TEXT = "integer or string"
    LAYERS = "array of tables"
    SWITCH = "boolean or table"


@frozen
class Key:
    """One key.

    Attributes:
        name: As it is written in documents; a hyphen stands for an underscore too.
        type: Of its value.
        doc: What it means: sentences in Markdown.
        default: What holds without it, in Markdown; empty if that is nothing.
        required: Whether it has to be there.
        deprecated: What to do about it; None if it is current.
        older_name_of: The key that it means; None if it has no effect, or is current.
        one_of: The values (of an array: the items) that there are; empty for any.
        pattern: What a text has to look like (a regular expression of ECMA 262).
        example: A value as TOML.
        extra: More that a JSON schema can say of it.
        inside: The keys of the table that it may be.
    """

    name: str
    type: ValueType
    doc: str
    default: str = ""
    required: bool = False
    deprecated: str | None = None
    older_name_of: str | None = None
    one_of: tuple[str, ...] = ()
    pattern: str | None = None
    example: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    inside: tuple[Key, ...] = ()

    @property
    def getter_name(self) -> str:
        """Its name as `Table` knows it."""
        return self.name.replace("-", "_")


_PLATFORM_NAMES = tuple(PLATFORMS)

STACK = (
    Key(
        name=LayerKind.RUNTIME.value,
        type=ValueType.LAYERS,
        doc="The runtime layers: a Python, and what every layer on it shares.",
    ),
    Key(
        name=LayerKind.FRAMEWORK.value,
        type=ValueType.LAYERS,
        doc="The framework layers, each after those that it names.",
    ),
    Key(
        name=LayerKind.APPLICATION.value,
        type=ValueType.LAYERS,
        doc="The application layers, each with a module to run.",
    ),
    Key(
        name="platforms",
        type=ValueType.TEXTS,
        doc="The platforms of runtimes that do not name their own.",
        default="all six",
        one_of=_PLATFORM_NAMES,
        example='["linux_x86_64", "win_amd64"]',
    ),
    Key(
        name="lock-dir",
        type=ValueType.TEXT,
        doc="The directory of the lock files, which are to be committed.",
        default="`requirements`",
    ),
    Key(
        name="build-dir",
        type=ValueType.TEXT,
        doc="The directory of environments and of what is remembered about them; "
        "it can be deleted at any time.",
        default="`_build`",
    ),
    Key(
        name="runtime-source",
        type=ValueType.TEXT,
        doc="Where interpreters come from: `managed` fetches python-build-standalone or PyPy, "
        "`local` copies an interpreter of this machine, `auto` fetches if it can and copies "
        "if not.",
        default="`auto`",
        one_of=tuple(choice.value for choice in RuntimeSourceChoice),
    ),
    Key(
        name="archive-format",
        type=ValueType.TEXT,
        doc="How archives are packed: `tar.zst`, `tar.xz`, `tar.gz`, `tar`, `zip`, or what a "
        "plugin adds.",
        default="`tar.zst`",
    ),
    Key(
        name="compression-level",
        type=ValueType.INTEGER_OR_TEXT,
        doc="How hard archives are compressed; which levels there are depends on the format. "
        '`"best"` is the one for releases: the smallest archives, in a multiple of the time.',
        default="the format's own",
        extra={"minimum": 0, "pattern": "^best$"},
    ),
    Key(
        name="tag-outputs",
        type=ValueType.BOOLEAN,
        doc="Whether names of archives and manifests have the platform in them.",
        default="`true` through Hatch, `false` for the command",
    ),
)
"""What is said about the stack as a whole."""

_EVERY_LAYER = (
    Key(
        name="name",
        type=ValueType.TEXT,
        doc="Its name, distinct among layers of its kind. Its environment is called `NAME`, "
        "`framework-NAME` or `app-NAME`.",
        required=True,
        extra={"minLength": 1, "maxLength": 100},
    ),
    Key(
        name="requirements",
        type=ValueType.TEXTS,
        doc="What it needs, as in `[project.dependencies]`; may be empty.",
        required=True,
        example='["numpy", "scipy>=1.14"]',
    ),
    Key(
        name="dependency_groups",
        type=ValueType.TEXTS,
        doc="Groups of `[dependency-groups]` (PEP 735) in the same file that it needs too, with "
        "what they include.",
        example='["ml"]',
    ),
    Key(
        name="extras",
        type=ValueType.TEXTS,
        doc="Extras of `[project.optional-dependencies]` in the same file that it needs too; the "
        "project itself is not among that.",
        example='["gpu"]',
    ),
    Key(
        name="platforms",
        type=ValueType.TEXTS,
        doc="What it is made for. An empty array disables the layer and what stands on it.",
        default="those of all the layers below; for a runtime, those of the stack",
        one_of=_PLATFORM_NAMES,
    ),
    Key(
        name="versioned",
        type=ValueType.BOOLEAN,
        doc="Whether the number of its lock is part of its deployed name: `NAME@3`.",
        default="`false`",
    ),
    Key(
        name="linux_target",
        type=ValueType.TEXT,
        doc="The oldest C library of Linux that it is to run with: `glibc@X.Y`, or `glibc`.",
        default="`glibc@2.28`",
        pattern=r"^glibc(@[0-9]+\.[0-9]+)?$",
        example='"glibc@2.34"',
    ),
    Key(
        name="macosx_target",
        type=ValueType.TEXT,
        doc="The oldest macOS that it is to run on.",
        default="the variable `MACOSX_DEPLOYMENT_TARGET`, else `13.0`",
        pattern=r"^[0-9]+(\.[0-9]+)?$",
        example='"14.0"',
    ),
    Key(
        name="package_indexes",
        type=ValueType.TEXT_TABLE,
        doc="Packages that come from a certain index of `[tool.uv]`, by the index's name. "
        "Holds for the layers above too.",
        example='{ torch = "pytorch-cpu" }',
    ),
    Key(
        name="index_overrides",
        type=ValueType.TEXT_TABLE,
        doc="Where this layer and those below it take a package from different indexes: "
        "the index that gives way, and the one that is used.",
        example='{ pytorch-cpu = "pytorch-cu128" }',
    ),
    Key(
        name="priority_indexes",
        type=ValueType.TEXTS,
        doc="Indexes that are asked before all others, for this layer alone; "
        "those marked `explicit` then are asked for every package.",
    ),
    Key(
        name="dynlib_exclude",
        type=ValueType.TEXTS,
        doc="Shared libraries that layers above are not to find: patterns that the end of a "
        'path has to match; `["*"]` for all.',
    ),
    Key(
        name="accepted_findings",
        type=ValueType.TEXTS,
        doc="What the check of its environment may find: the kind of a finding, for all of that "
        "kind, or `KIND:PATTERN`, where the pattern has to match the package, the library or "
        "module, or the end of the path that it names. "
        f"The kinds are {', '.join(f'`{kind.value}`' for kind in FindingKind)}.",
        pattern=rf"^({'|'.join(kind.value for kind in FindingKind)})(:.+)?$",
        example='["missing-library:libcuda.so.1"]',
    ),
    Key(
        name="scripts",
        type=ValueType.BOOLEAN_OR_TEXTS,
        doc="Which programs of its packages are kept in its `bin` (`Scripts` on Windows): names, "
        "or patterns with `*`; `false` for none.",
        default="`true`: all",
        example='["uvicorn", "alembic*"]',
    ),
    Key(
        name="build_requirements",
        type=ValueType.TEXTS,
        doc="Was for builds from source; layers are made of wheels.",
        deprecated="remove it: nothing is built from source",
    ),
)

_RUNTIME = (
    Key(
        name="python_implementation",
        type=ValueType.TEXT,
        doc="Its Python: `cpython@3.12` is the newest release when it is locked, "
        "`cpython@3.12.7` is exactly that one; `pypy@3.11` and `pypy@3.11.15` are PyPys, by the "
        "Python that they implement.",
        required=True,
        pattern=r"^(cpython|pypy)@[0-9]+\.[0-9]+(\.[0-9]+)?$",
        example='"cpython@3.12"',
    ),
    Key(
        name="fully_versioned_name",
        type=ValueType.TEXT,
        doc="The older name of `python_implementation`.",
        deprecated="call it 'python_implementation'",
        older_name_of="python_implementation",
    ),
)

PROJECT = (
    Key(
        name="extras",
        type=ValueType.TEXTS,
        doc="Extras of the project that it is there with.",
    ),
)
"""What can be said of the project in a layer."""

_ABOVE_A_RUNTIME = (
    Key(
        name="runtime",
        type=ValueType.TEXT,
        doc="The runtime below it; either this or `frameworks` has to be there.",
    ),
    Key(
        name="frameworks",
        type=ValueType.TEXTS,
        doc="The frameworks below it, nearest first. They bring their runtime and their own "
        "frameworks, in Python's method resolution order.",
        extra={"minItems": 1},
    ),
    Key(
        name="project",
        type=ValueType.SWITCH,
        doc="Whether it contains the project itself, from the wheel that the project's own build "
        "backend makes, with what that depends on; where a layer below contains it, it is not "
        "there twice. A table says with which `extras`.",
        default="`false`",
        example='{ extras = ["server"] }',
        inside=PROJECT,
    ),
)

_APPLICATION = (
    Key(
        name="launch_module",
        type=ValueType.TEXT,
        doc="What starts it, copied into the layer and run as by `python -m`: a `.py` file, or a "
        "package directory with a `__main__.py`, of the project. Either this or `launch` has to "
        "be there.",
        example='"src/my_app"',
    ),
    Key(
        name="launch",
        type=ValueType.TEXT,
        doc="What starts it, of what its layers have: a module, run as by `python -m`; a function, "
        "`module:function`; or the name of one of `[project.scripts]`.",
        example='"my_app.cli:main"',
        extra={"minLength": 1},
    ),
    Key(
        name="support_modules",
        type=ValueType.TEXTS,
        doc="More modules that are copied beside it: `.py` files or package directories, "
        "also from elsewhere than the project.",
        example='["src/helpers.py", "../shared"]',
    ),
)

LAYERS: Mapping[LayerKind, tuple[Key, ...]] = {
    LayerKind.RUNTIME: (*_EVERY_LAYER, *_RUNTIME),
    LayerKind.FRAMEWORK: (*_EVERY_LAYER, *_ABOVE_A_RUNTIME),
    LayerKind.APPLICATION: (*_EVERY_LAYER, *_ABOVE_A_RUNTIME, *_APPLICATION),
}
"""What is said about a layer, by its kind."""


def getter_names(keys: tuple[Key, ...]) -> tuple[str, ...]:
    """Return the names of *keys* as `Table` knows them."""
    return tuple(key.getter_name for key in keys)
