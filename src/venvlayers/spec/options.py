"""What a specification says about the stack as a whole, besides its layers."""

from __future__ import annotations

from pathlib import Path

from venvlayers.spec.model import BEST, Best, RuntimeSourceChoice, StackOptions
from venvlayers.spec.table import Table, did_you_mean
from venvlayers.spec.values import file_path

_DEFAULTS = StackOptions()


def read_options(table: Table, root: Path) -> StackOptions:
    """Read the options of a stack; whether there is such an archive format shows later.

    Args:
        table: The stack's own.
        root: The project's directory.
    """
    lock_dir, build_dir = (_directory(table, key, root) for key in ("lock_dir", "build_dir"))
    options = StackOptions(
        lock_dir=lock_dir,
        build_dir=build_dir,
        runtime_source=_runtime_source(table),
        archive_format=table.string("archive_format") or _DEFAULTS.archive_format,
        compression_level=_compression_level(table),
        tag_outputs=table.boolean("tag_outputs"),
    )
    if build_dir and root.is_relative_to(build_dir):
        what = "is a directory that has the project in it"
        table.findings.problem(table.at("build_dir"), what, "choose one of its own")
        return options
    build, lock = build_dir or root / "_build", lock_dir or root / "requirements"
    if lock.is_relative_to(build):
        key = "lock_dir" if "lock_dir" in table else "build_dir"
        what = "puts the locks, which are to be kept, into the build directory, which is not"
        table.findings.problem(table.at(key), what, "choose directories apart from each other")
    return options


def _runtime_source(table: Table) -> RuntimeSourceChoice:
    known = [choice.value for choice in RuntimeSourceChoice]
    return RuntimeSourceChoice(
        table.choice("runtime_source", known, _DEFAULTS.runtime_source.value)
    )


def _compression_level(table: Table) -> int | Best | None:
    key = "compression_level"
    declared = table.raw(key)
    if not isinstance(declared, str):
        return table.integer(key, lowest=0)
    if declared != BEST:
        hint = f"write {declared}" if declared.isdecimal() else did_you_mean(declared, [BEST])
        table.findings.problem(
            table.at(key), f'must be an integer or "best", not {declared!r}', hint
        )
        return None
    return BEST


def _directory(table: Table, key: str, root: Path) -> Path | None:
    declared = table.string(key)
    if declared is None:
        return None
    if not declared:
        table.findings.problem(table.at(key), "must not be empty")
        return None
    return file_path(root, declared)
