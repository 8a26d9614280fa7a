"""The ratios that are in the repository, and how far a later run may be from them.

A tolerance is a factor. It is the larger of the ratio's floor, and the worst single round
of the runs that were committed, compared with their median, rounded up to a twentieth: a run
that fails has a median that is worse than single rounds were.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.ratios import RATIOS, memory_share
from bench.results import StackResult

FILE = Path(__file__).with_name("ratios.json")

_OF_MEMORY = 1.1
_MEMORY = "memory: largest process / 300 MB"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A committed ratio.

    Attributes:
        ratio: The ratio.
        tolerance: By what factor a later one may be larger.
    """

    ratio: float
    tolerance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Worse:
    """A ratio that is worse than it may be.

    Attributes:
        stack: Of which stack.
        name: The ratio's name.
        now: What it is.
        kept: What is committed.
    """

    stack: str
    name: str
    now: float
    kept: Kept

    def __str__(self) -> str:
        """Return all of it in one line."""
        most = self.kept.ratio * self.kept.tolerance
        return (
            f"{self.stack}: {self.name} is {self.now:.3g}, and should be at most {most:.3g}"
            f" ({self.kept.ratio:.3g} is committed, times {self.kept.tolerance:.3g})"
        )


def keepable(result: StackResult) -> Iterator[tuple[str, Kept]]:
    """Yield the ratios of *result* that a later run can be held against, with tolerances."""
    for ratio in RATIOS:
        compared = ratio.of(result)
        if compared is None:
            continue
        spread = math.ceil(round(20 * compared.spread, 6)) / 20
        yield ratio.name, Kept(ratio=compared.value, tolerance=max(ratio.floor, spread))
    if share := memory_share(result):
        yield _MEMORY, Kept(ratio=share, tolerance=_OF_MEMORY)


def worse(
    results: Mapping[str, StackResult], committed: Mapping[str, Mapping[str, Kept]]
) -> list[Worse]:
    """Return what in *results* is worse than *committed* allows.

    What only one of the two has is passed over: `--full` measures more than is measured
    otherwise, and stacks can be left out.
    """
    found = []
    for stack, result in results.items():
        before = committed.get(stack, {})
        for name, now in keepable(result):
            kept = before.get(name)
            if kept is not None and now.ratio > kept.ratio * kept.tolerance:
                found.append(Worse(stack=stack, name=name, now=now.ratio, kept=kept))
    return found


def read(file: Path = FILE) -> dict[str, dict[str, Kept]]:
    """Return the committed ratios, by stack and by name.

    Raises:
        FileNotFoundError: There are none.
    """
    document = json.loads(file.read_text("utf-8"))
    return {
        stack: {name: Kept(**kept) for name, kept in ratios.items()}
        for stack, ratios in document.items()
    }


def update(results: Mapping[str, StackResult], file: Path = FILE) -> None:
    """Write the ratios of *results*; those of stacks that were not measured stay."""
    document = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    for stack, result in results.items():
        document[stack] = {
            name: {"ratio": float(f"{kept.ratio:.4g}"), "tolerance": kept.tolerance}
            for name, kept in keepable(result)
        }
    file.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", "utf-8")
