"""How a new lock differs from the one before, and why, as far as that is known.

What is said comes from what we know: what was asked for, what was declared, what
the layers below have, and which package requires which. Nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from venvlayers.lock.divide import Provided
from venvlayers.lock.history import Before
from venvlayers.lock.inputs import LockInputs, difference
from venvlayers.lock.model import Change, PythonPin, Upgrade
from venvlayers.spec.model import LayerSpec
from venvlayers.values import frozen

Requirers = Mapping[str, Sequence[str]]
"""By name of a package: the packages that require it."""


@frozen
class Grounds:
    """What can explain a change.

    Attributes:
        layer: The layer.
        before: Its lock until now.
        inputs: What the new one was made from.
        provided: What the layers below have.
        upgrade: What was asked for.
        requirers: Finds out which package requires which; takes a moment.
    """

    layer: LayerSpec
    before: Before
    inputs: LockInputs
    provided: Sequence[Provided]
    upgrade: Upgrade
    requirers: Callable[[], Requirers]


def find_changes(after: Mapping[str, str], grounds: Grounds) -> tuple[Change, ...]:
    """Return the changes of a layer's own packages, by name.

    Args:
        after: The versions in the new lock, by package.
        grounds: What can explain them.
    """
    before = grounds.before.versions
    changed = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
    reasons = {name: _reason(name, before.get(name), after.get(name), grounds) for name in changed}
    unexplained = [name for name, reason in reasons.items() if reason is None]
    if unexplained:
        first = grounds.before.text is None
        requirers = {} if first else grounds.requirers()
        rest = {name: _dependency(name, reasons, requirers, grounds) for name in unexplained}
        reasons |= rest
    return tuple(
        Change(
            package=name,
            before=before.get(name),
            after=after.get(name),
            because=str(reasons[name]),
        )
        for name in changed
    )


def _reason(name: str, before: str | None, after: str | None, grounds: Grounds) -> str | None:
    """Return why a package changed for itself; None if it has to do with other packages."""
    below = next((entry for entry in grounds.provided if entry.name == name), None)
    if after is None:
        return f"{below.layer} has it" if below else "no longer needed"
    if before is not None and (asked := asked_for(name, grounds.before, grounds.upgrade)):
        return asked
    if below:
        return f"{below.layer} has {below.version}"
    return _declared(name, before, grounds)


def asked_for(name: str, before: Before, upgrade: Upgrade) -> str | None:
    """Return the option with which a package's version was given up; None if it was not."""
    if before.forgotten:
        return "--reset-lock"
    if upgrade.everything:
        return "--upgrade"
    return "--upgrade-package" if name in upgrade.packages else None


def _declared(name: str, before: str | None, grounds: Grounds) -> str | None:
    now = _requirements_on(name, grounds.layer.requirements)
    if now and before is None:
        return "requested"
    then = grounds.before.requirements
    if now and then is not None and _requirements_on(name, then) != now:
        return f"requested as {' and '.join(now)}"
    return None


def _requirements_on(name: str, requirements: Sequence[str]) -> list[str]:
    parsed = [Requirement(text) for text in requirements]
    return [str(entry) for entry in parsed if canonicalize_name(entry.name) == name]


def _dependency(
    name: str, reasons: Mapping[str, str | None], requirers: Requirers, grounds: Grounds
) -> str:
    parents = [parent for parent in requirers.get(name, ()) if parent != name]
    changed = [parent for parent in parents if parent in reasons]
    if changed or (parents and name not in grounds.before.versions):
        return f"dependency of {', '.join(changed or parents)}"
    if grounds.before.text is None:
        return "dependency"
    saved = grounds.before.saved
    if saved and (reason := difference(saved.record.inputs, grounds.inputs)):
        return reason
    return "what the index offers changed"


def python_change(new: PythonPin, grounds: Grounds) -> tuple[Change, ...]:
    """Return the changes of a runtime's Python: none, one, or another implementation for one."""
    old = grounds.before.saved.record.python if grounds.before.saved else None
    because = f"requested as {grounds.layer.python}"
    if old and old.implementation != new.implementation:
        other = (old.implementation, str(old.version), None)
        changed = sorted([other, (new.implementation, None, str(new.version))])
        return tuple(
            Change(package=name, before=was, after=now, because=because)
            for name, was, now in changed
        )
    was, now = str(old.version) if old else None, str(new.version)
    if was == now:
        return ()
    asked = was and asked_for(new.implementation, grounds.before, grounds.upgrade)
    return (Change(package=new.implementation, before=was, after=now, because=asked or because),)
