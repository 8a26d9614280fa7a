"""The environment type ``venvstacks``: a layer to work with, its sources used in place.

A shell around `venvlayers.develop`. Hatch makes an instance of every environment for
`hatch env show` and `prune`, so nothing here fails before an environment is used. Before
every command it asks for `dependency_hash`, which only reads.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatch.env.plugin.interface import EnvironmentInterface

from hatch_venvstacks.host import abort, failures, line_reporter
from venvlayers.develop.record import BYTECODE, Wanted, digest, read_record
from venvlayers.errors import SelectionError

if TYPE_CHECKING:
    from venvlayers.report import LineReporter

_NOT_OURS = (
    "dependencies",
    "extra-dependencies",
    "dependency-groups",
    "features",
    "python",
)
_ACTIVATED = ("bash", "zsh")
_REMOVED = ("PYTHONHOME", "__PYVENV_LAUNCHER__")


class VenvstacksEnvironment(EnvironmentInterface):
    """An environment that is a layer, for development."""

    PLUGIN_NAME = "venvstacks"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # As Hatch's own type does, a directory for each project: two may have one name.
        self._place = Path(self.data_directory, self.root.name, self.root.id, self.name)
        self._replaced: dict[str, str | None] = {}

    @staticmethod
    def get_option_types() -> dict[str, type]:
        """Return our one option, for Hatch's overrides."""
        return {"layer": str}

    @property
    def locked(self) -> bool:
        """Never: a layer has a lock of its own, which is not Hatch's business."""
        return False

    def find(self) -> str:
        """Return where the environment is, or would be."""
        return str(self._place)

    def exists(self) -> bool:
        """Tell whether it was made; whether it is up to date is another question."""
        return self._place.is_dir()

    def check_compatibility(self) -> None:
        """Refuse what cannot be made; Hatch shows the message of what is raised.

        Raises:
            OSError: Hatch's own: the environment is not for this platform.
            VenvstacksError: The specification has mistakes, or has no such layer.
        """
        from venvlayers.develop.state import open_run  # noqa: PLC0415 - costs time

        super().check_compatibility()
        open_run(self._wanted())

    def create(self) -> None:
        """Build the layer and those below it, and make the environment."""
        from venvlayers.develop.environment import make_environment  # noqa: PLC0415 - costs time

        with failures(self.app):
            wanted = self._wanted()
            make_environment(wanted, self._place, self._reporter())

    def sync_dependencies(self) -> None:
        """Make it anew, as nothing is ever installed on top of a layer."""
        self.create()

    def dependencies_in_sync(self) -> bool:
        """Tell whether it is what the specification and the locks say now."""
        from venvlayers.develop.state import current_record  # noqa: PLC0415 - costs time

        with failures(self.app):
            return current_record(self._wanted()) == read_record(self._place)

    def dependency_hash(self) -> str:
        """Return the digest of the files that say what it is made from."""
        with failures(self.app):
            return digest(self._place, self._wanted())

    def remove(self) -> None:
        """Remove the environment; the layers stay."""
        from venvlayers.develop.environment import remove_environment  # noqa: PLC0415

        try:
            remove_environment(self._place)
        except OSError as error:
            abort(self.app, f"{self._place} cannot be removed: {error.strerror}", 1)

    def install_project(self) -> None:
        """Do nothing: the project is used from its sources, or is a part of the layer."""

    def install_project_dev_mode(self) -> None:
        """Do nothing: the project is used from its sources."""

    @contextmanager
    def app_status_project_installation(self) -> Generator[None, None, None]:
        """Say nothing of what is not done."""
        yield

    def activate(self) -> None:
        """Put the layer's programs first, as an activated virtual environment does."""
        programs = self._place / ("Scripts" if self.platform.windows else "bin")
        path = os.environ.get("PATH") or os.defpath
        changed: dict[str, str | None] = dict.fromkeys(_REMOVED)
        changed |= {
            "VIRTUAL_ENV": str(self._place),
            "PATH": f"{programs}{os.pathsep}{path}",
            "PYTHONPYCACHEPREFIX": os.environ.get("PYTHONPYCACHEPREFIX")
            or str(self._place / BYTECODE),
        }
        self._replaced = {name: os.environ.get(name) for name in changed}
        _set_variables(changed)

    def deactivate(self) -> None:
        """Take that back."""
        _set_variables(self._replaced)

    @contextmanager
    def command_context(self) -> Generator[None, None, None]:
        """Run commands with the user's variables, and the layer's programs first."""
        with self.get_env_vars(), self:
            yield

    def enter_shell(self, name: str, path: str, args: Iterable[str]) -> None:
        """Start a shell; if a person types in it, after its start-up files have had their say."""
        if name not in _ACTIVATED or self.platform.windows or not sys.stdin.isatty():
            super().enter_shell(name, path, args)
            return
        from hatch.utils.shells import ShellManager  # noqa: PLC0415 - for this only

        with self.command_context():
            enter = getattr(ShellManager(self), f"enter_{name}")
            enter(path, args, self._place / "bin")

    def _wanted(self) -> Wanted:
        """Return the layer that it is.

        Raises:
            SelectionError: The environment's table says what does not fit a layer.
        """
        given = [key for key in _NOT_OURS if self.config.get(key)]
        if given:
            where = f"tool.hatch.envs.{self.name}"
            raise SelectionError(
                f"{where}: a layer has no {' or '.join(f'`{key}`' for key in given)} of its own",
                hint="say it in the layer: `requirements`, or `python_implementation` of its "
                "runtime; if it is inherited from another environment, set `detached = true`",
            )
        layer = self.config.get("layer", self.name)
        if not isinstance(layer, str):
            raise SelectionError(f"tool.hatch.envs.{self.name}.layer must be a string")
        return Wanted(project=Path(self.root, "pyproject.toml"), env_name=layer)

    def _reporter(self) -> LineReporter:
        return line_reporter(self.app, max(self.verbosity, 0))


def _set_variables(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
