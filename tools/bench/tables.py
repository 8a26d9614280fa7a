"""Results for those who read them: on a terminal, and in the documentation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.ratios import RATIOS, Amount, Ratio, amounts
from bench.results import StackResult
from bench.stacks import STACKS
from sandbox import human_size, table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "performance.md"
BEGIN, END = "<!-- made by `nox -s bench -- --update` -->\n", "<!-- end of that -->\n"
_HEADINGS = ("ours / beside", "ours", "beside", "ratio", "goal", "")


def of_stack(result: StackResult) -> str:
    """Return everything that was measured of a stack, in columns."""
    stack = STACKS[result.name]
    rows: list[tuple[str, ...]] = [_HEADINGS]
    for ratio in RATIOS:
        if compared := ratio.of(result):
            ours, limit = (_amount(value, ratio) for value in (compared.ours, compared.limit))
            goal = ratio.goal(result.name)
            judged = (_number(goal), _judge(compared.value, goal)) if goal else ("", "")
            rows.append((ratio.name, ours, limit, _number(compared.value), *judged))
    rows += [_amount_row(amount) for amount in amounts(result)]
    sizes = result.sizes
    facts = [*result.notes]
    if "files" in sizes:
        unpacked = human_size(sizes["unpacked"])
        facts.append(f"{unpacked} in {sizes['files']} files; plain: {sizes['files, plain']} files")
    text = "\n".join(f"  {fact}" for fact in facts)
    return f"{stack.name}: {stack.title}\n\n{table(rows)}\n\n{text}"


def memory(result: StackResult) -> str:
    """Return the peak memory of each stage, in columns."""
    rows = [("memory", "largest process", "all at once", "processor")]
    for stage, runs in result.runs.items():
        largest, together = (max(getattr(run, key) for run in runs) for key in _KINDS)
        cpu = sorted(run.cpu for run in runs)[len(runs) // 2]
        rows.append((stage, human_size(largest), human_size(together), f"{cpu:.2f} s"))
    return table(rows)


_KINDS = ("largest", "together")


def update_page(results: Mapping[str, StackResult], page: Path = PAGE) -> None:
    """Put the ratios of *results* into the page of the documentation.

    Raises:
        ValueError: Its markers are missing.
    """
    text = page.read_text("utf-8")
    pattern = f"{re.escape(BEGIN)}.*?{re.escape(END)}"
    made = f"{BEGIN}{markdown(results)}{END}"
    changed, count = re.subn(pattern, lambda _: made, text, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"{page} has no place for the ratios")
    page.write_text(changed, "utf-8")


def markdown(results: Mapping[str, StackResult]) -> str:
    """Return the ratios of *results*, a column for each stack."""
    columns = [results[name] for name in STACKS if name in results]
    lines = [f"| ours | beside | {' | '.join(result.name for result in columns)} | goal |"]
    lines.append("|---|---|" + "--:|" * (len(columns) + 1))
    for ratio in RATIOS:
        cells = [_cell(ratio, result) for result in columns]
        if any(cells):
            what = (f"size: {ratio.ours}" if ratio.is_size else ratio.ours, _code(ratio.limit))
            lines.append(f"| {' | '.join((*what, *cells, _goals(ratio)))} |")
    lines += [f"| {line} |" for line in _amount_lines(columns)]
    return "\n".join(lines) + "\n"


def _amount_lines(columns: list[StackResult]) -> Iterator[str]:
    """Yield the rows of what is no ratio, where there is a goal: how much of that it is."""
    found = [{amount.what: amount for amount in amounts(result)} for result in columns]
    for what in dict.fromkeys(what for column in found for what in column):
        goals = {amount.goal: amount.unit for column in found if (amount := column.get(what))}
        for goal, unit in goals.items():
            if goal is None:
                continue
            cells = [_share(column.get(what)) for column in found]
            yield " | ".join((what, f"its goal, {_quantity(goal, unit)}", *cells, "1"))


def _share(amount: Amount | None) -> str:
    return _number(amount.value / amount.goal) if amount and amount.goal else ""


def _cell(ratio: Ratio, result: StackResult) -> str:
    compared = ratio.of(result)
    return _number(compared.value) if compared else ""


def _goals(ratio: Ratio) -> str:
    goals = {_number(goal) for _, goal in ratio.goals}
    stacks = ", ".join(stack for stack, _ in ratio.goals)
    return f"{goals.pop()} ({stacks})" if goals else ""


def _code(limit: str) -> str:
    return f"`{limit}`".replace("|", "\\|") if "tar" in limit or "python" in limit else limit


def _amount_row(amount: Amount) -> tuple[str, ...]:
    goal = "" if amount.goal is None else _quantity(amount.goal, amount.unit)
    judged = "" if amount.goal is None else _judge(amount.value, amount.goal)
    return (amount.what, _quantity(amount.value, amount.unit), "", "", goal, judged)


def _amount(value: float, ratio: Ratio) -> str:
    return _quantity(value, "B" if ratio.is_size else "s")


def _quantity(value: float, unit: str) -> str:
    if unit == "B":
        return human_size(value)
    return f"{1000 * value:.1f} ms" if unit == "ms" or value < 1 else f"{value:.2f} s"


def _number(value: float) -> str:
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}" if value < 10 else f"{value:.0f}"  # noqa: PLR2004


def _judge(value: float, goal: float) -> str:
    return "met" if value <= goal else "NOT MET"
