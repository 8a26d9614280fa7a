"""What the bench makes of measurements; it never measures here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from bench import committed, ratios, results, tables
from bench.committed import Kept
from bench.ratios import Compared, Ratio
from bench.results import Run, StackResult
from bench.stacks import STACKS, Edit, Stack


def measured(name: str = "large", **walls: Sequence[float]) -> StackResult:
    """Return a result with these seconds; stages have `_` for a blank here."""
    result = StackResult(name=name)
    for stage, seconds in walls.items():
        for wall in seconds:
            result.add(stage.replace("_", " "), Run(wall=wall, largest=120_000_000))
    return result


def test_rounds_are_compared_one_by_one() -> None:
    """A slow minute of the machine is in both, and is no spread."""
    compared = Compared.of([1.0, 10.0, 2.2], [1.0, 10.0, 2.0])
    assert compared.value == 1.0
    assert compared.spread == pytest.approx(1.1)
    assert (compared.ours, compared.limit) == (2.2, 2.0)


def test_what_was_measured_once_is_compared_with_the_median() -> None:
    compared = Compared.of([1.0, 2.0, 3.0], [40.0])
    assert compared.value == pytest.approx(0.05)
    assert compared.spread == pytest.approx(1.5)


def test_of_many_turns_the_worst_tenth_is_no_spread() -> None:
    assert Compared.of([1.0] * 18 + [1.2, 9.0], [1.0] * 20).spread == 1.0
    assert Compared.of([1.0] * 17 + [1.2, 9.0, 9.0], [1.0] * 20).spread == 1.2


def test_a_ratio_of_what_was_not_measured_is_none() -> None:
    assert Ratio(ours="publish", limit="tar | xz -6").of(measured(publish=[1.0])) is None
    assert Ratio(ours="archives", limit="xz", is_size=True).of(measured()) is None


def test_sizes_are_compared_in_bytes() -> None:
    result = measured()
    result.sizes.update({"archives": 120, "xz": 100})
    compared = Ratio(ours="archives", limit="xz", is_size=True).of(result)
    assert compared is not None
    assert (compared.value, compared.spread) == (1.2, 1.0)


def test_names_of_ratios_are_distinct() -> None:
    names = [ratio.name for ratio in ratios.RATIOS]
    assert len(set(names)) == len(names)
    assert {stack for ratio in ratios.RATIOS for stack, _ in ratio.goals} <= set(STACKS)


def test_starts_are_compared_turn_by_turn() -> None:
    result = measured("tiny", start=[0.021, 0.5, 0.023])
    for wall in (0.020, 0.499, 0.020):
        result.add("start, plain", Run(wall=wall))
    (added,) = [amount for amount in ratios.amounts(result) if amount.unit == "ms"]
    assert (round(added.value, 6), added.goal) == (0.001, 0.002)


def test_only_our_own_stages_count_for_memory() -> None:
    result = measured(publish=[1.0])
    result.add("tar | xz -6", Run(wall=1.0, largest=900_000_000))
    assert ratios.memory_share(result) == pytest.approx(0.4)
    assert ratios.memory_share(StackResult(name="large")) is None


def test_a_tolerance_is_no_less_than_the_worst_round() -> None:
    result = measured(build=[1.0, 2.0, 3.1])
    for wall in (1.0, 1.0, 1.0):
        result.add("uv pip install", Run(wall=wall))
    assert dict(committed.keepable(result))["build / uv pip install"] == Kept(
        ratio=2.0, tolerance=1.55
    )


def test_a_steady_ratio_has_the_least_tolerance() -> None:
    result = measured(build=[1.0, 1.0])
    for wall in (1.0, 1.0):
        result.add("uv pip install", Run(wall=wall))
    assert dict(committed.keepable(result))["build / uv pip install"].tolerance == 1.25


def test_what_asks_the_network_has_a_larger_tolerance() -> None:
    result = measured(lock=[1.0, 1.6])
    for wall in (1.0, 1.0):
        result.add("uv pip compile", Run(wall=wall))
    assert dict(committed.keepable(result))["lock / uv pip compile"].tolerance == 2.0


def test_a_size_has_hardly_any_tolerance() -> None:
    result = StackResult(name="large", sizes={"archives": 11, "xz": 10})
    assert dict(committed.keepable(result)) == {
        "size: archives / xz": Kept(ratio=1.1, tolerance=1.02)
    }


def with_build(ours: float) -> dict[str, StackResult]:
    result = StackResult(name="large")
    result.add("build", Run(wall=ours))
    result.add("uv pip install", Run(wall=1.0))
    return {"large": result}


def test_a_check_names_what_is_worse_than_its_tolerance() -> None:
    before = {"large": {"build / uv pip install": Kept(ratio=1.2, tolerance=1.5)}}
    assert committed.worse(with_build(1.79), before) == []
    (found,) = committed.worse(with_build(1.9), before)
    assert str(found) == (
        "large: build / uv pip install is 1.9, and should be at most 1.8"
        " (1.2 is committed, times 1.5)"
    )


def test_a_check_passes_over_what_only_one_side_has() -> None:
    assert committed.worse(with_build(9.0), {"tiny": {}}) == []
    before = {"large": {"publish / tar | xz -6": Kept(ratio=0.02, tolerance=1.25)}}
    assert committed.worse(with_build(9.0), before) == []


def test_an_update_keeps_the_stacks_that_were_not_measured(tmp_path: Path) -> None:
    file = tmp_path / "ratios.json"
    committed.update({"tiny": StackResult(name="tiny"), **with_build(1.0)}, file)
    committed.update(with_build(1.23456), file)
    kept = committed.read(file)
    assert set(kept) == {"tiny", "large"}
    assert kept["large"]["build / uv pip install"] == Kept(ratio=1.235, tolerance=1.25)


def test_results_come_back_from_several_files(tmp_path: Path) -> None:
    one, two = measured(publish=[1.0]), measured(publish=[3.0], lock=[2.0])
    one.sizes["xz"] = 5
    one.notes.append("once")
    two.notes.append("once")
    files = [
        results.write(tmp_path / name, [result], {"hatch": None})
        for name, result in (("one", one), ("two", two))
    ]
    read = results.read(files)["large"]
    assert [run.wall for run in read.runs["publish"]] == [1.0, 3.0]
    assert (read.sizes, read.notes) == ({"xz": 5}, ["once"])


def test_another_json_file_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text("[]", "utf-8")
    with pytest.raises(ValueError, match=r"other\.json has no results"):
        results.read([other])


def test_the_table_says_which_goals_are_met() -> None:
    result = measured(build=[3.0], publish=[1.2], nothing_to_do=[0.25])
    result.add("uv pip install, a layer each", Run(wall=1.0))
    result.add("tar | zstd", Run(wall=1.0))
    lines = tables.of_stack(result).splitlines()
    assert "build / uv pip install, a layer each 3.00 s 1.00 s 3.00 1.50 NOT MET" in squeezed(lines)
    assert "publish / tar | zstd 1.20 s 1.00 s 1.20 1.30 met" in squeezed(lines)
    assert "nothing to do 250.0 ms 300.0 ms met" in squeezed(lines)


def squeezed(lines: Sequence[str]) -> list[str]:
    return [" ".join(line.split()) for line in lines]


def test_the_page_gets_a_column_for_each_stack(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{tables.BEGIN}old\n{tables.END}after\n", "utf-8")
    tiny = measured("tiny", publish=[2.0])
    tiny.add("tar | zstd", Run(wall=1.0))
    tables.update_page({"tiny": tiny, **with_build(1.5)}, page)
    text = page.read_text("utf-8")
    assert "| ours | beside | tiny | large | goal |\n" in text
    assert "| publish | `tar \\| zstd` | 2.00 |  | 1.30 (large) |\n" in text
    assert "| build | uv pip install |  | 1.50 |  |\n" in text
    assert "old" not in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")


def test_the_page_has_shares_of_goals_that_a_stack_has() -> None:
    """Five layers are what the goal for starts speaks of, and only one stack has them."""
    results = {name: measured(name, start=[0.023], nothing_to_do=[0.15]) for name in STACKS}
    for result in results.values():
        result.add("start, plain", Run(wall=0.020))
    lines = tables.markdown(results).splitlines()
    assert "| what layers add to a start | its goal, 2.0 ms | 1.50 |  |  | 1 |" in lines
    assert "| nothing to do | its goal, 300.0 ms | 0.50 | 0.50 | 0.50 | 1 |" in lines


def test_a_page_without_a_place_for_ratios_is_an_error(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("nothing\n", "utf-8")
    with pytest.raises(ValueError, match="no place"):
        tables.update_page(with_build(1.0), page)


@pytest.mark.parametrize("stack", STACKS.values(), ids=lambda stack: stack.name)
def test_every_change_of_a_stack_fits_its_project(stack: Stack) -> None:
    text = stack.directory.joinpath("pyproject.toml").read_text("utf-8")
    pinned = stack.pin.apply(text)
    assert len({text, pinned, stack.other.apply(pinned), stack.more.apply(pinned)}) == 4
    assert stack.directory.joinpath(stack.launch_module).is_file()


def test_a_change_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(ValueError, match="2 times"):
        Edit("a", "b").apply("a a")
