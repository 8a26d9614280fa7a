"""What an environment for development depends on, as it is now: read, never made, here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from glob import escape
from pathlib import Path

from venvlayers.build.recorded import recorded_key
from venvlayers.develop.record import FORMAT, Record, Wanted
from venvlayers.develop.sources import source_directories
from venvlayers.errors import BuildError, SelectionError
from venvlayers.files import sha256_json
from venvlayers.lock.state import LockState, lock_states
from venvlayers.plan import Goal
from venvlayers.planning import with_lower
from venvlayers.report import silent
from venvlayers.request import Request
from venvlayers.selection import Choice
from venvlayers.spec.model import LayerSpec
from venvlayers.spec.table import did_you_mean
from venvlayers.spec.uv_settings import FILE as UV_SETTINGS
from venvlayers.workflow.run import Run, start
from venvlayers.workflow.runtimes import fingerprint
from venvlayers.workflow.targets import HOST

"""Raised when a newer release would make such an environment differently."""


def request_for(wanted: Wanted) -> Request:
    """Return what makes a layer's environment, and those below it."""
    # That a layer is missing is said in `open_run`, in words that fit.
    choice = Choice(include=(escape(wanted.env_name),), allow_missing=True)
    return Request(project=wanted.project, goal=Goal.BUILD, choice=choice, platforms=(HOST,))


def open_run(wanted: Wanted) -> tuple[Run, LayerSpec]:
    """Return the run that builds a layer, and the layer.

    Raises:
        SpecError: The specification cannot be used.
        SelectionError: There is no such layer.
        BuildError: It is not made for this machine.
    """
    run = start(request_for(wanted), silent())
    if wanted.env_name not in run.order:
        meant = did_you_mean(wanted.env_name, run.order)
        raise SelectionError(
            f"no layer is called {wanted.env_name!r}",
            hint=meant or f"the layers are {', '.join(run.order)}",
        )
    layer = run.spec.layer(wanted.env_name)
    if run.platform not in layer.platforms:
        raise BuildError(
            f"{layer.env_name} is not made for {run.platform}, which this machine is",
            hint=f"it is made for {', '.join(map(str, layer.platforms))}",
        )
    return run, layer


def current_record(wanted: Wanted) -> Record:
    """Return what the environment would be made from now.

    Raises:
        VenvstacksError: The specification or a lock cannot be used.
    """
    run, layer = open_run(wanted)
    layers = with_lower(run.spec, run.selection)
    states = lock_states(replace(run.spec, layers=layers), run.layout)
    names = {below.env_name: _deployed_name(below, states[below.env_name]) for below in layers}
    files = tuple(str(file) for file in _watched(run, layers))
    state = sha256_json(
        {
            "format": FORMAT,
            "layers": [_layer_state(run, below, states[below.env_name]) for below in layers],
            "fingerprint": _fingerprint(run, states[layer.runtime_name]),
            "launch": str(layer.launch),
            "scripts": [None if below.scripts is None else list(below.scripts) for below in layers],
            "sources": [
                str(directory) for directory in source_directories(run.spec, layer, run.layout)
            ],
            "files": files,
        }
    )
    directories = (run.layout.environment(name, run.platform) for name in names.values() if name)
    return Record(state=state, files=files, directories=tuple(map(str, directories)))


def _fingerprint(run: Run, state: LockState) -> str | None:
    pin = state.saved.record.python if state.saved else None
    return fingerprint(run)(pin) if pin else None


def _deployed_name(layer: LayerSpec, state: LockState) -> str | None:
    return layer.deployed_name(state.saved.record.lock_version) if state.saved else None


def _layer_state(run: Run, layer: LayerSpec, state: LockState) -> list[str | None]:
    record = state.saved.record if state.saved else None
    return [
        layer.env_name,
        _deployed_name(layer, state),
        state.outdated,
        *([record.requirements_hash, record.locked_at.isoformat()] if record else ()),
        recorded_key(run.layout, layer.env_name, run.platform),
    ]


def _watched(run: Run, layers: Iterable[LayerSpec]) -> Iterator[Path]:
    """Yield every file that planning reads, besides the sources."""
    for name in dict.fromkeys((run.spec.path.name, "pyproject.toml", UV_SETTINGS)):
        yield run.spec.root / name
    for layer in layers:
        yield run.layout.pylock(layer.env_name)
        yield run.layout.lock_record(layer.env_name)
        yield run.layout.environment_record(layer.env_name, run.platform)
