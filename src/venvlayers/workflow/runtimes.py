"""Where the Pythons of a run come from, and what they would be made of now."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from venvlayers.build.runtime.source import RuntimeContext, RuntimeSource
from venvlayers.errors import LockError
from venvlayers.lock.model import PythonPin
from venvlayers.own import own_source

if TYPE_CHECKING:
    from venvlayers.workflow.run import Run


class Sources(dict[str, RuntimeSource]):
    """Runtime sources by name, each looked for when it is asked for."""

    def __missing__(self, name: str) -> RuntimeSource:
        """Find a source.

        Raises:
            LockError: There is none; only a lock can name such a one.
        """
        self[name] = found = own_source(name) or _somebody_elses(name)
        return found


def _somebody_elses(name: str) -> RuntimeSource:
    from venvlayers.plugins import plugin_manager, runtime_sources  # noqa: PLC0415

    sources = runtime_sources(plugin_manager())
    if name not in sources:
        raise LockError(
            f"a lock names the runtime source {name!r}, which is not installed",
            hint=f"known sources: {', '.join(sorted(sources))}",
        )
    return sources[name]


def runtime_context(run: Run) -> RuntimeContext:
    """Return what runtime sources may use."""
    return RuntimeContext(reporter=run.reporter, work_dir=run.layout.work_dir)


def fingerprint(run: Run) -> Callable[[PythonPin], str]:
    """Return what tells what a pinned Python would be made of now."""
    context, sources = runtime_context(run), Sources()
    return lambda pin: sources[pin.source].fingerprint(pin, run.platform, context)
