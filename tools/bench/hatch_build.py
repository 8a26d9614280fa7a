"""The same through Hatch, where its own start is most of the time when nothing is to do.

Hatch's own start is measured with a builder that does nothing, in the same project and the
same build environment. What a layer adds to a warm `hatch run` is measured by `warm.py`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from sandbox import Sandbox, table

_NOTHING = """
from hatchling.builders.plugin.interface import BuilderInterface

class Nothing(BuilderInterface):
    def get_version_api(self):
        return {"standard": lambda directory, **_: directory}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What `hatch build -t venvstacks` takes beside Hatch's own start.

    Attributes:
        start: Seconds of a target that does nothing, for each turn.
        unchanged: Seconds of ours when nothing is to be done, for each turn.
    """

    start: tuple[float, ...]
    unchanged: tuple[float, ...]

    def __str__(self) -> str:
        """Return both, and the difference, in columns."""
        added = [ours - own for ours, own in zip(self.unchanged, self.start, strict=True)]
        rows = [("hatch build, nothing to do", "median")]
        for what, runs in (
            ("a target that does nothing", self.start),
            ("-t venvstacks", self.unchanged),
            ("added by it", added),
        ):
            rows.append((what, f"{1000 * median(runs):.0f} ms"))
        return table(rows)


def measure(directory: Path, wheels: Path, turns: int) -> Added:
    """Build the demo with Hatch below *directory*, then *turns* times more with nothing to do.

    Raises:
        subprocess.CalledProcessError: Hatch fails; its output is in there.
    """
    directory.mkdir()
    sandbox = Sandbox.create(directory, wheels)
    sandbox.copy_project()
    (sandbox.project / "hatch_build.py").write_text(_NOTHING, "utf-8")
    pyproject = sandbox.project / "pyproject.toml"
    pyproject.write_text(pyproject.read_text("utf-8") + "\n[tool.hatch.build.targets.custom]\n")
    for target in ("venvstacks", "custom"):
        _build(sandbox, target)
    pairs = [(_build(sandbox, "custom"), _build(sandbox, "venvstacks")) for _ in range(turns)]
    start, unchanged = zip(*pairs, strict=True)
    return Added(start=start, unchanged=unchanged)


def _build(sandbox: Sandbox, target: str) -> float:
    started = time.perf_counter()
    sandbox.hatch_quietly("build", "-t", target)
    return time.perf_counter() - started
