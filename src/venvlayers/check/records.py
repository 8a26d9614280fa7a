"""Installed packages: does each record list what is there, and does nobody claim the same?

Contents are not read again: they were compared with the wheels' own hashes when they were
installed, and are once more when they are packed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from venvlayers.build.model import Distribution
from venvlayers.check.inspection import Inspection, package_name
from venvlayers.check.model import Finding, Severity
from venvlayers.spec.model import FindingKind

_OURS = re.compile(r"sitecustomize\.py|_venvstacks\.pth|_venvstacks_run\.py")
_SIGNATURES = (".dist-info/RECORD.jws", ".dist-info/RECORD.p7s")
"""What a record never lists (PEP 427)."""
NAMESPACE = (b"extend_path", b"declare_namespace")
"""What the `__init__.py` of a package says that is spread over several directories."""


def check_records(inspection: Inspection) -> Iterator[Finding]:
    """Yield how records differ from what is there."""
    environment = inspection.layer.environment
    for distribution in environment.distributions:
        if not _is_true(inspection, distribution):
            yield from _differences(inspection, distribution)
    yield from _unrecorded(inspection)
    yield from _of_two(inspection)


def _is_true(inspection: Inspection, distribution: Distribution) -> bool:
    """Tell at once of thousands of files that they are as recorded."""
    there = inspection.sizes
    return distribution.sizes.items() <= there.items() and there.keys() >= {*distribution.files}


def _differences(inspection: Inspection, distribution: Distribution) -> Iterator[Finding]:
    package = package_name(distribution)
    for path in distribution.files:
        size = inspection.sizes.get(path)
        if size is None and path not in inspection.links:
            if not path.endswith((".pyc", ".pyo")):
                yield _differs(inspection, package, path, "is recorded, and missing")
        elif distribution.sizes.get(path, size) != size:
            what = "is not what was recorded: its size differs"
            yield _differs(inspection, package, path, what)


def _differs(inspection: Inspection, package: str, path: str, what: str) -> Finding:
    return Finding(
        kind=FindingKind.RECORD,
        severity=Severity.ERROR,
        layer=inspection.layer.name,
        package=package,
        files=(path,),
        what=what,
        remedy="something else wrote to the environment; build the layer again",
    )


def _unrecorded(inspection: Inspection) -> Iterator[Finding]:
    """Yield what lies among packages and belongs to none."""
    environment = inspection.layer.environment
    modules = set(environment.modules.support) if environment.modules else set()
    if environment.launch and environment.modules and environment.modules.launch:
        modules.add(environment.launch.module)
    place, owners = inspection.site_packages, inspection.owners
    for path in inspection.sizes:
        if path in owners or not path.startswith(place):
            continue
        name = path[len(place) :]
        top = name.partition("/")[0].removesuffix(".py")
        if top not in modules and not _OURS.fullmatch(name) and not name.endswith(_SIGNATURES):
            yield Finding(
                kind=FindingKind.RECORD,
                severity=Severity.WARNING,
                layer=inspection.layer.name,
                files=(path,),
                what="is among the packages and in no record",
                remedy="the wheel that brought it should record it; see that it is meant",
            )


def _of_two(inspection: Inspection) -> Iterator[Finding]:
    """Yield modules that two packages bring: the one that was installed last has it."""
    first: dict[str, str] = {}
    distributions = inspection.layer.environment.distributions
    if sum(len(distribution.files) for distribution in distributions) == len(inspection.owners):
        return
    for distribution in distributions:
        package = package_name(distribution)
        for path in distribution.files:
            other = first.setdefault(path, package)
            if other != package and _matters(inspection, path):
                yield Finding(
                    kind=FindingKind.FILE_OF_TWO,
                    severity=Severity.WARNING,
                    layer=inspection.layer.name,
                    package=f"{other} and {package}",
                    files=(path,),
                    about=(_top(path.removeprefix(inspection.site_packages)), other, package),
                    what="is brought by both, and there can be only one",
                    remedy="leave out one of the packages",
                )


def _top(path: str) -> str:
    return path.partition("/")[0].partition(".")[0]


def _matters(inspection: Inspection, path: str) -> bool:
    if not path.startswith(inspection.site_packages) or not path.endswith((".py", ".so", ".pyd")):
        return False
    if not path.endswith("/__init__.py"):
        return True
    content = (inspection.layer.environment.path / path).read_bytes()
    return bool(content.strip()) and not any(words in content for words in NAMESPACE)
