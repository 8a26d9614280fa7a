"""Extension modules: is each for this platform, and does the layer's Python import it?

Packages bring files for several platforms and Pythons on purpose, and load the right one.
So only a file that would be imported by its name is judged, and only if there is no
better one; and it is an error only where its wheel claims to be made for this.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from venvlayers.check.binary import Format
from venvlayers.check.extensions import Extension
from venvlayers.check.inspection import FORMATS, Inspection, package_name
from venvlayers.check.model import Finding, Severity
from venvlayers.spec.model import FindingKind

_REMEDY = "ask who made the wheel for another one"


def check_modules(inspection: Inspection) -> Iterator[Finding]:
    """Yield what is wrong with extension modules."""
    yield from _foreign(inspection)
    yield from _for_other_pythons(inspection)


def _foreign(inspection: Inspection) -> Iterator[Finding]:
    """Yield a finding for each module that is imported by name, and is for another platform."""
    modules = [module for module in inspection.extensions if module.importable]
    fitting = {module.name for module in modules if inspection.fitting(module.path)}
    claims = _Claims(inspection)
    for module in modules:
        if inspection.fitting(module.path) or not inspection.is_extension(module):
            continue
        package = inspection.owners.get(module.path, "")
        if module.path in inspection.damaged:
            kind = FindingKind.DAMAGED_FILE
            what = f"cannot be imported: {inspection.damaged[module.path]}"
        elif module.name in fitting:  # one for each platform, in directories
            continue
        else:
            kind = FindingKind.FOREIGN_MODULE
            what = f"{_description(inspection, module.path)}, and the layer is for "
            what += inspection.platform.name
        yield Finding(
            kind=kind,
            severity=Severity.ERROR if claims.platform(package) else Severity.WARNING,
            layer=inspection.layer.name,
            package=package,
            files=(module.path,),
            what=what,
            remedy=_REMEDY,
        )


def _description(inspection: Inspection, path: str) -> str:
    parts = inspection.binaries.get(path, ())
    if not parts:
        return "is neither a library nor an extension module"
    wanted = FORMATS[inspection.platform.sys_platform]
    systems = {Format.ELF: "Linux", Format.MACH_O: "macOS", Format.PE: "Windows"}
    machines = " and ".join(part.machine for part in parts)
    other = "" if parts[0].format is wanted else f"{systems[parts[0].format]} on "
    return f"is for {other}{machines}"


def _for_other_pythons(inspection: Inspection) -> Iterator[Finding]:
    """Yield a finding for each module that has files for other Pythons only."""
    modules = inspection.extensions
    python = inspection.layer.environment.python.interpreter
    imported = {module.stem for module in modules if module.importable}
    served = {inspection.owners.get(module.path) for module in modules if module.importable}
    claims = _Claims(inspection)
    lacking: dict[str, list[Extension]] = {}
    for module in modules:
        if module.stem not in imported and not _has_source(inspection, module.stem):
            lacking.setdefault(module.stem, []).append(module)
    for some in lacking.values():
        package = inspection.owners.get(some[0].path, "")
        is_error = claims.python(package) and package not in served
        yield Finding(
            kind=FindingKind.OTHER_PYTHON,
            severity=Severity.ERROR if is_error else Severity.WARNING,
            layer=inspection.layer.name,
            package=package,
            files=tuple(module.path for module in some),
            what=f"cannot be imported by {python} on {inspection.platform}, by its name",
            remedy=_REMEDY if is_error else "see whether the package works without it",
        )


def _has_source(inspection: Inspection, stem: str) -> bool:
    return f"{stem}.py" in inspection.sizes or f"{stem}/__init__.py" in inspection.sizes


class _Claims:
    """What the wheels of the distributions say that they are made for (their ``WHEEL`` file)."""

    def __init__(self, inspection: Inspection) -> None:
        self._inspection = inspection
        self._tags: dict[str, Mapping[str, bool]] = {}

    def platform(self, package: str) -> bool:
        """Tell whether a package's wheel is for certain platforms; an interpreter is."""
        return self._of(package)["platform"]

    def python(self, package: str) -> bool:
        """Tell whether a package's wheel is for certain Pythons; an interpreter is."""
        return self._of(package)["python"]

    def _of(self, package: str) -> Mapping[str, bool]:
        if package not in self._tags:
            tags = [tag.split("-") for tag in self._lines(package)]
            self._tags[package] = {
                "platform": not any("any" in tag[-1].split(".") for tag in tags),
                "python": not any("py3" in tag[0].split(".") for tag in tags),
            }
        return self._tags[package]

    def _lines(self, package: str) -> Iterator[str]:
        environment = self._inspection.layer.environment
        for distribution in environment.distributions:
            if package_name(distribution) == package:
                for path in distribution.files:
                    if path.endswith(".dist-info/WHEEL"):
                        text = (environment.path / path).read_text("utf-8", "replace")
                        for line in text.splitlines():
                            if line.startswith("Tag:"):
                                yield line.removeprefix("Tag:").strip()
