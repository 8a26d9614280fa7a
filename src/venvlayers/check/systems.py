"""How new a system has to be: versions of glibc, of the C++ library, and of macOS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from venvlayers.check.base import newer_symbols
from venvlayers.check.binary import Binary
from venvlayers.check.inspection import Inspection
from venvlayers.check.libraries import Needs
from venvlayers.check.model import Finding, Severity
from venvlayers.platforms import Targets
from venvlayers.spec.model import FindingKind

_LIBSTDCXX = "libstdc++.so.6"

_Newer = tuple[str, tuple[int, ...]]
"""What is needed, as it is written before its number, and the number."""


def check_systems(
    inspection: Inspection, needs: Needs, lower: Sequence[Inspection]
) -> Iterator[Finding]:
    """Yield the newest of what a layer needs that the oldest systems it is made for lack.

    Args:
        inspection: The layer.
        needs: What it needs.
        lower: The layers below it, in path order.
    """
    ours = any(_LIBSTDCXX in layer.by_name for layer in (inspection, *lower))
    newest: dict[tuple[str, bool, str], tuple[int, ...]] = {}
    paths: dict[tuple[str, bool, str], list[str]] = {}
    for path in inspection.binaries:
        if binary := inspection.fitting(path):
            for what, number in _newer(binary, inspection.layer.targets, ours=ours):
                key = (inspection.owners.get(path, ""), path in needs.used, what)
                newest[key] = max(newest.get(key, ()), number)
                paths.setdefault(key, []).append(path)
    for key, number in newest.items():
        package, used, what = key
        name = f"{what}{_dotted(number)}"
        yield _finding(inspection, package, tuple(dict.fromkeys(paths[key])), name, used=used)


def _newer(binary: Binary, targets: Targets, *, ours: bool) -> Iterator[_Newer]:
    for library, version in binary.versions:
        if not (ours and library == _LIBSTDCXX) and (newer := newer_symbols(version, targets)):
            yield newer
    if binary.oldest_macos and binary.oldest_macos > targets.macos:
        yield "macOS ", binary.oldest_macos


def _finding(
    inspection: Inspection, package: str, paths: tuple[str, ...], name: str, *, used: bool
) -> Finding:
    targets = inspection.layer.targets
    key, oldest = "linux_target", f"glibc {_dotted(targets.glibc)}"
    if inspection.platform.sys_platform == "darwin":
        key, oldest = "macosx_target", f"macOS {_dotted(targets.macos)}"
    other = "take another version of the package"
    if inspection.is_runtime and not package:  # an interpreter of this machine
        other = 'use `runtime-source = "managed"`'
    return Finding(
        kind=FindingKind.NEWER_SYSTEM,
        severity=Severity.WARNING if used else Severity.NOTE,
        layer=inspection.layer.name,
        package=package,
        files=paths,
        about=(name,),
        what=f"needs {{}}, and the layer is made for {oldest}",
        remedy=f"raise its `{key}`, or {other}",
    )


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
