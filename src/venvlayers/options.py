"""The options of the command, each declared once, and how help texts group them.

What an option means is decided in `cli.py`, which turns them into a `Request`.
Every flag has a ``--no-...`` twin, and the last one given counts.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

_Function = TypeVar("_Function", bound=Callable[..., Any])
Decorator = Callable[[_Function], _Function]

LAYERS = "Which layers"
LOCKS = "Locks"
BUILDING = "Building"
OUTPUTS = "Outputs"
MESSAGES = "What is shown"
_HEADINGS = (LAYERS, LOCKS, BUILDING, OUTPUTS, MESSAGES)


class GroupedOption(click.Option):
    """An option that is listed under a heading of its own."""

    def __init__(self, *args: Any, heading: str, **more: Any) -> None:
        super().__init__(*args, **more)
        self.heading = heading

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the option's line, with a flag and its twin as ``--[no-]flag``."""
        record = super().get_help_record(ctx)
        if record is None or not self.secondary_opts:
            return record
        names, text = record
        flag, twin = self.opts[-1], self.secondary_opts[-1]
        return names.replace(f"{flag} / {twin}", flag.replace("--", "--[no-]")), text


class GroupedCommand(click.Command):
    """A command whose help lists its options under their headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, heading by heading, in the order of declaration."""
        sections: dict[str, list[tuple[str, str]]] = {heading: [] for heading in _HEADINGS}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                sections[getattr(parameter, "heading", MESSAGES)].append(record)
        for heading, records in sections.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


def _option(heading: str, *names: str, **more: Any) -> Decorator[Any]:
    return click.option(*names, cls=GroupedOption, heading=heading, **more)


def _flag(heading: str, name: str, text: str, *, default: bool | None = False, **more: Any) -> Any:
    """Return a flag and its twin; *text* says what the flag does."""
    return _option(
        heading, f"--{name}/--no-{name}", name.replace("-", "_"), default=default, help=text, **more
    )


def _patterns(heading: str, name: str, text: str) -> Decorator[Any]:
    return _option(heading, name, multiple=True, metavar="PATTERN", help=text)


def _directory(heading: str, name: str, text: str, **more: Any) -> Decorator[Any]:
    return _option(heading, name, type=click.Path(path_type=Path), help=text, **more)


SPEC = click.argument("spec", default=".", type=click.Path(path_type=Path))

INCLUDE = _patterns(
    LAYERS, "--include", "A layer, or a pattern such as 'app-*'; repeatable. [default: all]"
)
ALLOW_MISSING = _flag(LAYERS, "allow-missing", "Only warn about a pattern that matches no layer.")
LOCK_DEPENDENCIES = _flag(
    LAYERS,
    "lock-dependencies",
    "Lock what included layers depend on as they are, not only if needed.",
    default=None,
)
BUILD_DEPENDENCIES = _flag(
    LAYERS,
    "build-dependencies",
    "Build what included layers depend on as they are, not only if needed.",
    default=None,
)
PUBLISH_DEPENDENCIES = _flag(
    LAYERS, "publish-dependencies", "Also publish what included layers depend on.", default=None
)
INCLUDE_DEPENDENCIES = _flag(
    LAYERS,
    "include-dependencies",
    "All three of those: lock, build and publish dependencies.",
    default=None,
)
BUILD_DERIVED = _flag(
    LAYERS, "build-derived", "Also build what depends on included layers.", default=None
)
PUBLISH_DERIVED = _flag(
    LAYERS, "publish-derived", "Also publish what depends on included layers.", default=None
)

IF_NEEDED = _flag(LOCKS, "if-needed", "Skip layers whose locks are valid.")
LOCK_IF_NEEDED = _flag(
    LOCKS, "lock-if-needed", "First lock layers whose locks are missing or outdated."
)
LOCK = _option(
    LOCKS, "--lock/--no-lock", "lock_if_needed", help="As --lock-if-needed.", hidden=True
)
UPGRADE = _flag(LOCKS, "upgrade", "Take the newest versions that fit of all packages.")
UPGRADE_PACKAGE = _option(
    LOCKS,
    "--upgrade-package",
    multiple=True,
    metavar="NAME",
    help="Take the newest version of this package; repeatable.",
)
RESET_LOCK = _patterns(
    LOCKS, "--reset-lock", "Forget the locks of these layers, of those that are locked."
)
LOCKED = _flag(LOCKS, "locked", "Fail rather than change a lock; so does VENVSTACKS_LOCKED=1.")
INDEX = _option(
    LOCKS,
    "--index/--no-index",
    "use_index",
    default=True,
    help="Whether to lock from package indexes.  [default: index]",
)
LOCAL_WHEELS = _directory(
    LOCKS,
    "--local-wheels",
    "A directory of wheels to lock from too; repeatable.",
    multiple=True,
    metavar="DIR",
)

BUILD_DIR = _directory(
    BUILDING, "--build-dir", "Where environments are.  [default: _build]", metavar="DIR"
)
PLATFORM = _option(
    BUILDING,
    "--platform",
    "platforms",
    multiple=True,
    metavar="NAME",
    help="A platform to make layers for, or all; repeatable.  [default: this machine's]",
)
CLEAN = _flag(BUILDING, "clean", "Remove the environments of the layers first.")
BUILD = _option(
    BUILDING,
    "--build/--no-build",
    "build",
    default=True,
    help="Whether environments may be built.  [default: build]",
)


def output_dir(default: str) -> Decorator[Any]:
    """Return the option that says where outputs go."""
    text = f"Where outputs go.  [default: {default}]"
    return _directory(OUTPUTS, "--output-dir", text, metavar="DIR")


PUBLISH = _flag(OUTPUTS, "publish", "Also pack what was built.")
TAG_OUTPUTS = _flag(OUTPUTS, "tag-outputs", "Put the platform into file names.", default=None)
FORMAT = _option(
    OUTPUTS,
    "--format",
    "archive_format",
    metavar="NAME",
    help="How to pack, such as tar.zst or zip.  [default: tar.zst]",
)
LEVEL = _option(OUTPUTS, "--compression-level", type=int, help="How hard to compress.")
BEST = _flag(
    OUTPUTS,
    "best",
    "Compress as hard as the format can, for a release; so does VENVSTACKS_BEST=1.",
    default=None,
)
FORCE = _flag(OUTPUTS, "force", "Make outputs anew that are up to date.")
DRY_RUN = _flag(OUTPUTS, "dry-run", "Only print the metadata that would be written, as JSON.")

SHOW = _flag(MESSAGES, "show", "Show the layers, and what is done with each, first.")
SHOW_ONLY = _flag(
    MESSAGES, "show-only", "Show that, and do nothing; so does --json alone.", default=None
)
JSON = _option(
    MESSAGES,
    "--json/--no-json",
    "as_json",
    default=False,
    help="Print JSON; with --show, also of what was done.",
)
PLAIN_JSON = _option(MESSAGES, "--json/--no-json", "as_json", default=False, help="Print JSON.")
VERBOSE = _option(
    MESSAGES,
    "-v",
    "--verbose",
    count=True,
    help="Show what is run and decided; twice: what uv is given, and says.",
)
QUIET = _option(
    MESSAGES, "-q", "--quiet/--no-quiet", "quiet", default=False, help="Show only errors."
)


def options(*decorators: Decorator[Any]) -> Decorator[Any]:
    """Return a decorator that adds options, listed in this order."""

    def decorate(function: Any) -> Any:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate
