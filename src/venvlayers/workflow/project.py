"""What is known of the project whose file declares a stack, before anything is done.

Nothing is imported for stacks without the project. Having its wheel made is in `wheel.py`.
"""

from __future__ import annotations

from venvlayers.errors import BuildError
from venvlayers.files import os_reason
from venvlayers.layout import Layout
from venvlayers.project.model import ProjectPlace, ProjectWheel
from venvlayers.spec.model import StackSpec


def project_place(spec: StackSpec, layout: Layout) -> ProjectPlace | None:
    """Return where the project is whose file declares the stack; None if no layer contains it."""
    if spec.project is None or not any(layer.project for layer in spec.layers):
        return None
    reads_git = "version" in spec.project.computed
    # A lock that differs from the commit makes a version that git tells another one.
    # Beside the layers' locks there may be sources: `requirements/` is a usual name for them.
    locks = () if reads_git else (layout.pylock(layer.env_name).parent for layer in spec.layers)
    return ProjectPlace(
        root=spec.root,
        name=spec.project.name,
        store=layout.project_store,
        outputs=(layout.build_dir, *locks),
        reads_git=reads_git,
    )


def known_wheel(place: ProjectPlace) -> ProjectWheel | None:
    """Return the project's wheel if it is there as building it now would give it; else None.

    Raises:
        BuildError: A source file cannot be read.
    """
    from venvlayers.project.record import current_wheel  # noqa: PLC0415

    try:
        return current_wheel(place)
    except OSError as error:
        raise BuildError(f"the project cannot be read: {os_reason(error)}") from error


def told(spec: StackSpec, layout: Layout) -> StackSpec:
    """Return *spec* with what the project's wheel tells of its layers, as far as that is known.

    Raises:
        SpecError: A layer names an extra that the project has not.
        BuildError: A source file cannot be read.
    """
    place = project_place(spec, layout)
    if place is None or not any(layer.lock_needs_wheel for layer in spec.layers):
        return spec
    from venvlayers.project.needs import with_wheel  # noqa: PLC0415

    wheel = known_wheel(place)
    return with_wheel(spec, wheel) if wheel else spec
