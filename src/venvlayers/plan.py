"""What there is to do, and why: values, decided before anything is done.

A `Plan` is immutable; it can be shown, compared and tested without a process.
What makes one is in `planning.py`; carrying it out is the business of `workflow/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Any

from venvlayers.values import frozen

if TYPE_CHECKING:  # every shell imports this, to say how far to go
    from venvlayers.build.sources import AppModules
    from venvlayers.platforms import Platform
    from venvlayers.project.model import ProjectWheel
    from venvlayers.selection import Selection
    from venvlayers.spec.model import LayerSpec


class Goal(IntEnum):
    """How far to go. Publishing and exporting both stand on building."""

    LOCK = 1
    BUILD = 2
    PUBLISH = 3
    EXPORT = 4


OUTPUT_ACTIONS = {Goal.PUBLISH: "publish", Goal.EXPORT: "local-export"}
"""What the last step of these goals is called."""


class Need(Enum):
    """Whether a step has to be done."""

    YES = "yes"
    MAYBE = "maybe"
    """That depends on the outcome of an earlier step."""
    NO = "no"
    BLOCKED = "blocked"
    """It would have to be done, and the request rules it out."""


@frozen
class Step:
    """One piece of work on one layer.

    Attributes:
        action: ``clean``, ``lock``, ``build``, ``publish`` or ``local-export``.
        env_name: The layer's environment name.
        need: Whether it has to be done.
        reason: Why, for people.
        platform: What for; None for locks, which are for all platforms.
    """

    action: str
    env_name: str
    need: Need
    reason: str
    platform: Platform | None = None


@frozen
class Target:
    """An environment as it is to be.

    Attributes:
        layer: The layer.
        key: Its key.
        modules: The digests of an application's modules.
        deployed_name: The directory that it is to be unpacked as.
        lower: Those of the layers below it, in path order.
        wheel: The wheel of the project in it; None without one, or while it is not known.
    """

    layer: LayerSpec
    key: str
    modules: AppModules | None
    deployed_name: str
    lower: tuple[str, ...] = ()
    wheel: ProjectWheel | None = None


@frozen
class Plan:
    """All steps of one run, in the order in which they are done.

    Attributes:
        goal: How far to go.
        platforms: What to build for, one after another.
        selection: What was asked for.
        layers: The selected layers and all below them.
        steps: Every step, also those without need.
        targets: What environments are to be, where locks are valid and stay: for each
            platform, by name.
    """

    goal: Goal
    platforms: tuple[Platform, ...]
    selection: Selection
    layers: tuple[LayerSpec, ...]
    steps: tuple[Step, ...]
    targets: Mapping[Platform, Mapping[str, Target]]

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to do."""
        return all(step.need is Need.NO for step in self.steps)

    def blocked(self, action: str) -> tuple[Step, ...]:
        """Return the steps of one kind that would have to be done and must not."""
        return tuple(
            step for step in self.steps if step.action == action and step.need is Need.BLOCKED
        )

    def step(self, action: str, env_name: str) -> Step:
        """Return one step, for the first platform that has it.

        Raises:
            KeyError: There is no such step.
        """
        for step in self.steps:
            if (step.action, step.env_name) == (action, env_name):
                return step
        raise KeyError((action, env_name))

    def as_json(self) -> dict[str, Any]:
        """Return the plan as a JSON value."""
        steps = [
            {
                "action": step.action,
                "layer": step.env_name,
                "need": step.need.value,
                "reason": step.reason,
                "platform": step.platform.name if step.platform else None,
            }
            for step in self.steps
        ]
        names = [platform.name for platform in self.platforms]
        goal = self.goal.name.lower()
        return {"goal": goal, "platform": names[0], "platforms": names, "steps": steps}
