"""Whether layers' locks are valid: from recorded hashes, without a resolver or a network.

This is what runs when nothing is to be done, so it imports no more than it needs.
"""

from __future__ import annotations

from dataclasses import dataclass

from venvlayers.layout import Layout
from venvlayers.lock.inputs import LockInputs, lock_inputs
from venvlayers.lock.store import SavedLock, read_lock
from venvlayers.spec.model import LayerSpec, StackSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class LockState:
    """What is known about a layer's lock before anything is done.

    Attributes:
        saved: The lock, if there is one.
        outdated: Why it has to be made anew; None if it is valid.
    """

    saved: SavedLock | None
    outdated: str | None


def lock_states(spec: StackSpec, layout: Layout) -> dict[str, LockState]:
    """Return the state of every layer's lock, by environment name.

    Raises:
        LockError: A lock is damaged, or was edited by hand.
    """
    states: dict[str, LockState] = {}
    for layer in spec.layers:
        states[layer.env_name] = _state(spec, layer, layout, states)
    return states


def _state(
    spec: StackSpec, layer: LayerSpec, layout: Layout, states: dict[str, LockState]
) -> LockState:
    saved = read_lock(layout, layer.env_name)
    if saved is None:
        return LockState(saved=None, outdated="it has no lock yet")
    lower_hashes = []
    for name in layer.lower:
        below = states[name]
        if below.saved is None or below.outdated:
            return LockState(saved=saved, outdated=f"{name} below it is to be locked")
        lower_hashes.append(below.saved.record.requirements_hash)
    inputs = lock_inputs(spec, layer, lower_hashes)
    return LockState(saved=saved, outdated=_difference(saved.record.inputs, inputs))


def _difference(recorded: LockInputs, current: LockInputs) -> str | None:
    if recorded.lock_input_hash != current.lock_input_hash:
        return "its requirements changed"
    if recorded.other_inputs_hash != current.other_inputs_hash:
        return "its Python, its platforms, uv's settings or the layers below changed"
    if recorded.version_inputs_hash != current.version_inputs_hash:
        return "what its version depends on changed"
    return None
