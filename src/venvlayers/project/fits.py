"""Whether the project's wheel can be in a layer: whether it runs with its Python, on its platform.

Wheels of packages are chosen when a layer is locked; this one is made later, by whatever
Python runs us, for the machine that it was made on unless it is for all.
"""

from __future__ import annotations

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import parse_wheel_filename

from venvlayers.errors import BuildError
from venvlayers.lock.wheels import supported_tags
from venvlayers.platforms import Interpreter, Platform
from venvlayers.project.model import ProjectWheel
from venvlayers.project.record import running_python
from venvlayers.spec.model import LayerSpec


def refuse_misfit(
    wheel: ProjectWheel, layer: LayerSpec, platform: Platform, python: Interpreter
) -> None:
    """Refuse a wheel of the project that does not run in *layer* on *platform*.

    Raises:
        BuildError: It does not.
    """
    if wheel.requires_python and not _admits(wheel.requires_python, python):
        raise BuildError(
            f"{layer.env_name} has Python {python.version}, and {wheel.name} requires "
            f"{wheel.requires_python}",
            hint="choose another `python_implementation` for its runtime, or "
            "another `requires-python` for the project",
        )
    tags = parse_wheel_filename(wheel.path.name)[3]
    if tags.isdisjoint(supported_tags(platform, python, layer.targets)):
        raise BuildError(
            f"{wheel.path.name}, which the project's build backend made, does not run with "
            f"Python {python.version} on {platform} as {layer.env_name} is declared",
            hint=f"it was built by {running_python()}, on this machine: run this with the Python "
            "series of the layer's runtime on that platform, and see `linux_target` or "
            "`macosx_target`",
        )


def _admits(specifier: str, python: Interpreter) -> bool:
    try:
        return SpecifierSet(specifier).contains(str(python.version), prereleases=True)
    except InvalidSpecifier:
        return True
