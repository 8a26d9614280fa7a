"""Where the Pythons of a run come from, and what they would be made of now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from venvlayers.build.runtime.source import RuntimeContext, RuntimeSource
from venvlayers.errors import LockError
from venvlayers.lock.model import PythonPin
from venvlayers.uv import find_uv
from venvlayers.workflow.run import Run


def all_sources() -> dict[str, RuntimeSource]:
    """Return every runtime source, by name."""
    from venvlayers.plugins import plugin_manager, runtime_sources  # noqa: PLC0415

    return runtime_sources(plugin_manager())


def runtime_context(run: Run) -> RuntimeContext:
    """Return what runtime sources may use."""
    uv = replace(find_uv(), reporter=run.reporter)
    return RuntimeContext(uv=uv, reporter=run.reporter, work_dir=run.layout.work_dir)


def fingerprint(run: Run) -> Callable[[PythonPin], str]:
    """Return what tells what a pinned Python would be made of now."""
    context = runtime_context(run)
    return lambda pin: _source(pin).fingerprint(pin, run.platform, context)


def _source(pin: PythonPin) -> RuntimeSource:
    sources = all_sources()
    if pin.source not in sources:
        raise LockError(
            f"a lock names the runtime source {pin.source!r}, which is not installed",
            hint=f"known sources: {', '.join(sorted(sources))}",
        )
    return sources[pin.source]
