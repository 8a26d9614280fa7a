"""The three kinds of layer.

A module of its own, because who lists layers before every command of Hatch imports it:
`model.py`, which has everything else, takes longer than all the rest of such a command's
share. Nothing is imported here but `enum`.
"""

from __future__ import annotations

from enum import Enum


class LayerKind(Enum):
    """The three kinds of layer; the value is the name of its table."""

    RUNTIME = "runtimes"
    FRAMEWORK = "frameworks"
    APPLICATION = "applications"

    @property
    def prefix(self) -> str:
        """What the names of this kind's environments begin with."""
        return {"runtimes": "", "frameworks": "framework-", "applications": "app-"}[self.value]
