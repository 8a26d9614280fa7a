"""Absolute paths: does anything in a layer lead to one place, or tell where it was made?

What came out of a wheel unchanged was made elsewhere, and knows nothing of this machine, unless
it is the project's own wheel; the interpreter's own files were searched when they were copied.
So only the rest is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from venvlayers.check.inspection import Inspection, package_name
from venvlayers.check.model import Finding, Severity
from venvlayers.spec.model import FindingKind

_ABSOLUTE = re.compile(r"/|\\\\|[A-Za-z]:[\\/]")
_EVERYWHERE = ("/bin/", "/usr/bin/")
"""Where programs are on every system that has such paths."""
_REWRITTEN = (".dist-info/RECORD", ".dist-info/INSTALLER", ".dist-info/direct_url.json")
_ENOUGH_TO_BE_UNIQUE = 8
"""A shorter path could be part of something else."""
_MADE_HERE = "it was not made relocatable: please report this"


def check_paths(inspection: Inspection) -> Iterator[Finding]:
    """Yield what holds an absolute path."""
    for path, target in inspection.links.items():
        if _ABSOLUTE.match(target):
            what = f"is a link to {target}"
            yield _finding(inspection, path, what, "make it relative", Severity.ERROR)
    for path, parts in inspection.binaries.items():
        for entry in sorted({entry for part in parts for entry in part.search}):
            if _ABSOLUTE.match(entry) and not entry.startswith(("/usr/lib", "/lib")):
                what = f"looks for libraries in {entry} too"
                remedy = "nothing, unless that is a directory of somebody else"
                yield _finding(inspection, path, what, remedy, Severity.NOTE)
    for path in _made_here(inspection):
        yield from _in_text(inspection, path)


def _made_here(inspection: Inspection) -> Iterator[str]:
    """Yield the files that are not as they were in a wheel, nor the interpreter's own."""
    wheel = inspection.layer.environment.wheel
    elsewhere: set[str] = set()
    for distribution in inspection.layer.environment.distributions:
        if wheel is None or package_name(distribution) != wheel.name:
            elsewhere |= distribution.hashes.keys()
    programs = f"{inspection.platform.bin_dir}/"
    library = inspection.site_packages.removesuffix("site-packages/")
    written = (".pth", *_REWRITTEN)
    for path in inspection.sizes:
        if path in inspection.binaries and (path in elsewhere or path not in inspection.owners):
            continue
        if path.startswith(programs) or path.endswith(written):
            yield path
        elif path not in elsewhere:
            own = path.startswith((library, "include/", "lib/", "libs/", "tcl/"))
            if not (inspection.is_runtime and own) or path.startswith(inspection.site_packages):
                yield path


def _in_text(inspection: Inspection, path: str) -> Iterator[Finding]:
    content = (inspection.layer.environment.path / path).read_bytes()
    for trace in inspection.layer.traces:
        if len(trace) >= _ENOUGH_TO_BE_UNIQUE and trace.encode() in content:
            what = f"names {trace}, which is where it was made"
            if _is_of_project(inspection, path):
                remedy = "find that place in another way when the program runs"
                yield _finding(inspection, path, what, remedy, Severity.WARNING)
            else:
                yield _finding(inspection, path, what, _MADE_HERE, Severity.ERROR)
            return
    for place in _places(inspection, path, content):
        if _ABSOLUTE.match(place) and not place.startswith(_EVERYWHERE):
            what = f"leads to {place}"
            remedy = "see that it is there where the layer runs"
            yield _finding(inspection, path, what, remedy, Severity.WARNING)


def _is_of_project(inspection: Inspection, path: str) -> bool:
    """Tell whether a file is the project's own: of its modules, or of its wheel."""
    if path.endswith((".pth", "/sitecustomize.py", *_REWRITTEN)):
        return False
    wheel = inspection.layer.environment.wheel
    owner = inspection.owners.get(path)
    if owner is not None:
        return wheel is not None and owner == wheel.name
    return path.startswith(inspection.site_packages)


def _places(inspection: Inspection, path: str, content: bytes) -> Iterator[str]:
    """Yield the paths that a file is there to name."""
    lines = content.decode("utf-8", "replace").splitlines()
    if path.endswith(".pth"):
        yield from (line for line in lines if not line.startswith(("import ", "import\t", "#")))
    elif path == "pyvenv.cfg":
        for line in lines:
            key, _, value = line.partition("=")
            if key.strip() == "home":
                yield value.strip()
    elif path.startswith(f"{inspection.platform.bin_dir}/") and content.startswith(b"#!"):
        yield lines[0].removeprefix("#!").strip()


def _finding(
    inspection: Inspection, path: str, what: str, remedy: str, severity: Severity
) -> Finding:
    return Finding(
        kind=FindingKind.ABSOLUTE_PATH,
        severity=severity,
        layer=inspection.layer.name,
        package=inspection.owners.get(path, ""),
        files=(path,),
        what=what,
        remedy=remedy,
    )
