"""Reading TOML tables: typed getters that note every mistake and go on.

A `Table` knows its place in the file, so each `Problem` has its full TOML path.
Getters return a usable value even after a mistake; whoever reads the whole file
raises once, with all of them. What the keys mean is not known here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from venvlayers.errors import Problem


class Findings:
    """The mistakes and warnings found so far in one file."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []

    def problem(self, where: str, what: str, suggestion: str | None = None) -> None:
        """Note a mistake that makes the file unusable."""
        problem = Problem(where=where, what=what, suggestion=suggestion)
        if problem not in self.problems:
            self.problems.append(problem)

    def warning(self, where: str, what: str, suggestion: str | None = None) -> None:
        """Note something that works today and should be changed."""
        self.warnings.append(Problem(where=where, what=what, suggestion=suggestion))


def did_you_mean(word: str, known: Iterable[str], *, closeness: float = 0.6) -> str | None:
    """Return ``did you mean 'x'?`` if *word* is close (0 to 1) to one of *known*."""
    from difflib import get_close_matches  # noqa: PLC0415 - for mistakes only

    close = get_close_matches(word.casefold(), list(known), n=1, cutoff=closeness)
    return f"did you mean {close[0]!r}?" if close else None


class Table:
    """One table of the file.

    Keys may be spelt with hyphens or underscores; getters take underscores.

    Args:
        value: The table as parsed; anything else is noted as a problem.
        where: Its TOML path.
        findings: Where mistakes go.
    """

    def __init__(self, value: Any, where: str, findings: Findings) -> None:
        self.where = where
        self.findings = findings
        self._entries: dict[str, Any] = {}
        self._spelling: dict[str, str] = {}
        if not isinstance(value, dict):
            findings.problem(where, f"must be a table, not {type_name(value)}")
            return
        for key, entry in value.items():
            name = key.replace("-", "_")
            if name in self._entries:
                findings.problem(self.at(key), f"is the same key as {self._spelling[name]!r}")
            self._entries[name] = entry
            self._spelling[name] = key

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def at(self, key: str) -> str:
        """Return the TOML path of *key* in this table, as spelt in the file."""
        spelt = self._spelling.get(key, key) if hasattr(self, "_spelling") else key
        return f"{self.where}.{spelt}" if self.where else spelt

    def raw(self, key: str) -> Any:
        """Return a value as it stands in the file, unchecked; None if it is absent."""
        return self._entries.get(key)

    def only(self, known: Iterable[str]) -> None:
        """Note every key that is not one of *known*."""
        names = list(known)
        for key in self._entries:
            if key not in names:
                spelt = self._spelling[key]
                self.findings.problem(self.at(key), "unknown key", did_you_mean(spelt, names))

    def string(self, key: str, *, required: bool = False) -> str | None:
        """Return a string; None if it is absent or something else."""
        value = self._get(key, required=required)
        if value is None or isinstance(value, str):
            return value
        hint = f'write "{value}"' if type(value) in (int, float) else None
        self.findings.problem(self.at(key), f"must be a string, not {type_name(value)}", hint)
        return None

    def strings(self, key: str, *, required: bool = False) -> list[str] | None:
        """Return an array of strings; None if it is absent or not an array."""
        value = self._get(key, required=required)
        if value is None:
            return None
        if not isinstance(value, list):
            hint = f"write [{value!r}]".replace("'", '"') if isinstance(value, str) else None
            what = f"must be an array of strings, not {type_name(value)}"
            self.findings.problem(self.at(key), what, hint)
            return None
        for index, item in enumerate(value):
            if not isinstance(item, str):
                where = f"{self.at(key)}[{index}]"
                self.findings.problem(where, f"must be a string, not {type_name(item)}")
        return [item for item in value if isinstance(item, str)]

    def boolean(self, key: str) -> bool | None:
        """Return a boolean; None if it is absent or something else."""
        value = self._get(key, required=False)
        if value is None or isinstance(value, bool):
            return value
        self.findings.problem(self.at(key), f"must be true or false, not {type_name(value)}")
        return None

    def integer(self, key: str, *, lowest: int) -> int | None:
        """Return an integer of at least *lowest*; None if it is absent or something else."""
        value = self._get(key, required=False)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool):
            self.findings.problem(self.at(key), f"must be an integer, not {type_name(value)}")
            return None
        if value < lowest:
            self.findings.problem(self.at(key), f"must be at least {lowest}, not {value}")
            return None
        return value

    def text_table(self, key: str) -> dict[str, str]:
        """Return a table of strings, its keys as spelt; empty if it is absent or none."""
        value = self._get(key, required=False)
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.findings.problem(self.at(key), f"must be a table, not {type_name(value)}")
            return {}
        for name, entry in value.items():
            if not isinstance(entry, str):
                where = f"{self.at(key)}.{toml_key(name)}"
                self.findings.problem(where, f"must be a string, not {type_name(entry)}")
        return {name: entry for name, entry in value.items() if isinstance(entry, str)}

    def tables(self, key: str) -> Iterator[Table]:
        """Yield the tables of an array of tables; nothing if it is absent."""
        value = self._get(key, required=False)
        if value is None:
            return
        if not isinstance(value, list):
            suggestion = f"write [[{self.at(key)}]]" if isinstance(value, dict) else None
            what = f"must be an array of tables, not {type_name(value)}"
            self.findings.problem(self.at(key), what, suggestion)
            return
        for index, item in enumerate(value):
            yield Table(item, f"{self.at(key)}[{index}]", self.findings)

    def choice(self, key: str, values: Iterable[str], default: str) -> str:
        """Return one of *values*; *default* if it is absent or none of them."""
        text = self.string(key)
        allowed = list(values)
        if text is None or text in allowed:
            return text or default
        listed = ", ".join(repr(value) for value in allowed)
        suggestion = did_you_mean(text, allowed)
        self.findings.problem(self.at(key), f"must be one of {listed}, not {text!r}", suggestion)
        return default

    def _get(self, key: str, *, required: bool) -> Any:
        if key in self._entries:
            return self._entries[key]
        if required:
            self.findings.problem(self.where, f"has no {key!r}, which is required")
        return None


def toml_key(name: str) -> str:
    """Return *name* as a key is written in TOML: in quotes unless it can stand bare."""
    bare = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    return name if bare else json.dumps(name, ensure_ascii=False)


def type_name(value: Any) -> str:
    """Return TOML's name for the type of *value*."""
    names = {bool: "a boolean", str: "a string", int: "an integer", float: "a float"}
    names |= {list: "an array", dict: "a table"}
    return names.get(type(value), "a date or time")
