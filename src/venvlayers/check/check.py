"""Checking environments: what each is by itself, and what layers of one application are together.

What is wrong by itself can make a layer unusable, and is found before it is put in its
place. What layers are together is found when all of them are there, and never more than a
warning: the layer below may be another one where they are deployed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import PurePosixPath

from venvlayers.build.model import LayerEnvironment
from venvlayers.check.headers import Headers
from venvlayers.check.hiding import Provided, check_hiding
from venvlayers.check.inspection import Inspection, inspect
from venvlayers.check.libraries import Needs, check_libraries, find_needs
from venvlayers.check.model import CheckedLayer, Finding, Report, Severity, merged
from venvlayers.check.modules import check_modules
from venvlayers.check.paths import check_paths
from venvlayers.check.patterns import matches_end
from venvlayers.check.records import check_records
from venvlayers.check.systems import check_systems
from venvlayers.spec.model import Accepted, FindingKind
from venvlayers.values import frozen

_NEVER_KNOWN = "which libraries and modules are loaded by a name that is made up while it runs"


@frozen(slots=False)
class Looked:
    """What was seen in a layer by itself.

    Attributes:
        inspection: What is in it.
        needs: Where the libraries are that it needs.
        report: What is wrong with it.
    """

    inspection: Inspection
    needs: Needs
    report: Report

    @cached_property
    def provided(self) -> Provided:
        """The modules that it has for layers above."""
        return Provided(self.inspection)

    def moved(self, environment: LayerEnvironment) -> Looked:
        """Return the same of an environment that was put in its place."""
        layer = replace(self.inspection.layer, environment=environment)
        return replace(self, inspection=replace(self.inspection, layer=layer))


def look(layer: CheckedLayer, headers: Headers) -> Looked:
    """Look at a layer by itself.

    Args:
        layer: The layer.
        headers: What is known of binaries.

    Raises:
        OSError: Something in it cannot be read.
    """
    inspection = inspect(layer, headers)
    needs = find_needs(inspection)
    found = [
        *check_modules(inspection),
        *_damaged(inspection),
        *check_records(inspection),
        *check_paths(inspection),
    ]
    unknown = tuple(_unknown(inspection, needs))
    return Looked(inspection=inspection, needs=needs, report=_report(inspection, found, unknown))


def check_together(looked: Looked, lower: Sequence[Looked]) -> Report:
    """Return what is wrong with a layer by itself, and with those below it.

    Args:
        looked: The layer.
        lower: All layers below it, in path order. Where one is missing, what depends on it is
            not known.

    Raises:
        OSError: Something in them cannot be read.
    """
    inspection, needs = looked.inspection, looked.needs
    below = [layer.inspection for layer in lower]
    known = {layer.layer.name for layer in below}
    if missing := [name for name in inspection.layer.lower if name not in known]:
        what = f"how it goes with {' and '.join(missing)}, which is not here"
        return replace(looked.report, unknown=(*looked.report.unknown, what))
    found = [
        *check_libraries(inspection, needs, below),
        *check_systems(inspection, needs, below),
        *_hidden((looked, *lower)),
    ]
    return _joined(looked.report, _report(inspection, found, ()))


def _joined(first: Report, second: Report) -> Report:
    """Return two reports of one layer as one."""
    found = merged((*first.findings, *second.findings))
    unknown = (*first.unknown, *second.unknown)
    return replace(first, findings=tuple(found), unknown=unknown)


def _hidden(layers: Sequence[Looked]) -> Iterator[Finding]:
    """Yield what the first layer hides, and what is hidden among the others if it joins them."""
    first = layers[0].inspection.layer.name
    for index, upper in enumerate(layers):
        stands_on = upper.inspection.layer.lower
        for other in layers[index + 1 :]:
            if index == 0 or other.inspection.layer.name not in stands_on:
                for finding in check_hiding(upper.provided, other.provided):
                    yield replace(finding, layer=first)


def _damaged(inspection: Inspection) -> Iterator[Finding]:
    told = {
        module.path
        for module in inspection.extensions
        if module.importable and inspection.is_extension(module)
    }
    for path, reason in inspection.damaged.items():
        if path not in told:
            yield Finding(
                kind=FindingKind.DAMAGED_FILE,
                severity=Severity.WARNING,
                layer=inspection.layer.name,
                package=inspection.owners.get(path, ""),
                files=(path,),
                what=f"cannot be read: {reason}",
                remedy="ask who made the wheel for another one",
            )


def _unknown(inspection: Inspection, needs: Needs) -> Iterator[str]:
    """Yield what cannot be known of this layer without running it."""
    if others := [path for path in inspection.binaries if inspection.fitting(path) is None]:
        yield f"anything about {len(others)} binaries for other platforms ({others[0]})"
    known = needs.used | set(others)
    if loose := sorted(path for path in inspection.binaries if path not in known):
        yield f"whether {len(loose)} libraries are used that nothing names ({loose[0]})"
    if needs.elsewhere:
        some = sorted(needs.elsewhere)
        yield (
            f"whether {len(some)} libraries that are in the layer are loaded before they are "
            f"needed, as the loader does not look there ({some[0]})"
        )
    yield _NEVER_KNOWN


def _report(inspection: Inspection, found: Iterable[Finding], unknown: tuple[str, ...]) -> Report:
    accepted = inspection.layer.accepted
    return Report(
        layer=inspection.layer.name,
        platform=inspection.platform.name,
        files=len(inspection.sizes),
        binaries=len(inspection.binaries),
        findings=tuple(merged(_judged(finding, accepted) for finding in found)),
        unknown=unknown,
    )


def _judged(finding: Finding, accepted: Iterable[Accepted]) -> Finding:
    if any(entry.kind is finding.kind and _matches(finding, entry.pattern) for entry in accepted):
        return replace(finding, severity=Severity.NOTE, is_accepted=True)
    return finding


def _matches(finding: Finding, pattern: str) -> bool:
    names = (finding.package, *finding.about)
    if any(fnmatchcase(name, pattern) for name in names):
        return True
    return bool(finding.files) and all(
        matches_end(PurePosixPath(path), pattern) for path in finding.files
    )
