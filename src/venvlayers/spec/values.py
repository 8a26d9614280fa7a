"""The values of a layer that can be judged on their own: each is read and checked here.

Every function takes the layer's table, notes what is wrong, and returns something
usable all the same. What depends on other layers is in `layers.py`.
"""

from __future__ import annotations

import os
import re
from itertools import chain
from pathlib import Path

from venvlayers.platforms import (
    DEFAULT_TARGETS,
    IMPLEMENTATIONS,
    PLATFORMS,
    Platform,
    PythonVersion,
    Targets,
    platform_called_otherwise,
)
from venvlayers.spec.groups import ProjectNeeds, read_needs
from venvlayers.spec.model import Accepted, FindingKind, ProjectUse, PythonRequest
from venvlayers.spec.project import project_requirements
from venvlayers.spec.table import Findings, Table, did_you_mean, type_name

_OLDEST_GLIBC = (2, 5)  # of manylinux1, the first (PEP 513)
_MACOS_VARIABLE = "MACOSX_DEPLOYMENT_TARGET"
_PLAIN_REQUIREMENT = re.compile(
    r"[A-Z0-9](?:[A-Z0-9._-]*[A-Z0-9])?(?:(?:[=!<>]=|[<>])[0-9]+(?:\.[0-9]+)*)?",
    re.IGNORECASE | re.ASCII,
)
"""A name, and at most one version: valid, and already as `packaging` would write it."""


def file_path(root: Path, declared: str) -> Path:
    """Return a declared path as an absolute one.

    ``~`` is the user's directory, ``..`` is folded, variables and links stay what they are.
    """
    return Path(os.path.normpath(root / os.path.expanduser(declared)))  # noqa: PTH111 - never fails


def read_platforms(table: Table) -> tuple[Platform, ...] | None:
    """Read ``platforms``, in our order; None if it is absent."""
    names = table.strings("platforms")
    if names is None:
        return None
    for index, name in enumerate(names):
        if name not in PLATFORMS:
            meant = platform_meant(name) or f"one of {', '.join(PLATFORMS)}"
            where = f"{table.at('platforms')}[{index}]"
            table.findings.problem(where, f"unknown platform {name!r}", meant)
    known = tuple(platform for platform in PLATFORMS.values() if platform.name in names)
    return known if known or not names else tuple(PLATFORMS.values())


def platform_meant(name: str, *others: str) -> str | None:
    """Return ``did you mean 'x'?`` for a platform that we do not know, or one of *others*."""
    if same := platform_called_otherwise(name):
        return f"did you mean {same.name!r}?"
    return did_you_mean(name, [*PLATFORMS, *others])


def read_requirements(table: Table, needs: ProjectNeeds, use: ProjectUse | None) -> tuple[str, ...]:
    """Read ``requirements``, and what stands for some; each once, normalised.

    Those by address have to be wheels.

    Args:
        table: The layer's.
        needs: What the project in the same file needs.
        use: How the layer contains that project, if it does.
    """
    parsed = []
    own = enumerate(table.strings("requirements", required=True) or ())
    listed = [(f"{table.at('requirements')}[{index}]", text) for index, text in own]
    of_project = project_requirements(use, needs, table.findings)
    for where, text in chain(listed, read_needs(table, needs), of_project):
        if requirement := _requirement(text, where, table.findings):
            parsed.append(requirement)
    return tuple(dict.fromkeys(parsed))


def _requirement(text: str, where: str, findings: Findings) -> str | None:
    """Return a requirement normalised; None if it is none."""
    if _PLAIN_REQUIREMENT.fullmatch(text):
        return text
    # In a run that finds nothing to do, this is a third of the time for imports.
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415

    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0]
        findings.problem(where, f"{text!r} is not a requirement: {reason}")
        return None
    if requirement.url and not requirement.url.partition("#")[0].endswith(".whl"):
        findings.problem(where, f"{text!r} is not a wheel, and nothing is built from source")
    return str(requirement)


def read_python(table: Table) -> PythonRequest | None:
    """Read the Python of a runtime, under its current name or the older one."""
    key = "python_implementation"
    if "fully_versioned_name" in table:
        where = table.at("fully_versioned_name")
        if key in table:
            table.findings.problem(where, f"is the older name of {key!r}; give one of them")
        table.findings.warning(where, "is deprecated", f"call it {key!r}")
        key = "fully_versioned_name"
    text = table.string(key, required=True)
    return None if text is None else _python_request(table, key, text)


