"""What is compared with what, and the goals. Values only: nothing here runs or reads anything.

A ratio below 1 means that ours takes less. Rounds are compared one by one, because a stage
and its limit ran next to each other; the median of those ratios is the ratio.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from bench.results import Run, StackResult

MEMORY_GOAL = 300e6
"""Bytes, for the largest of our processes."""

OURS = (
    "lock, uv's cache empty",
    "lock",
    "relock",
    "build, all caches empty",
    "build",
    "build, a package changed",
    "publish",
    "publish, beside xz",
    "publish, frames known",
    "publish, a package changed",
    "publish, a launch module changed",
    "publish --best",
    "nothing to do",
    "local-export",
)
"""The stages that run our command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """Two things that are compared.

    Attributes:
        ours: A stage of ours, or what has a size.
        limit: What it is compared with.
        goals: The most that the ratio should be, by stack.
        is_size: Whether bytes are compared, not seconds.
        floor: The least tolerance when a later run is held against it. That of times is what
            two runs on a quiet machine differ by where stages take a second; what asks the
            network has more; sizes change a little with versions of packages and of Python.
    """

    ours: str
    limit: str
    goals: tuple[tuple[str, float], ...] = ()
    is_size: bool = False
    floor: float = 1.25

    @property
    def name(self) -> str:
        """How it is called in tables and in the committed ratios."""
        kind = "size: " if self.is_size else ""
        return f"{kind}{self.ours} / {self.limit}"

    def goal(self, stack: str) -> float | None:
        """Return the goal for *stack*, if there is one."""
        return dict(self.goals).get(stack)

    def of(self, result: StackResult) -> Compared | None:
        """Return the ratio in *result*; None if one of the two was not measured."""
        if self.is_size:
            sizes = result.sizes
            if self.ours not in sizes or self.limit not in sizes:
                return None
            return Compared.of([sizes[self.ours]], [sizes[self.limit]])
        ours, limit = result.runs.get(self.ours), result.runs.get(self.limit)
        if not ours or not limit:
            return None
        return Compared.of(_walls(ours), _walls(limit))


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A ratio that was measured.

    Attributes:
        value: The ratio.
        ours: The median of what is compared, in seconds or bytes.
        limit: The median of what it is compared with.
        spread: How much larger than the ratio that of a single round was, as a factor; where
            there are ten and more, the worst tenth of them is left out.
    """

    value: float
    ours: float
    limit: float
    spread: float

    @classmethod
    def of(cls, ours: Sequence[float], limit: Sequence[float]) -> Compared:
        """Compare measurements, in pairs where each has its own."""
        if len(ours) == len(limit):
            each = [one / max(other, 1e-9) for one, other in zip(ours, limit, strict=True)]
        else:
            middle = max(median(limit), 1e-9)
            each = [one / middle for one in ours]
        value = median(each)
        return cls(
            value=value,
            ours=median(ours),
            limit=median(limit),
            spread=sorted(each)[math.ceil(0.9 * len(each)) - 1] / value,
        )


def _walls(runs: Sequence[Run]) -> list[float]:
    return [run.wall for run in runs]


_NETWORK, _BYTES = 2.0, 1.02


RATIOS = (
    Ratio(ours="lock, uv's cache empty", limit="uv pip compile, uv's cache empty", floor=_NETWORK),
    Ratio(ours="lock", limit="uv pip compile", floor=_NETWORK),
    Ratio(ours="relock", limit="uv pip compile", floor=_NETWORK),
    Ratio(ours="build, all caches empty", limit="uv pip install, uv's cache empty", floor=_NETWORK),
    Ratio(ours="build", limit="uv pip install"),
    Ratio(
        ours="build", limit="uv pip install, a layer each", goals=(("demo", 1.5), ("large", 1.5))
    ),
    Ratio(ours="build", limit="uv pip install, copies"),
    Ratio(ours="build, a package changed", limit="build"),
    Ratio(ours="publish", limit="tar | zstd", goals=(("large", 1.3),)),
    Ratio(ours="publish", limit="tar | zstd, same window"),
    Ratio(ours="publish, beside xz", limit="tar | xz -6", goals=(("large", 1 / 40),)),
    Ratio(ours="publish, a package changed", limit="publish", goals=(("large", 0.15),)),
    Ratio(ours="publish, a launch module changed", limit="publish"),
    Ratio(ours="publish, frames known", limit="publish"),
    Ratio(ours="publish, frames known", limit="cp -r of the archives"),
    Ratio(ours="nothing to do", limit="python -c pass"),
    Ratio(ours="local-export", limit="cp -r of the layers"),
    Ratio(ours="deploy", limit="cp -r of the layers"),
    Ratio(ours="first start", limit="first start, plain"),
    Ratio(ours="start", limit="start, plain"),
    Ratio(ours="archives", limit="zstd", is_size=True, floor=_BYTES),
    Ratio(ours="archives", limit="zstd, same window", is_size=True, floor=_BYTES),
    Ratio(ours="archives", limit="xz", is_size=True, floor=_BYTES, goals=(("large", 1.2),)),
    Ratio(ours="best", limit="xz", is_size=True, floor=_BYTES, goals=(("large", 1.03),)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """Something with a goal that is no ratio.

    Attributes:
        what: What it is.
        value: Seconds or bytes.
        unit: ``s``, ``ms`` (the value is in seconds all the same) or ``B``.
        goal: The most that it should be; None if no goal speaks of it.
    """

    what: str
    value: float
    unit: str
    goal: float | None = None


def amounts(result: StackResult) -> Iterator[Amount]:
    """Yield what goals speak of in seconds and bytes, and what else is worth a look."""
    if runs := result.runs.get("nothing to do"):
        yield Amount(what="nothing to do", value=median(_walls(runs)), unit="s", goal=0.3)
    layered, plain = result.runs.get("start"), result.runs.get("start, plain")
    if layered and plain:
        goal = 0.002 if result.name == "tiny" else None  # it has the five layers of the goal
        added = median(one.wall - other.wall for one, other in zip(layered, plain, strict=False))
        yield Amount(what="what layers add to a start", value=added, unit="ms", goal=goal)
    if ours := [run for stage in OURS for run in result.runs.get(stage, ())]:
        largest = max(run.largest for run in ours)
        yield Amount(what="largest process", value=largest, unit="B", goal=MEMORY_GOAL)
        together = max(run.together for run in ours)
        yield Amount(what="all processes at once", value=together, unit="B")


def memory_share(result: StackResult) -> float | None:
    """Return the memory of our largest process as a share of the goal."""
    found = {amount.what: amount.value for amount in amounts(result)}
    largest = found.get("largest process")
    return largest / MEMORY_GOAL if largest else None
