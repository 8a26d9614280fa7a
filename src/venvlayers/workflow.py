"""Doing what a plan says: the one entry of every shell.

`perform` plans, and returns at once when nothing is to be done. Otherwise it
takes the stack's guard, so that two builds in one project follow each other,
and hands each stage the values that the stage before returned: specification,
locks, environments, archives. Stages are imported when they are needed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from venvlayers.errors import BuildError, LockError, PublishError
from venvlayers.files import remove_tree
from venvlayers.layout import Layout
from venvlayers.lock.state import lock_states
from venvlayers.outputs import Output, current_outputs
from venvlayers.plan import Goal, Need, Outlook, Plan, buildable, plan_stack, planned_keys
from venvlayers.platforms import Platform, host_platform
from venvlayers.report import Kind, Reporter, human_size
from venvlayers.spec.model import StackSpec
from venvlayers.spec.parse import load

if TYPE_CHECKING:
    from venvlayers.build.environment import BuildContext
    from venvlayers.build.model import LayerEnvironment
    from venvlayers.lock.model import LayerLock