def _python_request(table: Table, key: str, text: str) -> PythonRequest | None:
    implementation, _, version = text.partition("@")
    example = "write it as in 'cpython@3.12' or 'cpython@3.12.7'"
    if implementation not in IMPLEMENTATIONS:
        what = f"unknown Python implementation {implementation!r}"
        meant = did_you_mean(implementation, IMPLEMENTATIONS) or example
        table.findings.problem(table.at(key), what, meant)
        return None
    release, _, machine = version.partition("-")
    if machine:
        what = f"{text!r} names a machine, which is what 'platforms' is for"
        table.findings.problem(table.at(key), what, f"write '{implementation}@{release}'")
        return None
    try:
        parsed = PythonVersion.parse(version)
    except ValueError:
        table.findings.problem(table.at(key), f"{text!r} has no Python version", example)
        return None
    return PythonRequest(implementation=implementation, version=parsed)


def read_targets(table: Table, platforms: tuple[Platform, ...]) -> Targets:
    """Read ``linux_target`` and ``macosx_target``.

    The variable that stands in for the latter is looked at only for layers for macOS.
    """
    glibc = _glibc(table) or DEFAULT_TARGETS.glibc
    for_macos = any(platform.sys_platform == "darwin" for platform in platforms)
    return Targets(glibc=glibc, macos=_macos(table, for_macos=for_macos) or DEFAULT_TARGETS.macos)


def _glibc(table: Table) -> tuple[int, int] | None:
    text = table.string("linux_target")
    if text is None:
        return None
    where = table.at("linux_target")
    variant, versioned, version = text.partition("@")
    if variant == "musl":
        what = "musl is reserved for later; so far layers run with glibc alone"
        table.findings.problem(where, what, "write it as in 'glibc@2.28'")
        return None
    if variant != "glibc":
        meant = did_you_mean(variant, ["glibc"]) or "write it as in 'glibc@2.28'"
        table.findings.problem(where, f"unknown C library {variant!r}", meant)
        return None
    found = _two_numbers(version) if versioned else DEFAULT_TARGETS.glibc
    if found is None:
        what = f"{version!r} is not a version of glibc"
        table.findings.problem(where, what, "write it as in 'glibc@2.28'")
    elif found[0] != _OLDEST_GLIBC[0] or found < _OLDEST_GLIBC:
        what = f"no wheels are made for glibc {version}"
        table.findings.problem(where, what, "write it as in 'glibc@2.28'")
    return found


def _macos(table: Table, *, for_macos: bool) -> tuple[int, int] | None:
    text, where = table.string("macosx_target"), table.at("macosx_target")
    if "macosx_target" not in table and for_macos:
        text, where = os.environ.get(_MACOS_VARIABLE), f"the variable {_MACOS_VARIABLE}"
    if not text:
        return None
    found = _two_numbers(text if "." in text else f"{text}.0")
    if found is None:
        what = f"{text!r} is not a version of macOS"
        table.findings.problem(where, what, "write it as in '13.0'")
    return found


def read_scripts(table: Table) -> tuple[str, ...] | None:
    """Read ``scripts``: patterns of the programs to keep; None for all of them."""
    value = table.raw("scripts")
    if value is None or isinstance(value, bool):
        return () if value is False else None
    if isinstance(value, list):
        return tuple(table.strings("scripts") or ())
    what = f"must be true, false or an array of strings, not {type_name(value)}"
    hint = f'write ["{value}"]' if isinstance(value, str) else None
    table.findings.problem(table.at("scripts"), what, hint)
    return None


def _two_numbers(text: str) -> tuple[int, int] | None:
    match = re.fullmatch(r"([0-9]+)\.([0-9]+)", text)
    return (int(match[1]), int(match[2])) if match else None


def read_accepted(table: Table) -> tuple[Accepted, ...]:
    """Read ``accepted_findings``: kinds of findings, each with a pattern or for all."""
    kinds = {kind.value: kind for kind in FindingKind}
    accepted = []
    for index, text in enumerate(table.strings("accepted_findings") or ()):
        name, colon, pattern = text.partition(":")
        where = f"{table.at('accepted_findings')}[{index}]"
        if name not in kinds:
            meant = did_you_mean(name, kinds) or f"one of {', '.join(kinds)}"
            table.findings.problem(where, f"unknown kind of finding {name!r}", meant)
        elif colon and not pattern:
            table.findings.problem(where, "has no pattern after the colon", f"write {name!r}")
        else:
            accepted.append(Accepted(kind=kinds[name], pattern=pattern or "*"))
    return tuple(accepted)
