"""The JSON schema (draft 07) of the table ``[tool.venvstacks]``, made from `keys.py`.

For editors and validators. It says what can be said of values one by one; what they
mean together (does that framework exist, in what order) is the parser's to check.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from venvlayers.spec.keys import LAYERS, STACK, Key, ValueType
from venvlayers.spec.kinds import LayerKind

SHIPPED = Path(__file__).with_name("venvstacks.schema.json")
"""The file with `table_schema`, made by ``tools/generate.py``."""

_DRAFT = "http://json-schema.org/draft-07/schema#"
_TEXT = {"type": "string"}
_SHAPES: Mapping[ValueType, dict[str, Any]] = {
    ValueType.TEXT: _TEXT,
    ValueType.TEXTS: {"type": "array", "items": _TEXT},
    ValueType.TEXT_TABLE: {"type": "object", "additionalProperties": _TEXT},
    ValueType.BOOLEAN: {"type": "boolean"},
    ValueType.BOOLEAN_OR_TEXTS: {"type": ["boolean", "array"], "items": _TEXT},
    ValueType.INTEGER_OR_TEXT: {"type": ["integer", "string"]},
}


_ALTERNATIVES = (("runtime", "frameworks"), ("launch_module", "launch"))
"""Keys of which a layer that knows them has exactly one."""


def tool_schema(tool_name: str) -> dict[str, Any]:
    """Return the schema for ``validate-pyproject``, which finds this by its entry point.

    Args:
        tool_name: The tool that it asks for; there is one.
    """
    del tool_name
    schema: dict[str, Any] = json.loads(SHIPPED.read_text("utf-8"))
    return schema


def table_schema() -> dict[str, Any]:
    """Return the schema of the table ``[tool.venvstacks]``."""
    return {
        "$schema": _DRAFT,
        "$id": "urn:hatch-venvstacks:tool.venvstacks",
        "title": "Layered virtual environments (hatch-venvstacks)",
        **_table(STACK),
    }


def document_schema() -> dict[str, Any]:
    """Return the schema of a whole file: of a ``venvstacks.toml``, or of a ``pyproject.toml``.

    At the top level everything else is allowed too.
    """
    stack = _table(STACK)
    tool = {"type": "object", "properties": {"venvstacks": stack}}
    return {
        "$schema": _DRAFT,
        "$id": "urn:hatch-venvstacks:document",
        "title": "A file that declares layered virtual environments (hatch-venvstacks)",
        "type": "object",
        "properties": {**stack["properties"], "tool": tool},
        "patternProperties": stack["patternProperties"],
    }


def _table(keys: Sequence[Key]) -> dict[str, Any]:
    """Return the schema of a table with these keys.

    The other spelling of a key is a pattern, so that editors do not propose both.
    """
    schemas = {key.name: _value(key) for key in keys}
    others = {_other_spelling(name): name for name in schemas if _other_spelling(name) != name}
    return {
        "type": "object",
        "properties": schemas,
        "patternProperties": {f"^{other}$": schemas[name] for other, name in others.items()},
        "additionalProperties": False,
    }


def _other_spelling(name: str) -> str:
    return name.replace("-", "_") if "-" in name else name.replace("_", "-")


def _value(key: Key) -> dict[str, Any]:
    if key.type is ValueType.LAYERS:
        layer = _layer(LAYERS[LayerKind(key.name)])
        return {"description": _description(key), "type": "array", "items": layer}
    about: dict[str, Any] = {"description": _description(key)}
    if key.type is ValueType.SWITCH:
        return about | {"anyOf": [{"type": "boolean"}, _table(key.inside)]}
    if key.deprecated:
        about["deprecated"] = True  # of a later draft; editors know it all the same
    shape = dict(_SHAPES[key.type])
    limits: dict[str, Any] = {"enum": list(key.one_of)} if key.one_of else {}
    if key.pattern:
        limits["pattern"] = key.pattern
    if key.type is ValueType.TEXTS:
        shape["items"] = _TEXT | limits
    else:
        shape |= limits
    return about | shape | dict(key.extra)


def _description(key: Key) -> str:
    return f"{key.doc} Default: {key.default}." if key.default else key.doc


def _layer(keys: Sequence[Key]) -> dict[str, Any]:
    spellings = [_spellings(keys, key) for key in keys if key.required]
    plain = [names[0] for names in spellings if len(names) == 1]
    rules = [_any_of(names) for names in spellings if len(names) > 1]
    for alternatives in _ALTERNATIVES:
        found = [key for key in keys if key.name in alternatives]
        if found:
            rules.append({"oneOf": [_any_of(_spellings(keys, key)) for key in found]})
    return {**_table(keys), "required": plain, "allOf": rules}


def _spellings(keys: Sequence[Key], required: Key) -> list[str]:
    """Return the names, older ones included, of which one has to be there."""
    names = [required.name, *(key.name for key in keys if key.older_name_of == required.name)]
    return list(dict.fromkeys(text for name in names for text in (name, _other_spelling(name))))


def _any_of(names: Sequence[str]) -> dict[str, Any]:
    required: list[dict[str, Any]] = [{"required": [name]} for name in names]
    return {"anyOf": required} if len(required) > 1 else required[0]


if __name__ == "__main__":
    print(json.dumps(document_schema(), indent=2))  # noqa: T201 - this is a command
