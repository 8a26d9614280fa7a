"""The variables an interpreter was built with, made to follow it wherever it goes.

CPython keeps them as a generated module, `_sysconfigdata_*.py`. It is parsed,
never imported: the interpreter may be for another platform. What is written
computes the prefix when it is imported.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

from venvlayers.build.runtime.origin import Origin
from venvlayers.errors import BuildError

PATTERN = "_sysconfigdata_*.py"

_HEADER = '''\
# system configuration generated and used by the sysconfig module
"""What this Python was built with; paths below its prefix are where it is now."""
import sys

_prefix = sys.base_prefix
build_time_vars = {
'''

# An interpreter in /usr shares its prefix with "/usr/bin/install" and "/usr/include/tcl8.6";
# only these variables name places of its own.
_OWN_PLACES = frozenset(
    (
        "BINDIR",
        "BINLIBDEST",
        "CONFINCLUDEDIR",
        "CONFINCLUDEPY",
        "DESTDIRS",
        "DESTLIB",
        "DESTSHARED",
        "EXENAME",
        "INCLDIRSTOMAKE",
        "INCLUDEDIR",
        "INCLUDEPY",
        "LIBDEST",
        "LIBDIR",
        "LIBPC",
        "LIBPL",
        "MACHDESTLIB",
        "MANDIR",
        "SCRIPTDIR",
        "datarootdir",
        "exec_prefix",
        "prefix",
    )
)


def read(path: Path) -> dict[str, str | int]:
    """Return the variables in a `_sysconfigdata_*.py`.

    Raises:
        BuildError: It has another form than CPython gives it.
    """
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "build_time_vars":
            variables: dict[str, str | int] = ast.literal_eval(node.value)
            return variables
    raise BuildError(f"{path} holds no build_time_vars")


def built_for(stdlib: Path) -> tuple[str, ...]:
    """Return the prefixes that the interpreter with this standard library was built for."""
    found = {
        str(variables[name])
        for path in sorted(stdlib.glob(PATTERN))
        for variables in (read(path),)
        for name in ("prefix", "exec_prefix")
        if str(variables.get(name, "")).startswith("/")
    }
    return tuple(sorted(found))


def relocatable(variables: dict[str, str | int], origin: Origin) -> str:
    """Return a module with *variables*, in which *origin* became the running prefix.

    It is the same text whatever the origin was called, and wherever it was compiled.
    """
    build_dir = str(variables.get("abs_builddir", ""))
    own, shared = origin.own_pattern(), origin.shared_pattern()
    lines = []
    for name, value in sorted(variables.items()):
        pattern = shared if name in _OWN_PLACES else own
        clean = _without(build_dir, value)
        lines.append(f"    {name!r}: {_expression(clean, pattern)},\n")
    return f"{_HEADER}{''.join(lines)}}}\n"


def _without(build_dir: str, value: str | int) -> str | int:
    if isinstance(value, str) and build_dir.startswith("/") and len(build_dir) > 1:
        return value.replace(build_dir, "/build")
    return value


def _expression(value: str | int, prefix: re.Pattern[str]) -> str:
    """Return Python for *value*: ``'-L' + _prefix + '/lib'``."""
    if not isinstance(value, str):
        return repr(value)
    literals = [repr(part) if part else "" for part in prefix.split(value)]
    return " + ".join(filter(None, _interleave(literals, "_prefix"))) or "''"


def _interleave(parts: list[str], between: str) -> list[str]:
    woven = [parts[0]]
    for part in parts[1:]:
        woven += [between, part]
    return woven
