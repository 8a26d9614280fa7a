"""What checking takes and gives: an environment with what is asked of it; findings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace
from enum import IntEnum
from typing import Any

from venvlayers.build.model import LayerEnvironment
from venvlayers.errors import BuildError
from venvlayers.platforms import DEFAULT_TARGETS, Targets
from venvlayers.spec.model import Accepted, FindingKind, LayerSpec
from venvlayers.values import frozen

_SHOWN = 5
"""As many libraries or modules are named in a sentence."""


class Severity(IntEnum):
    """What follows from a finding."""

    NOTE = 1
    """Shown when somebody asks for details: it was accepted, or may well be meant."""
    WARNING = 2
    """Something does not work everywhere, or not for certain."""
    ERROR = 3
    """The layer cannot work: it is refused."""


@frozen
class CheckedLayer:
    """A layer to check.

    Attributes:
        environment: What was built.
        targets: The oldest systems that it is to run on.
        accepted: What may be found.
        hidden_libraries: Patterns for libraries that are not for layers above.
        lower: The environment names of the layers below it, in path order.
        traces: Paths of this machine that nothing in it may name.
    """

    environment: LayerEnvironment
    targets: Targets = DEFAULT_TARGETS
    accepted: tuple[Accepted, ...] = ()
    hidden_libraries: tuple[str, ...] = ()
    lower: tuple[str, ...] = ()
    traces: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, environment: LayerEnvironment, layer: LayerSpec, traces: tuple[str, ...]
    ) -> CheckedLayer:
        """Return *environment* with what *layer* asks of it, and *traces*."""
        return cls(
            environment=environment,
            targets=layer.targets,
            accepted=layer.accepted_findings,
            hidden_libraries=layer.dynlib_exclude,
            lower=layer.lower,
            traces=traces,
        )

    @property
    def name(self) -> str:
        """The layer's environment name."""
        return self.environment.env_name


@frozen
class Finding:
    """Something that is, or may be, wrong with a layer.

    Attributes:
        kind: What sort of thing.
        severity: What follows from it.
        layer: The environment name of the layer.
        package: The distribution that it is about; "" for what no distribution brought.
        files: The files that it is about, relative to the environment, with ``/``.
        about: The libraries, modules or (if there are several) packages that it is about.
        what: What is wrong, after the name of a file; ``{}`` stands for *about*.
        remedy: What to do.
        is_accepted: Whether the specification says that it is all right.
    """

    kind: FindingKind
    severity: Severity
    layer: str
    package: str = ""
    files: tuple[str, ...] = ()
    about: tuple[str, ...] = ()
    what: str
    remedy: str
    is_accepted: bool = False

    def __str__(self) -> str:
        return self.said_of(self.layer)

    def said_of(self, layer: str) -> str:
        """Return the finding as a sentence, in which the layer is called *layer*."""
        place = ": ".join(text for text in (layer, self.package, _some(self.files, 1)) if text)
        sentence = self.what.replace("{}", _some(self.about, _SHOWN))
        return f"{place} {sentence}; {self.remedy} [{self.kind.value}]"

    def as_json(self) -> dict[str, Any]:
        """Return the finding as a JSON value."""
        what = self.what.replace("{}", ", ".join(self.about))
        named = {"kind": self.kind.value, "severity": self.severity.name.lower(), "what": what}
        return {**asdict(self), **named}


def _some(names: tuple[str, ...], most: int) -> str:
    more = len(names) - most
    shown = ", ".join(names[:most])
    return f"{shown} (and {more} more)" if more > 0 else shown


def _spelt(path: str) -> str:
    """Return a path as text can have it: names need not be UTF-8."""
    return path.encode("utf-8", "backslashreplace").decode()


@frozen
class Report:
    """What was found in one layer.

    Attributes:
        layer: Its environment name.
        platform: The name of the platform that it is for.
        files: How many files it has.
        binaries: How many of them are programs, libraries or extension modules.
        findings: What was found, what matters most first.
        unknown: What could not be known, a sentence each.
    """

    layer: str
    platform: str
    files: int
    binaries: int
    findings: tuple[Finding, ...]
    unknown: tuple[str, ...] = ()

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """Return the findings of one severity."""
        return tuple(finding for finding in self.findings if finding.severity is severity)

    def as_json(self) -> dict[str, Any]:
        """Return the report as a JSON value."""
        return {**asdict(self), "findings": [finding.as_json() for finding in self.findings]}


def require_sound(report: Report) -> None:
    """Refuse a layer that cannot work.

    Raises:
        BuildError: It has errors; the message lists all of them.
    """
    if errors := report.of(Severity.ERROR):
        listed = "\n".join(f"  - {finding}" for finding in errors)
        kinds = " and ".join(sorted({f'"{finding.kind.value}"' for finding in errors}))
        raise BuildError(
            f"{report.layer} cannot work on {report.platform}:\n{listed}",
            hint=f"if that is meant, put {kinds} into the layer's `accepted_findings`",
        )


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """Return *findings*, those in one that say the same of several files or libraries.

    What matters most comes first.
    """
    alike: dict[Finding, list[Finding]] = {}
    for finding in findings:
        alike.setdefault(replace(finding, files=(), about=()), []).append(finding)
    found = [
        replace(
            same,
            files=tuple(sorted({_spelt(path) for finding in some for path in finding.files})),
            about=tuple(sorted({name for finding in some for name in finding.about})),
        )
        for same, some in alike.items()
    ]
    return sorted(found, key=lambda one: (-one.severity, one.kind.value, one.package, one.files))
