"""The interface for Python, in one place: what is named here stays.

Nothing is done here. The command and the Hatch plugin do not import it, because it
imports more than a run with nothing to do needs.
"""

from __future__ import annotations

from venvlayers.deploy.unpack import unpack
from venvlayers.errors import (
    BuildError,
    CacheError,
    LockError,
    Problem,
    PublishError,
    PythonUnavailableError,
    SelectionError,
    SpecError,
    ToolError,
    UnpackError,
    VenvstacksError,
)
from venvlayers.lock.model import Upgrade
from venvlayers.plan import Goal, Need, Plan, Step
from venvlayers.report import Kind, LineReporter, Reporter, logged, silent
from venvlayers.request import LockPolicy, Request
from venvlayers.selection import Choice
from venvlayers.spec.kinds import LayerKind
from venvlayers.spec.model import LayerSpec, StackSpec
from venvlayers.spec.parse import load, parse
from venvlayers.workflow import perform, preview, requested
from venvlayers.workflow.outcome import Outcome
from venvlayers.workflow.status import StackStatus, planned_status, stack_status

__all__ = [
    "BuildError",
    "CacheError",
    "Choice",
    "Goal",
    "Kind",
    "LayerKind",
    "LayerSpec",
    "LineReporter",
    "LockError",
    "LockPolicy",
    "Need",
    "Outcome",
    "Plan",
    "Problem",
    "PublishError",
    "PythonUnavailableError",
    "Reporter",
    "Request",
    "SelectionError",
    "SpecError",
    "StackSpec",
    "StackStatus",
    "Step",
    "ToolError",
    "UnpackError",
    "Upgrade",
    "VenvstacksError",
    "load",
    "logged",
    "parse",
    "perform",
    "planned_status",
    "preview",
    "requested",
    "silent",
    "stack_status",
    "unpack",
]
