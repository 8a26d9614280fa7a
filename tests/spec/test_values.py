"""Requirements that are plain enough are read without the module that knows them all."""

from __future__ import annotations

from itertools import product

import pytest
from packaging.requirements import InvalidRequirement, Requirement

from venvlayers.spec.table import Findings
from venvlayers.spec.values import _PLAIN_REQUIREMENT, _requirement

NAMES = (
    "a",
    "A1",
    "zope.interface",
    "ruamel_yaml",
    "a--b",
    "1a",
    "-a",
    "a-",
    "a.",
    "\u00e4",
    "a b",
)
VERSIONS = (
    "",
    "==1",
    ">=1.2.3",
    "<2",
    "!=01.0",
    "===1",
    "~=1",
    "=1",
    "==1.*",
    "==1a1",
    "== 1",
    ">",
)


@pytest.mark.parametrize(("name", "version"), list(product(NAMES, VERSIONS)))
def test_plain_requirements_are_read_as_packaging_reads_them(name: str, version: str) -> None:
    text, findings = f"{name}{version}", Findings()
    try:
        expected: str | None = str(Requirement(text))
    except InvalidRequirement:
        expected = None
    assert _requirement(text, "here", findings) == expected
    assert bool(findings.problems) == (expected is None)


def test_what_is_usual_is_plain() -> None:
    assert all(_PLAIN_REQUIREMENT.fullmatch(text) for text in ("numpy", "SciPy>=1.12", "a.b==1.0"))
