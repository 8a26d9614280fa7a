"""``nox -s bench``: the options, and what follows from them."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[1])  # the room is a package of that directory

import warm  # noqa: E402
from bench import committed, hatch_build, plot, results, tables, theirs  # noqa: E402
from bench.results import StackResult  # noqa: E402
from bench.rounds import Rounds, explain, missing_programs  # noqa: E402
from bench.stacks import STACKS, Stack  # noqa: E402
from bench.workplace import Workplace  # noqa: E402
from sandbox import table  # noqa: E402

WRITTEN = Path(__file__).resolve().parents[2] / "bench-results"


def main() -> int:
    """Measure what the options say; return 1 if a ratio is worse than it may be."""
    options = _parser().parse_args()
    if not options.files and (missing := missing_programs()):
        print(f"these programs are needed, and not here: {', '.join(missing)}")
        return 2
    directory = Path(tempfile.mkdtemp(prefix="bench-")).resolve()
    try:
        return _run(options, directory)
    except subprocess.CalledProcessError as error:
        print(explain(error))
        return 1
    finally:
        if options.keep:
            print(f"kept: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nox -s bench --", description=__doc__)
    add = parser.add_argument
    add("--wheels", type=Path, help="has this checkout's wheel, for what is measured with Hatch")
    add("--stack", action="append", choices=STACKS, help="only this one; repeatable")
    add("--runs", type=int, help="how often to measure each (default: 3 times tiny, 2 the others)")
    add("--full", action="store_true", help="what takes minutes, too")
    add("--memory", action="store_true", help="print the memory of each stage too")
    add("--warm", action="store_true", help="only `hatch run` with a layer")
    add("--turns", type=int, default=15, help="how often, for what is run with Hatch")
    add("--check", action="store_true", help="fail if ratios are worse than the committed ones")
    add("--update", action="store_true", help="measure as with --full, and commit to it")
    add("--from", type=Path, nargs="+", dest="files", help="measure nothing: take these results")
    add("--keep", action="store_true", help="do not remove what was made")
    add(
        "--against-venvstacks",
        type=Path,
        nargs="?",
        const=os.environ.get("BENCH_VENVSTACKS") or "venvstacks",
        metavar="PROGRAM",
        help="only compare with another `venvstacks`: this, or BENCH_VENVSTACKS, or that on PATH",
    )
    return parser


def _run(options: argparse.Namespace, directory: Path) -> int:
    chosen = [STACKS[name] for name in STACKS if name in (options.stack or STACKS)]
    if options.against_venvstacks:
        program = theirs.find(options.against_venvstacks, _program())
        return theirs.compare(program, _program(), chosen, directory, options.runs or 1)
    if options.files:
        found = results.read(options.files)
        measured = {name: found[name] for name in STACKS if name in found}
    else:
        measured = _measure(options, chosen, directory)
    return _report(options, measured)


def _measure(
    options: argparse.Namespace, chosen: list[Stack], directory: Path
) -> dict[str, StackResult]:
    """Measure with Hatch if it is there, then each stack; write and show what came out."""
    more: dict[str, Any] = {}
    if options.wheels and (options.warm or not options.stack):
        more = _with_hatch(options, directory)
    measured = {} if options.warm else {s.name: _stack(s, directory, options) for s in chosen}
    file = results.write(WRITTEN, measured.values(), more)
    print(f"\nwritten: {file}")
    return measured


def _with_hatch(options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    added = warm.measure(directory / "warm", options.turns)
    print(table([warm.HEADINGS, *(line.row for line in added)]))
    more: dict[str, Any] = {"warm": [asdict(line) for line in added]}
    if not options.warm:
        build = hatch_build.measure(directory / "hatch", options.wheels, options.runs or 5)
        print(f"\n{build}", flush=True)
        more["hatch"] = asdict(build)
    return more


def _stack(stack: Stack, directory: Path, options: argparse.Namespace) -> StackResult:
    place = directory / stack.name
    place.mkdir()
    rounds = Rounds(
        Workplace(stack, place, _program()),
        lambda text: print(text, flush=True),
        is_full=options.full or options.update,
    )
    print(f"\n{stack.name}: {stack.title}", flush=True)
    rounds.prepare()
    rounds.run(options.runs or stack.rounds)
    rounds.finish()
    return rounds.result


def _report(options: argparse.Namespace, measured: Mapping[str, StackResult]) -> int:
    for result in measured.values():
        print(f"\n{tables.of_stack(result)}")
        if options.memory:
            print(f"\n{tables.memory(result)}")
    if not measured:
        return 0
    if not options.files:
        plot.draw(measured, WRITTEN / "bench.png")
    status = _check(measured) if options.check else 0
    if options.update:
        _update(measured)
    return status


def _update(measured: Mapping[str, StackResult]) -> None:
    committed.update(measured)
    if missing := STACKS.keys() - measured.keys():
        print(f"the table and the picture stay: they need {', '.join(sorted(missing))} too")
        return
    tables.update_page(measured)
    plot.draw(measured, plot.PICTURE)


def _check(measured: Mapping[str, StackResult]) -> int:
    worse = committed.worse(measured, committed.read())
    for line in worse:
        print(f"worse: {line}")
    if not worse:
        print("no ratio is worse than the committed one, within its tolerance")
    return 1 if worse else 0


def _program() -> Path:
    """Return the command that was installed with the Python that runs this."""
    name = "venvstacks.exe" if sys.platform == "win32" else "venvstacks"
    return Path(sys.executable).with_name(name)


if __name__ == "__main__":
    sys.exit(main())
