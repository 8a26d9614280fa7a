"""What front ends that are not Hatch say about layers: config settings, read into a value.

Only reading lives here; `backend.py` does what they ask for. Settings of anybody
else are left alone, ours are those whose names begin with ``venvstacks``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from venvlayers.errors import Problem, SpecError
from venvlayers.spec.table import did_you_mean

VERBS = ("publish", "lock", "build", "local-export")
"""What ``venvstacks`` can be set to: the verbs of the build target."""

OUTPUT_VERBS = ("publish", "local-export")
"""Those of them that leave something in the output directory."""

_PREFIX = "venvstacks"
_INCLUDE = "venvstacks-include"
_PLATFORMS = "venvstacks-platforms"
_OUTPUT_DIR = "venvstacks-output-dir"
_TAG_OUTPUTS = "venvstacks-tag-outputs"
_CLOSE = 0.85  # they all begin with the same word
_FILE = "config settings"
_TRUTHS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a front end asks for.

    Attributes:
        verbs: What is to be done, in order; nothing if there are none.
        include: Patterns for the layers that it is about; all if there are none.
        platforms: Names of the platforms to make layers for; as the target says if there are none.
        output_dir: Where archives or exports go; None for the default.
        tag_outputs: Whether names have the platform in them; None if nothing is said.
    """

    verbs: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    output_dir: Path | None = None
    tag_outputs: bool | None = None


class _Reader:
    """The settings that are ours, read one by one; mistakes are noted."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.problems: list[Problem] = []
        self._spelling: dict[str, str] = {}
        self._values: dict[str, tuple[str, ...]] = {}
        for key, value in given.items():
            name = key.replace("_", "-")
            if name == _PREFIX or name.startswith(f"{_PREFIX}-"):
                self._spelling[name] = key
                self._values[name] = (*self._values.get(name, ()), *self._texts(key, value))

    def _texts(self, key: str, value: Any) -> tuple[str, ...]:
        """Return the values of a setting; front ends make a list of one that is repeated."""
        values = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        texts = tuple(text for text in values if isinstance(text, str) and text)
        if len(texts) != len(values) or not texts:
            self.problem(key, f"needs a value: `{key}=...`")
        return texts

    def problem(self, key: str, what: str, suggestion: str | None = None) -> None:
        """Note a mistake."""
        self.problems.append(Problem(where=key, what=what, suggestion=suggestion))

    def all(self, name: str) -> tuple[str, ...]:
        """Return all values of a setting."""
        return self._values.pop(name, ())

    def one(self, name: str) -> str | None:
        """Return the value of a setting that has one."""
        values = self.all(name)
        if len(set(values)) > 1:
            self.problem(self._spelling[name], "must be given once")
        return values[0] if values else None

    def names(self, name: str) -> tuple[str, ...]:
        """Return all values of a setting, in which commas may be between several."""
        return tuple(text.strip() for texts in self.all(name) for text in texts.split(","))

    def verbs(self, allowed: Sequence[str]) -> tuple[str, ...]:
        """Return what is to be done."""
        verbs = self.names(_PREFIX)  # Hatch takes a comma between versions of a target, too
        for verb in verbs:
            if verb not in allowed:
                choices = f"choose among {', '.join(allowed)}"
                self.problem(_PREFIX, f"cannot be {verb!r}", did_you_mean(verb, allowed) or choices)
        return tuple(dict.fromkeys(verbs))

    def truth(self, name: str) -> bool | None:
        """Return a setting that is true or false."""
        text = self.one(name)
        if text is not None and text.casefold() not in _TRUTHS:
            self.problem(self._spelling[name], f"must be true or false, not {text!r}")
        return _TRUTHS.get((text or "").casefold())

    def finish(self, known: Sequence[str]) -> None:
        """Refuse what nobody asked for, and everything that was noted.

        Raises:
            SpecError: There were mistakes.
        """
        for name in self._values:
            choices = f"there are {', '.join(known)}"
            self.problem(
                self._spelling[name],
                "unknown",
                did_you_mean(name, known, closeness=_CLOSE) or choices,
            )
        if self.problems:
            raise SpecError(_FILE, self.problems)


def read_settings(given: Mapping[str, Any] | None) -> Settings:
    """Read what is said to ``build_wheel`` or ``build_sdist``: nothing, unless layers are wanted.

    Raises:
        SpecError: There are mistakes; all are named.
    """
    reader = _Reader(given or {})
    place = reader.one(_OUTPUT_DIR)
    settings = Settings(
        verbs=reader.verbs(VERBS),
        include=reader.all(_INCLUDE),
        platforms=reader.names(_PLATFORMS),
        output_dir=Path(place) if place else None,
        tag_outputs=reader.truth(_TAG_OUTPUTS),
    )
    reader.finish([_PREFIX, _INCLUDE, _PLATFORMS, _OUTPUT_DIR, _TAG_OUTPUTS])
    if settings != Settings() and not settings.verbs:
        problem = Problem(where=_PREFIX, what=f"must be one of {', '.join(VERBS)}, and is not set")
        raise SpecError(_FILE, [problem])
    return settings


def read_layer_settings(given: Mapping[str, Any] | None) -> Settings:
    """Read what is said to ``build_venvstacks``, which is given its directory.

    Raises:
        SpecError: There are mistakes; all are named.
    """
    reader = _Reader(given or {})
    verbs = reader.verbs(OUTPUT_VERBS)
    if len(verbs) > 1:
        reader.problem(_PREFIX, "must be given once")
    settings = Settings(
        verbs=verbs or OUTPUT_VERBS[:1],
        include=reader.all(_INCLUDE),
        platforms=reader.names(_PLATFORMS),
        tag_outputs=reader.truth(_TAG_OUTPUTS),
    )
    reader.finish([_PREFIX, _INCLUDE, _PLATFORMS, _TAG_OUTPUTS])
    return settings
