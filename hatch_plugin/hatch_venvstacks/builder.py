"""The build target ``venvstacks``: a shell that calls `venvlayers.workflow`.

Target versions are verbs: ``hatch build -t venvstacks`` publishes, and
``-t venvstacks:lock``, ``:build`` and ``:local-export`` do that much. The only
decisions made here are Hatch's: where outputs go, how messages look, and that a
failure is a message and an exit code, never a traceback.

Hatch imports this for targets of other plugins too: the engine is imported when there is
something for it to do.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatchling.builders.constants import BuildEnvVars
from hatchling.builders.plugin.interface import BuilderInterface

from hatch_venvstacks.host import abort, failures, line_reporter
from venvlayers.errors import Problem, PublishError, SpecError
from venvlayers.plan import Goal
from venvlayers.report import Reporter
from venvlayers.request import Request
from venvlayers.spec.table import did_you_mean

if TYPE_CHECKING:
    from venvlayers.workflow import Outcome

_TAG_OUTPUTS = "tag-outputs"
_PLATFORMS = "platforms"
_OPTIONS = (_TAG_OUTPUTS, _PLATFORMS)
_USAGE = 2  # what commands return when they are called wrongly


class VenvstacksBuilder(BuilderInterface):  # type: ignore[type-arg]
    """Builds the layers declared in ``[tool.venvstacks]``."""

    PLUGIN_NAME = "venvstacks"

    def get_version_api(self) -> dict[str, Callable[..., str]]:
        """Return our verbs, which Hatch calls versions."""
        return {
            "publish": self._publish,
            "lock": self._lock,
            "build": self._build,
            "local-export": self._local_export,
        }

    def get_default_versions(self) -> list[str]:
        """Return what a plain ``-t venvstacks`` does."""
        return ["publish"]

    def build(
        self, *, directory: str | None = None, versions: list[str] | None = None, **more: Any
    ) -> Generator[str, None, None]:
        """Build as Hatch does, after checking what it would answer with a traceback."""
        directory = directory or self._location()
        self._require_known(versions or [])
        self._require_project()
        self._make_directory(directory)
        yield from super().build(directory=directory, versions=versions, **more)

    def _location(self) -> str:
        """Return the directory that Hatch would choose."""
        named = os.environ.get(BuildEnvVars.LOCATION)
        config = self.config
        return str(config.normalize_build_directory(named) if named else config.directory)

    def _require_known(self, versions: list[str]) -> None:
        verbs = self.get_version_api()
        if unknown := [version for version in versions if version not in verbs]:
            listed = ", ".join(f"`-t {self.PLUGIN_NAME}:{verb}`" for verb in verbs)
            abort(
                self.app, f"there is no `-t {self.PLUGIN_NAME}:{unknown[0]}`, only {listed}", _USAGE
            )

    def _require_project(self) -> None:
        """Refuse a ``[project]`` that Hatch would not read, as it is for every target."""
        try:
            self.metadata.validate_fields()
        except (ValueError, TypeError, OSError) as error:
            hint = "Hatch needs a [project] with a name and a version in pyproject.toml"
            abort(self.app, f"{error}\nhint: {hint}", SpecError.exit_code)

    def _make_directory(self, directory: str) -> None:
        with failures(self.app):
            try:
                Path(directory).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise PublishError(
                    f"cannot publish to {directory}: {error.strerror}",
                    hint="name a directory that you may write to",
                ) from error

    def clean(self, directory: str, versions: list[str]) -> None:
        """Remove what the manifests in *directory* say we published there."""
        del versions
        from venvlayers.workflow import clean  # noqa: PLC0415 - see above

        with failures(self.app):
            clean(Path(directory).absolute())

    def _publish(self, directory: str, **_build_data: Any) -> str:
        return self._run(Goal.PUBLISH, directory)

    def _lock(self, directory: str, **_build_data: Any) -> str:
        return self._run(Goal.LOCK, directory)

    def _build(self, directory: str, **_build_data: Any) -> str:
        return self._run(Goal.BUILD, directory)

    def _local_export(self, directory: str, **_build_data: Any) -> str:
        return self._run(Goal.EXPORT, os.path.join(directory, "local-export"))  # noqa: PTH118

    def _run(self, goal: Goal, directory: str) -> str:
        """Do the work, and return the path that Hatch is to show."""
        from venvlayers.workflow import perform  # noqa: PLC0415 - see above

        with failures(self.app):
            outcome = perform(self.request(goal, directory), self._reporter())
            self._show(outcome)
        return os.fspath(outcome.artifact)

    def request(self, goal: Goal, directory: str) -> Request:
        """Return what is asked of the engine.

        Raises:
            SpecError: The target's own options cannot be used.
        """
        tag_outputs, platforms = self._options()
        return Request(
            project=Path(self.root, "pyproject.toml"),
            goal=goal,
            # Hatch passes a relative LOCATION on as it is.
            output_dir=Path(directory).absolute(),
            tag_outputs=tag_outputs,
            platforms_by_default=platforms,
            tags_by_default=True,
        )

    def _show(self, outcome: Outcome) -> None:
        from venvlayers.workflow.outcome import summary  # noqa: PLC0415 - see above

        for line in summary(outcome):
            self.app.display_info(line)

    def _options(self) -> tuple[bool | None, tuple[str, ...]]:
        """Return what the target says of ``tag-outputs`` and of ``platforms``."""
        where = "tool.hatch.build.targets.venvstacks"
        problems = [
            Problem(where=f"{where}.{key}", what="unknown key", suggestion=meant)
            for key in self.target_config  # Hatch has keys of its own there
            if key not in _OPTIONS and (meant := did_you_mean(key, _OPTIONS))
        ]
        tags, names = (self.target_config.get(key) for key in _OPTIONS)
        if not isinstance(tags, bool | None):
            problems.append(Problem(where=f"{where}.{_TAG_OUTPUTS}", what="must be true or false"))
        names = [] if names is None else names
        if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
            what = 'must be an array of names, such as ["linux_x86_64"] or ["all"]'
            problems.append(Problem(where=f"{where}.{_PLATFORMS}", what=what))
        if problems:
            raise SpecError("pyproject.toml", problems)
        return tags, tuple(names)

    def _reporter(self) -> Reporter:
        verbosity = max(self.app.verbosity, 0)
        if sys.stderr.isatty() and self.app.verbosity >= 0:
            from venvlayers.terminal import TerminalReporter  # noqa: PLC0415 - rich costs 100 ms

            return TerminalReporter(verbosity=verbosity)
        return line_reporter(self.app, verbosity)
