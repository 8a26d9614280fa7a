"""Whether layers' locks are valid: from recorded hashes, without a resolver or a network.

This is what runs when nothing is to be done, so it imports no more than it needs.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from venvlayers.layout import Layout
from venvlayers.lock.inputs import Below, difference, lock_inputs
from venvlayers.lock.store import LockRecord, SavedLock, is_of_venvstacks, read_lock
from venvlayers.spec.model import LayerSpec, StackSpec
from venvlayers.values import frozen

PROJECT_CHANGED = "the project's wheel is to be made first"
"""Why something about a layer that depends on the project's wheel is not known."""


@frozen
class LockState:
    """What is known about a layer's lock before anything is done.

    Attributes:
        saved: The lock, if there is one.
        outdated: Why it has to be made anew; None if it is valid.
        certain: Whether it has to be in any case; otherwise that depends on what
            becomes of the layers below.
    """

    saved: SavedLock | None
    outdated: str | None
    certain: bool = True


def lock_states(
    spec: StackSpec, layout: Layout, *, reset: Container[str] = ()
) -> dict[str, LockState]:
    """Return the state of every layer's lock, by environment name.

    Args:
        spec: The stack.
        layout: Where locks are.
        reset: Environment names of layers whose locks are not looked at, as they are to
            be forgotten.

    Raises:
        LockError: A lock is damaged, or was edited by hand.
    """
    states: dict[str, LockState] = {}
    for layer in spec.layers:
        if layer.env_name in reset:
            states[layer.env_name] = LockState(saved=None, outdated="it is to be reset")
        else:
            states[layer.env_name] = _state_above(spec, layer, layout, states)
    return states


def _state_above(
    spec: StackSpec, layer: LayerSpec, layout: Layout, states: dict[str, LockState]
) -> LockState:
    lower: list[LockRecord] = []
    for name in layer.lower:
        below = states[name]
        if below.saved is None or below.outdated:
            saved = read_lock(layout, layer.env_name)
            above = f"{name} below it is to be locked"
            reason = above if saved else _no_lock(layout, layer.env_name)
            return LockState(saved=saved, outdated=reason, certain=saved is None)
        lower.append(below.saved.record)
    return lock_state(spec, layer, layout, lower)


def lock_state(
    spec: StackSpec, layer: LayerSpec, layout: Layout, lower: Sequence[Below]
) -> LockState:
    """Return the state of one layer's lock, above locks that are valid.

    Args:
        spec: The stack.
        layer: One of its layers.
        layout: Where its lock is.
        lower: The lock of each layer below it, in path order.

    Raises:
        LockError: The lock is damaged, or was edited by hand.
    """
    saved = read_lock(layout, layer.env_name)
    if saved is None:
        return LockState(saved=None, outdated=_no_lock(layout, layer.env_name))
    if layer.lock_needs_wheel:
        return LockState(saved=saved, outdated=PROJECT_CHANGED, certain=False)
    inputs = lock_inputs(spec, layer, lower)
    return LockState(saved=saved, outdated=difference(saved.record.inputs, inputs))


def _no_lock(layout: Layout, env_name: str) -> str:
    made_elsewhere = is_of_venvstacks(layout, env_name)
    return "its lock was made by venvstacks" if made_elsewhere else "it has no lock yet"
