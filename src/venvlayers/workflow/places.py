"""Where environments and outputs may not be: in each other's way, or in what is copied.

Only paths are compared, before anything is done; what the file system says of them is
found out by those who use them.
"""

from __future__ import annotations

from pathlib import Path

from venvlayers.errors import BuildError, PublishError, VenvstacksError
from venvlayers.plan import OUTPUT_ACTIONS
from venvlayers.workflow.run import Run


def require_places(run: Run) -> None:
    """Refuse directories that would become part of a layer, or outputs among environments.

    Raises:
        BuildError: The build directory is in a module that is copied into a layer.
        PublishError: The output directory is there, or in the build directory.
    """
    build_dir = run.layout.build_dir
    _outside_modules(run, build_dir, BuildError, "the build directory")
    if run.request.goal not in OUTPUT_ACTIONS:
        return
    _outside_modules(run, run.output_dir, PublishError, "the output directory")
    if run.output_dir.is_relative_to(build_dir):
        raise PublishError(
            f"the output directory {run.output_dir} is in the build directory, which can be"
            " deleted at any time",
            hint="choose another output directory",
        )


def _outside_modules(run: Run, place: Path, error: type[VenvstacksError], what: str) -> None:
    for layer in run.spec.layers:
        for module in layer.modules:
            if module.path.is_dir() and place.is_relative_to(module.path):
                raise error(
                    f"{what} {place} is in {module.path}, which {layer.env_name} takes a copy of",
                    hint="choose another directory, or move the module into one of its own",
                )
