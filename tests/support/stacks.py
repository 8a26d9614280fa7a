"""Running the engine's stages in a test's own process, on projects as users write them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from support.projects import Project
from venvlayers.build.runtime.local import LocalSource
from venvlayers.build.runtime.managed import ManagedSource
from venvlayers.build.runtime.source import RuntimeContext, RuntimeSource
from venvlayers.layout import Layout
from venvlayers.lock.lock import LockContext, NewLock, lock_layer, save_locks
from venvlayers.lock.model import LayerLock
from venvlayers.plan import Goal
from venvlayers.report import Kind, LineReporter
from venvlayers.spec.model import StackSpec
from venvlayers.spec.parse import load
from venvlayers.workflow import Outcome, Request, perform


@dataclass
class Messages:
    """Collects what is reported."""

    lines: list[tuple[Kind, str]] = field(default_factory=list)

    @property
    def reporter(self) -> LineReporter:
        """A reporter that sends everything here, details included."""
        return LineReporter(lambda kind, text: self.lines.append((kind, text)), verbosity=1)

    def of(self, kind: Kind) -> list[str]:
        """Return the messages of one kind."""
        return [text for found, text in self.lines if found is kind]

    @property
    def of_work(self) -> list[str]:
        """Return everything but what was taken as given."""
        return [text for _kind, text in self.lines if not text.startswith("trusted: ")]

    def of_steps(self) -> set[str]:
        """Return what was begun, without the reasons."""
        return {text.partition(":")[0] for text in self.of(Kind.STEP)}

    def steps(self, verb: str) -> list[str]:
        """Return the layers on which a step such as ``building`` was begun."""
        steps = self.of(Kind.STEP)
        return [step.split()[1].rstrip(":") for step in steps if step.startswith(f"{verb} ")]


def lock_all(
    project: Project,
    messages: Messages | None = None,
    now: datetime | None = None,
    **context: Any,
) -> dict[str, LayerLock]:
    """Lock every layer anew, also those whose lock is valid."""
    made = new_locks(project, messages, now, **context)
    return {name: new.lock for name, new in made.items()}


def new_locks(
    project: Project,
    messages: Messages | None = None,
    now: datetime | None = None,
    **context: Any,
) -> dict[str, NewLock]:
    """Do what `lock_all` does, with *context* for `LockContext`, and return all that was made."""
    spec, layout = load(project.root), Layout.beside(project.root)
    layout.work_dir.mkdir(parents=True, exist_ok=True)
    reporter = (messages or Messages()).reporter
    runtime = RuntimeContext(reporter=reporter, work_dir=layout.work_dir)
    sources: dict[str, RuntimeSource] = {"local": LocalSource(), "managed": ManagedSource()}
    working = LockContext(
        layout=layout, runtime=runtime, sources=sources, now=now or datetime.now(UTC), **context
    )
    made: dict[str, NewLock] = {}
    for layer in spec.layers:
        lower = [made[name].lock for name in layer.lower]
        made[layer.env_name] = lock_layer(spec, layer, lower, working)
        save_locks(layout, [made[layer.env_name]])
    return made


def spec_and_layout(project: Project) -> tuple[StackSpec, Layout]:
    """Return a project's specification and layout."""
    return load(project.root), Layout.beside(project.root)


def run(
    project: Project, goal: Goal = Goal.PUBLISH, messages: Messages | None = None, **more: object
) -> Outcome:
    """Do what a shell would do, with outputs in the project's ``dist``."""
    request = Request(**{"project": project.root, "goal": goal, "output_dir": project.dist, **more})  # type: ignore[arg-type]
    return perform(request, (messages or Messages()).reporter)


def done(outcome: Outcome) -> tuple[tuple[str, str], ...]:
    """Return what a run did: actions with the names of layers."""
    return tuple((one.action, one.env_name) for one in outcome.done)


def versions(lock: LayerLock) -> dict[str, str]:
    """Return a lock's own packages with their versions."""
    return {package.name: str(package.version) for package in lock.document.packages}


def lock_files(root: Path) -> dict[str, str]:
    """Return the text of every lock file of a project."""
    files = sorted((root / "requirements").rglob("*"))
    return {
        str(file.relative_to(root)): file.read_text("utf-8") for file in files if file.is_file()
    }
