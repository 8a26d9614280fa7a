"""The picture of the results: our stages as bars, and what they are compared with below them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.ratios import Ratio
from bench.results import StackResult
from bench.stacks import STACKS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PICTURE = Path(__file__).resolve().parents[2] / "docs" / "bench.png"

_OURS, _LIMIT, _INK, _FAINT = "#2f6f9f", "#c9ced6", "#1f2933", "#6b7785"
_OLD = "#d9a679"
_TIGHT: Any = {"bbox_inches": "tight", "pad_inches": 0.15}
_ALIKE = 0.02
_SECONDS = "seconds on the machine that measured, logarithmic: what counts are the ratios"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Bars that belong together: one of ours, and those beside it.

    Attributes:
        title: What is done.
        ours: Our stage.
        limits: What it is compared with: what it is called here, and the stage.
    """

    title: str
    ours: str
    limits: tuple[tuple[str, str], ...]


GROUPS = (
    Group(
        title="publish everything",
        ours="publish",
        limits=(("tar | zstd -T0", "tar | zstd"),),
    ),
    Group(
        title="… before and after xz was measured",
        ours="publish, beside xz",
        limits=(("tar | xz -6", "tar | xz -6"),),
    ),
    Group(
        title="… one package changed",
        ours="publish, a package changed",
        limits=(("publish everything", "publish"),),
    ),
    Group(
        title="… a launch module changed",
        ours="publish, a launch module changed",
        limits=(("publish everything", "publish"),),
    ),
    Group(
        title="… every frame known",
        ours="publish, frames known",
        limits=(("cp -r of the archives", "cp -r of the archives"),),
    ),
    Group(
        title="nothing to do",
        ours="nothing to do",
        limits=(("python -c pass", "python -c pass"),),
    ),
    Group(
        title="build, uv's cache warm",
        ours="build",
        limits=(
            ("uv pip install, one environment", "uv pip install"),
            ("uv pip install, one a layer", "uv pip install, a layer each"),
        ),
    ),
    Group(title="lock anew", ours="lock", limits=(("uv pip compile", "uv pip compile"),)),
    Group(
        title="local-export",
        ours="local-export",
        limits=(("cp -r", "cp -r of the layers"),),
    ),
    Group(
        title="deploy (tar --zstd)",
        ours="deploy",
        limits=(("cp -r", "cp -r of the layers"),),
    ),
)


@dataclass(frozen=True, slots=True)
class _Bar:
    label: str
    value: float
    text: str
    color: str


def draw(results: Mapping[str, StackResult], picture: Path) -> None:
    """Draw the largest of the measured stacks into *picture*, a PNG file.

    Needs matplotlib, which the session `bench` installs.
    """
    import matplotlib as mpl  # noqa: PLC0415 - only those who draw need it

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    name = [name for name in STACKS if name in results][-1]
    result = results[name]
    groups = [bars for group in GROUPS if (bars := _bars(group, result))]
    sizes = _sizes(result)
    counts = [sum(len(bars) + 1 for _, bars in groups), len(sizes) + 1]
    with plt.rc_context({"font.family": "DejaVu Sans", "font.size": 10, "text.color": _INK}):
        size = (10, 0.27 * sum(counts) + 1.9)
        figure, (upper, lower) = plt.subplots(
            2, figsize=size, height_ratios=counts, layout="constrained"
        )
        title = f"{STACKS[name].title}: {_unpacked(result)}"
        figure.suptitle(title, fontsize=13, weight="bold", y=1.02)
        _draw_groups(upper, groups, _SECONDS)
        lower.set_xlim(0, max(bar.value for bar in sizes) * 1.35)
        _draw_groups(lower, [("archives", sizes)], "MB")
        figure.savefig(picture, dpi=140, metadata={"Software": None}, **_TIGHT)
        plt.close(figure)


def _unpacked(result: StackResult) -> str:
    return f"{result.sizes['unpacked'] / 1e6:.0f} MB in {result.sizes['files']:,} files"


def _bars(group: Group, result: StackResult) -> tuple[str, list[_Bar]] | None:
    limits = [
        (label, compared)
        for label, stage in group.limits
        if (compared := Ratio(ours=group.ours, limit=stage).of(result))
    ]
    if not limits:
        return None
    ours = limits[0][1].ours
    bars = [_Bar("ours", ours, _seconds(ours), _OURS)]
    for label, compared in limits:
        text = f"{_seconds(compared.limit)}   {_times(compared.value)}"
        bars.append(_Bar(label, compared.limit, text, _OLD if "xz" in label else _LIMIT))
    return group.title, bars


def _sizes(result: StackResult) -> list[_Bar]:
    """Return bars of sizes, ours first; ratios are to xz where that was measured."""
    named = (
        ("ours", "archives", _OURS),
        ("ours, --best", "best", _OURS),
        ("tar | zstd -T0", "zstd", _LIMIT),
        ("tar | xz -6", "xz", _OLD),
    )
    xz = result.sizes.get("xz")
    bars = []
    for label, key, color in named:
        if size := result.sizes.get(key):
            beside = f"   {size / xz:.2f} of xz" if xz and key != "xz" else ""
            bars.append(_Bar(label, size / 1e6, f"{size / 1e6:.1f} MB{beside}", color))
    return bars


def _draw_groups(axes: Axes, groups: Sequence[tuple[str, list[_Bar]]], unit: str) -> None:
    """Draw each group from the top down, with room between them."""
    ticks: list[tuple[float, str]] = []
    position = 0.0
    is_logarithmic = len(groups) > 1
    if is_logarithmic:
        values = [bar.value for _, bars in groups for bar in bars]
        axes.set_xscale("log")
        axes.set_xlim(min(values) / 1.6, max(values) * 14)
    for title, bars in groups:
        axes.annotate(
            title, (0, position - 0.5), xycoords=("axes fraction", "data"), weight="bold",
            xytext=(4, 0), textcoords="offset points", va="center",
        )  # fmt: skip
        position += 0.35
        for bar in bars:
            axes.barh(position, bar.value, height=0.78, color=bar.color)
            axes.annotate(
                bar.text, (bar.value, position), xytext=(5, 0), textcoords="offset points",
                va="center", color=_INK if bar.color == _OURS else _FAINT, fontsize=9,
            )  # fmt: skip
            ticks.append((position, bar.label))
            position += 0.9
        position += 1.0
    axes.set_ylim(position - 0.9, -1.2)
    _dress(axes, ticks, unit)


def _dress(axes: Axes, ticks: Sequence[tuple[float, str]], unit: str) -> None:
    axes.set_yticks([place for place, _ in ticks], [label for _, label in ticks], fontsize=9)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(colors=_FAINT)
    axes.set_xlabel(unit, color=_FAINT, fontsize=9)
    axes.xaxis.set_major_formatter(_plain)
    axes.grid(axis="x", color="#e6e9ee", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _plain(value: float, _: Any) -> str:
    return f"{value:g}"


def _seconds(value: float) -> str:
    return f"{1000 * value:.0f} ms" if value < 1 else f"{value:.1f} s"


def _times(ratio: float) -> str:
    if abs(ratio - 1) < _ALIKE:
        return "ours takes as long"
    if ratio <= 1:
        return f"ours is {_digits(1 / ratio)} times faster"
    return f"ours takes {_digits(ratio)} times as long"


def _digits(factor: float) -> str:
    return f"{factor:.3g}" if factor < 100 else f"{factor:.0f}"  # noqa: PLR2004
