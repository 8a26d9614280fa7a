"""The settings for uv that belong to a stack: where they stand, and what we rely on in them.

Nothing is decided here about which of them are used (`lock/settings.py`), and what
nobody of us looks into is left to uv to check.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from venvlayers.spec.indexes import normalized_names, unknown_index
from venvlayers.spec.table import Findings, Table, toml_key, type_name
from venvlayers.values import frozen

FILE = "venvstacks.uv.toml"
"""Settings beside a ``venvstacks.toml`` that has no ``[tool.uv]``."""


@frozen(kw_only=False)
class UvSettings:
    """Settings for uv.

    Attributes:
        values: As in ``[tool.uv]``; the packages in ``sources`` have normalised names.
        indexes: The names of its indexes.
    """

    values: dict[str, Any]
    indexes: frozenset[str]


def read_uv_settings(value: Any, where: str, findings: Findings, *, standalone: bool) -> UvSettings:
    """Check settings of uv as far as we look into them.

    Args:
        value: The table.
        where: Its TOML path; the name of its file if it is one.
        findings: Where mistakes go.
        standalone: Whether it is a stack's own. What a project says of its packages is
            its own business, until a layer needs one of them.
    """
    table = Table(value, where, findings)
    settings = dict(value) if isinstance(value, dict) else {}
    table.strings("constraint_dependencies")
    indexes = list(table.tables("index"))
    for key, address in _addresses(table, indexes):
        _refuse_password(findings, key, address)
    names = frozenset(name for index in indexes if (name := index.string("name")))
    if "sources" in table:
        settings["sources"] = _sources(table, settings["sources"], names if standalone else None)
    return UvSettings(settings, names)


def _addresses(table: Table, indexes: Sequence[Table]) -> Iterator[tuple[str, str]]:
    for index in indexes:
        yield index.at("url"), index.string("url", required=True) or ""
    yield table.at("index_url"), table.string("index_url") or ""
    for key in ("extra_index_url", "find_links"):
        for position, address in enumerate(table.strings(key) or ()):
            yield f"{table.at(key)}[{position}]", address


def _refuse_password(findings: Findings, where: str, address: str) -> None:
    """Refuse a password in an address: it would end up in files that are committed."""
    if re.match(r"[a-zA-Z]+://[^/]*@", address) and urlsplit(address).password:
        meant = "set UV_INDEX_<NAME>_USERNAME and UV_INDEX_<NAME>_PASSWORD in the environment"
        findings.problem(where, "has a password in it", meant)


def _sources(table: Table, sources: Any, indexes: frozenset[str] | None) -> dict[str, Any]:
    """Return the sources by normalised name; *indexes* are those that they have to name."""
    if not isinstance(sources, dict):
        table.findings.problem(table.at("sources"), f"must be a table, not {type_name(sources)}")
        return {}
    for package, source in sources.items() if indexes is not None else ():
        where = f"{table.at('sources')}.{toml_key(package)}"
        for choice in source if isinstance(source, list) else [source]:
            index = choice.get("index") if isinstance(choice, dict) else None
            if not isinstance(index, str):
                what = "must name an index: layers are made of wheels from indexes"
                table.findings.problem(where, what, 'write { index = "NAME" }')
            elif index not in (indexes or ()):
                table.findings.problem(where, *unknown_index(index, indexes or ()))
    spelt = normalized_names(table, "sources", sources)
    return {name: sources[spelling] for name, spelling in spelt.items()}
