"""Which index a layer's packages come from: what it says, and what it inherits from below.

Indexes themselves are declared in uv's settings; here there are only their names.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from venvlayers.spec.table import Table, did_you_mean, toml_key
from venvlayers.values import frozen


@frozen(kw_only=False)
class Inherited:
    """What one layer directly below has: its environment name, and packages with indexes."""

    env_name: str
    indexes: Mapping[str, str]


def read_package_indexes(
    table: Table, below: Sequence[Inherited], known: Collection[str]
) -> dict[str, str]:
    """Return the index of every package that has one, by normalised name.

    A layer's own entries win over inherited ones, and those of nearer layers over those of
    others; but each such choice between two indexes has to be accepted by `index_overrides`.

    Args:
        table: The layer's.
        below: The layers directly below, nearest first; theirs include what they inherit.
        known: The names of all indexes.
    """
    overrides = _overrides(table, known)
    own = _own(table, known)
    merged, source = dict(own), dict.fromkeys(own, "")
    for layer in below:
        for package, index in layer.indexes.items():
            used = merged.setdefault(package, index)
            nearer = source.setdefault(package, layer.env_name)
            if _is_accepted(index, used, overrides):
                continue
            if nearer:
                what = f"{package!r} comes from {used!r} in {nearer}, and from {index!r} in"
                _refuse(table, "frameworks", f"{what} {layer.env_name}", index, used)
            else:
                what = f"{package!r} comes from {index!r} in {layer.env_name} below"
                _refuse(table, "package_indexes", what, index, used)
    return merged


def _is_accepted(given_up: str, used: str, overrides: Mapping[str, str]) -> bool:
    """Tell whether *used* stands in for *given_up*, perhaps by way of others."""
    seen = set()
    while given_up != used:
        if given_up in seen or given_up not in overrides:
            return False
        seen.add(given_up)
        given_up = overrides[given_up]
    return True


def _refuse(table: Table, key: str, what: str, given_up: str, used: str) -> None:
    entry = f'index_overrides = {{ {toml_key(given_up)} = "{used}" }}'
    table.findings.problem(table.at(key), what, f"to accept {used!r} here, add: {entry}")


def _own(table: Table, known: Collection[str]) -> dict[str, str]:
    declared = table.text_table("package_indexes")
    if not declared:
        return {}
    normalized = normalized_names(table, "package_indexes", declared)
    for package, index in declared.items():
        if index not in known:
            where = f"{table.at('package_indexes')}.{toml_key(package)}"
            table.findings.problem(where, *unknown_index(index, known))
    return {package: declared[spelt] for package, spelt in normalized.items()}


def normalized_names(table: Table, key: str, declared: Mapping[str, object]) -> dict[str, str]:
    """Return the names of packages normalised, each with its spelling; duplicates are noted."""
    from packaging.utils import canonicalize_name  # noqa: PLC0415 - only few files need it

    found: dict[str, str] = {}
    for spelt in declared:
        name = canonicalize_name(spelt)
        if name in found:
            where = f"{table.at(key)}.{toml_key(spelt)}"
            table.findings.problem(where, f"is the same package as {found[name]!r}")
        found.setdefault(name, spelt)
    return found


def unknown_index(name: str, known: Collection[str]) -> tuple[str, str]:
    """Return what is wrong with the name of an index that does not exist, and what to do."""
    listed = f"known are {', '.join(sorted(known))}" if known else "declare it in [[tool.uv.index]]"
    return f"there is no index {name!r}", did_you_mean(name, known) or listed


def _overrides(table: Table, known: Collection[str]) -> dict[str, str]:
    overrides = table.text_table("index_overrides")
    for given_up, used in overrides.items():
        for name in (given_up, used):
            if name not in known:
                what, meant = unknown_index(name, known)
                where = f"{table.at('index_overrides')}.{toml_key(given_up)}"
                table.findings.warning(where, f"has no effect: {what}", meant)
    return overrides


def read_priority_indexes(table: Table, known: Collection[str]) -> tuple[str, ...]:
    """Return the indexes that the layer wants to be asked first, in its order."""
    names = table.strings("priority_indexes") or []
    for position, name in enumerate(names):
        if name not in known:
            where = f"{table.at('priority_indexes')}[{position}]"
            table.findings.problem(where, *unknown_index(name, known))
    return tuple(dict.fromkeys(names))
