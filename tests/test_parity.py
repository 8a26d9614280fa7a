"""``docs/parity.md`` is complete, and every test that it names exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PARITY = ROOT / "docs" / "parity.md"

_ROWS = "A8 B12 C10 D5 E13 F10 G32 H27 I19 J7 K34 L6 M16 N12"
SECTIONS = {row[0]: int(row[1:]) for row in _ROWS.split()}
"""How many rows each section of the list of features has."""

REPORTED = (
    *("inconsistent runtimes", "inconsistent app index overrides"),
    *("inconsistent framework index overrides", "inconsistent runtime index overrides"),
    *("platforms not supported below", "bad libc variant", "bad libc version"),
    *("bad requirement syntax", "launch/support name conflict", "C3 conflict"),
    *("dependency cycle", "forward reference", "missing launch module", "missing layer name"),
    *("missing support modules", "support module conflict", "unknown framework"),
    *("unknown package index", "unknown platform", "unknown priority index", "unknown runtime"),
    *("conflict within a layer", "conflict between layers"),
    *("deprecated fully_versioned_name", "deprecated build_requirements"),
)
"""Section O: the mistakes and warnings that are reported."""

MENDED = (
    *("#24 / PR #64", "#188 / PR #227", "#189 / PR #227", "#184 / PRs #185, #190"),
    *("#38 / PRs #124, #128", "PR #124 thread", "PR #158, #141", "PR #163", "PR #221"),
    *("#222 / PR #223", "#149 / PRs #148, #154", "#161 / PR #162", "#175", "#183 / PR #187"),
    *("PR #187", "PR #227", "#137 / PR #138", "#196, #201 / PRs #197, #200, #206"),
    *("#89 / PR #164", "#203, #214, #219 / PR #217", "PR #148", "#28 / PR #225"),
    *("#66 / PR #69", "PR #103", "#102", "#254, #320, #326 / PR #346", "#265, #312 / PR #313"),
    *("#303 / PRs #306 (dropped), #324", "#269 / PRs #304, #305", "PR #322", "#331 / PR #332"),
    *("#333 / PR #335", "#337 / PR #339", "PR #327", "PRs #294, #297"),
    *("#270 / PRs #274, #276, #279", "PR #268", "#101 / PR #298", "#10, #282 / PRs #287, #300"),
    *("#292 / PR #302", "#242", "#204 / PRs #207, #235", "#246 / PR #261", "PR #160", "#96"),
    *("#205 / PR #208", "#6, #74", "#293 / PR #247", "PR #64 thread"),
)
"""The failures that were mended there, as their table numbers them."""

FEATURES = {f"{section}{row + 1}" for section, rows in SECTIONS.items() for row in range(rows)}
FAILURES = {*(f"X{number}" for number in range(1, 37)), "trap", *MENDED}
SHOWN = {"met", "bettered", "replaced", "holds"}
NOT_SHOWN = {"not yet", "later"}

Row = tuple[str, str, str, str]


@cache
def rows() -> tuple[Row, ...]:
    """Return the rows of all tables that are about features and failures."""
    text = PARITY.read_text("utf-8").partition("\n## Features\n")[2]
    found = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[0] not in ("id", "---"):
            assert len(cells) == 4, line
            found.append((cells[0], cells[1], cells[2], cells[3]))
    return tuple(found)


@cache
def named_in(file: Path) -> frozenset[str]:
    tree = ast.parse(file.read_text("utf-8"))
    names = (node.name for node in tree.body if isinstance(node, ast.FunctionDef))
    return frozenset(name for name in names if name.startswith("test_"))


def test_every_row_is_there() -> None:
    """Once each, and nothing else."""
    wanted = [*FEATURES, *(f"O {mistake}" for mistake in REPORTED), *FAILURES]
    listed = [row[0] for row in rows()]
    assert sorted(listed) == sorted(wanted)


def test_what_is_claimed_is_shown() -> None:
    """By tests that exist."""
    assert [problem for row in rows() for problem in problems(row)] == []


def problems(row: Row) -> Iterator[str]:
    name, standing, _how, cited = row
    if standing not in SHOWN | NOT_SHOWN:
        yield f"{name}: stands nowhere: {standing!r}"
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", cited)
    if standing in SHOWN and not named:
        yield f"{name}: a claim without a test"
    if cited.count("`") != 2 * len(named):
        yield f"{name}: cannot be read: {cited}"
    for file, test in named:
        if not (ROOT / file).is_file() or test not in named_in(ROOT / file):
            yield f"{name}: there is no {file}::{test}"
