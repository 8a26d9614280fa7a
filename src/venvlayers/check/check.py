"""Checking environments: what each is by itself, and what layers of one application are together.

What is wrong by itself can make a layer unusable, and is found before it is put in its
place. What layers are together is found when all of them are there, and never more than a
warning: the layer below may be another one where they are deployed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from venvlayers.check.hiding import Provided, check_hiding
from venvlayers.check.inspection import Inspection
from venvlayers.check.libraries import Needs, check_libraries, check_systems, find_needs
from venvlayers.check.model import CheckedLayer, Finding, Report, Severity, merged
from venvlayers.check.modules import check_modules, importable_modules
from venvlayers.check.paths import check_paths
from venvlayers.check.patterns import matches_end
from venvlayers.check.records import check_records
from venvlayers.errors import BuildError
from venvlayers.spec.model import Accepted, FindingKind

_NEVER_KNOWN = "which libraries and modules are loaded by a name that is made up while it runs"


def check_itself(inspection: Inspection) -> Report:
    """Return what is wrong with a layer by itself.

    Raises:
        OSError: Something in it cannot be read.
    """
    found = [
        *check_modules(inspection),
        *_damaged(inspection),
        *check_records(inspection),
        *check_paths(inspection),
    ]
    return _report(inspection, found, ())


def check_together(inspection: Inspection, lower: Sequence[Inspection]) -> Report:
    """Return what is wrong with a layer and those below it.

    Args:
        inspection: The layer.
        lower: All layers below it, in path order.

    Raises:
        OSError: Something in them cannot be read.
    """
    needs = find_needs(inspection)
    found = [
        *check_libraries(inspection, needs, lower),
        *check_systems(inspection, needs, lower),
        *_hidden(inspection, lower),
    ]
    return _report(inspection, found, tuple(_unknown(inspection, needs)))


def joined(first: Report, second: Report) -> Report:
    """Return two reports of one layer as one."""
    found = merged((*first.findings, *second.findings))
    unknown = (*first.unknown, *second.unknown)
    return replace(first, findings=tuple(found), unknown=unknown)


def require_sound(report: Report) -> None:
    """Refuse a layer that cannot work.

    Raises:
        BuildError: It has errors; the message lists all of them.
    """
    if errors := report.of(Severity.ERROR):
        listed = "\n".join(f"  - {finding}" for finding in errors)
        kinds = " and ".join(sorted({f'"{finding.kind.value}"' for finding in errors}))
        raise BuildError(
            f"{report.layer} cannot work as it is:\n{listed}",
            hint=f"if that is meant, put {kinds} into the layer's `accepted_findings`",
        )


def _hidden(inspection: Inspection, lower: Sequence[Inspection]) -> Iterator[Finding]:
    """Yield what is hidden, by this layer or among those below, if this one joins them."""
    layers = [Provided(layer) for layer in (inspection, *lower)]
    for index, upper in enumerate(layers):
        below = set(upper.inspection.layer.lower)
        for other in layers[index + 1 :]:
            if index == 0 or other.inspection.layer.name not in below:
                for finding in check_hiding(upper, other):
                    yield replace(finding, layer=inspection.layer.name)


def _damaged(inspection: Inspection) -> Iterator[Finding]:
    modules = importable_modules(inspection)  # told as modules
    for path, reason in inspection.damaged.items():
        if path not in modules:
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


__all__ = ["CheckedLayer", "check_itself", "check_together", "joined", "require_sound"]
