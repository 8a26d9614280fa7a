"""What Hatch finds when it looks for plugins.

Hatch loads every plugin's hooks as soon as it needs one that is not its own, so
this module imports nothing heavy and cannot fail. The build process has no
`hatch`, the other one does: whatever needs it is imported inside its hook.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatchling.plugin import hookimpl

if TYPE_CHECKING:
    from hatch_venvstacks.builder import VenvstacksBuilder
    from hatch_venvstacks.collector import VenvstacksCollector
    from hatch_venvstacks.environment import VenvstacksEnvironment


@hookimpl
def hatch_register_builder() -> type[VenvstacksBuilder]:
    """Register the build target ``venvstacks``."""
    from hatch_venvstacks.builder import VenvstacksBuilder  # noqa: PLC0415 - see above

    return VenvstacksBuilder


@hookimpl
def hatch_register_environment() -> type[VenvstacksEnvironment]:
    """Register the environment type ``venvstacks``; only `hatch` itself asks for it."""
    from hatch_venvstacks.environment import VenvstacksEnvironment  # noqa: PLC0415 - see above

    return VenvstacksEnvironment


@hookimpl
def hatch_register_environment_collector() -> type[VenvstacksCollector]:
    """Register the collector ``venvstacks``; only `hatch` itself asks for it."""
    from hatch_venvstacks.collector import VenvstacksCollector  # noqa: PLC0415 - see above

    return VenvstacksCollector
