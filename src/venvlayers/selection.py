"""Which layers a run is about, and what is to be done with each: pure values.

Patterns, and the layers below and above those that they name, become
`Operations` for each layer. Whether a lock is valid, or something is built, is
not known here: that is the plan's business.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from enum import IntEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from venvlayers.errors import SelectionError
from venvlayers.spec.table import did_you_mean
from venvlayers.values import frozen

if TYPE_CHECKING:  # a request has some of this, and is made before anything is read
    from venvlayers.spec.model import LayerSpec, StackSpec


class Extent(IntEnum):
    """How far an operation goes on one layer."""

    NO = 0
    """Not at all."""
    IF_NEEDED = 1
    """Where what is there is not up to date."""
    YES = 2
    """In any case."""


@frozen
class Operations:
    """What is to be done with one layer.

    Attributes:
        lock: Whether to resolve it. Not at all means that an outdated lock is an error
            for whatever follows.
        build: Whether to make its environment.
        publish: Whether to make its archive, or its export.
        clean: Whether to remove its environment before anything else.
    """

    lock: Extent = Extent.NO
    build: Extent = Extent.NO
    publish: Extent = Extent.NO
    clean: bool = False

    def __bool__(self) -> bool:
        """Tell whether there is any."""
        return bool(self.lock or self.build or self.publish or self.clean)

    def __or__(self, other: Operations) -> Operations:
        """Return what satisfies both."""
        return Operations(
            lock=max(self.lock, other.lock),
            build=max(self.build, other.build),
            publish=max(self.publish, other.publish),
            clean=self.clean or other.clean,
        )


@frozen
class Choice:
    """Which layers were asked for.

    Each flag is None where nothing was said; what that means depends on the operation.

    Attributes:
        include: Patterns for environment names; all layers if there are none.
        reset_lock: Patterns for those, of the layers that are locked, whose lock is forgotten.
        allow_missing: Whether a pattern that matches nothing is a warning, not an error.
        lock_dependencies: Whether to lock the layers below as the included ones are;
            else where it is needed.
        build_dependencies: The same of building.
        publish_dependencies: Whether to publish the layers below; else they are not.
        build_derived: Whether to build the layers above; else they are not.
        publish_derived: Whether to publish the layers above; else they are not.
    """

    include: tuple[str, ...] = ()
    reset_lock: tuple[str, ...] = ()
    allow_missing: bool = False
    lock_dependencies: bool | None = None
    build_dependencies: bool | None = None
    publish_dependencies: bool | None = None
    build_derived: bool | None = None
    publish_derived: bool | None = None


@frozen
class Selection:
    """What is to be done with each layer of a stack.

    Attributes:
        operations: By environment name, in the order of the stack; only layers that
            something is to be done with.
        named: The layers that patterns name.
        reset: The layers whose lock is forgotten.
        warnings: What the user should know about the patterns.
    """

    operations: Mapping[str, Operations]
    named: frozenset[str] = field(default=frozenset(), compare=False)
    reset: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = field(default=(), compare=False)

    def of(self, env_name: str) -> Operations:
        """Return what is to be done with a layer; nothing with one that is not selected."""
        return self.operations.get(env_name, _NOTHING)

    def __contains__(self, env_name: object) -> bool:
        """Tell whether anything is to be done with a layer."""
        return env_name in self.operations


_NOTHING = Operations()


def select(spec: StackSpec, wish: Operations, choice: Choice) -> Selection:
    """Return what is to be done with each layer.

    Args:
        spec: The stack.
        wish: What is to be done with the layers that were asked for.
        choice: Which those are, and how far their neighbours follow them.

    Raises:
        SelectionError: A pattern matches nothing, or two flags contradict each other.
    """
    included, warnings = _matched(spec.layers, choice.include, "--include", choice)
    names = {layer.env_name for layer in spec.layers} if not choice.include else included
    found = _operations(spec.layers, names, wish, choice)
    reset, more = _matched(spec.layers, choice.reset_lock, "--reset-lock", choice)
    locked = {name for name, operations in found.items() if operations.lock}
    if reset and not reset & locked:
        more.append("--reset-lock names only layers that are not locked now")
    return Selection(
        operations=found,
        named=frozenset(included),
        reset=frozenset(reset & locked),
        warnings=(*warnings, *more),
    )


def related(spec: StackSpec, choice: Choice) -> Selection:
    """Return the layers that were asked for and all below and above them, to be looked at.

    Raises:
        SelectionError: A pattern matches nothing.
    """
    all_of_it = Operations(lock=Extent.YES, build=Extent.YES, publish=Extent.YES)
    wide = Choice(
        include=choice.include,
        allow_missing=choice.allow_missing,
        publish_dependencies=True,
        build_derived=True,
        publish_derived=True,
    )
    return select(spec, all_of_it, wide)


def _matched(
    layers: Sequence[LayerSpec], patterns: Iterable[str], option: str, choice: Choice
) -> tuple[set[str], list[str]]:
    """Return the names that *patterns* match, and a warning for each that matches none."""
    names = [layer.env_name for layer in layers]
    found: set[str] = set()
    unmatched = []
    for pattern in patterns:
        matches = {name for name in names if fnmatchcase(name, pattern)}
        found |= matches
        if not matches:
            meant = did_you_mean(pattern, names)
            unmatched.append(f"{option} {pattern}: no layer is called so" + _bracketed(meant))
    if unmatched and not choice.allow_missing:
        raise SelectionError(
            "\n".join(unmatched),
            hint=f"the layers are {', '.join(names) or 'none'}; --allow-missing makes it a warning",
        )
    return found, unmatched


def _bracketed(meant: str | None) -> str:
    return f" ({meant})" if meant else ""


def _operations(
    layers: Sequence[LayerSpec], included: set[str], wish: Operations, choice: Choice
) -> dict[str, Operations]:
    below = {name for layer in layers if layer.env_name in included for name in layer.lower}
    above = {layer.env_name for layer in layers if included & set(layer.lower)}
    found = {layer.env_name: _NOTHING for layer in layers}
    for name in found:
        if name in included:
            found[name] = wish
            continue
        if name in below & above:
            _refuse_contradictions(name, wish, choice)
        if name in below:
            found[name] |= _of_dependency(wish, choice)
        if name in above:
            found[name] |= _of_derived(wish, choice)
    _extend_below(layers, found)
    return {name: operations for name, operations in found.items() if operations}


def _extend_below(layers: Sequence[LayerSpec], found: dict[str, Operations]) -> None:
    """Make usable what derived layers stand on besides the layers that were asked for."""
    for layer in layers:
        above = found[layer.env_name]
        needed = Operations(
            lock=min(above.lock, Extent.IF_NEEDED), build=min(above.build, Extent.IF_NEEDED)
        )
        for name in layer.lower:
            found[name] |= needed


def _of_dependency(wish: Operations, choice: Choice) -> Operations:
    """Return what is done with a layer below: it is made usable, and more when asked for."""
    as_wished = choice.build_dependencies if wish.build else choice.lock_dependencies
    return Operations(
        lock=wish.lock if choice.lock_dependencies else min(wish.lock, Extent.IF_NEEDED),
        build=wish.build if choice.build_dependencies else min(wish.build, Extent.IF_NEEDED),
        publish=wish.publish if choice.publish_dependencies else Extent.NO,
        clean=wish.clean and bool(as_wished),
    )


def _of_derived(wish: Operations, choice: Choice) -> Operations:
    """Return what is done with a layer above.

    Its lock depends on those below, so it is locked as they are, or committed locks would
    not fit together. What is published is built.
    """
    publish = wish.publish if choice.publish_derived else Extent.NO
    build = wish.build if choice.build_derived else Extent.NO
    if publish and choice.build_derived is None:
        build = min(wish.build, Extent.IF_NEEDED)
    clean = wish.clean and (bool(choice.build_derived) if wish.build else True)
    return Operations(lock=wish.lock, build=build, publish=publish, clean=clean)


def _refuse_contradictions(name: str, wish: Operations, choice: Choice) -> None:
    """Refuse flags that say one thing of a layer as one below, and another as one above."""
    said = (
        ("lock", wish.lock is Extent.YES or None, choice.lock_dependencies, wish.lock),
        ("build", choice.build_derived, choice.build_dependencies, wish.build),
        ("publish", choice.publish_derived, choice.publish_dependencies, wish.publish),
    )
    for operation, as_derived, as_dependency, wanted in said:
        flags = (as_derived, as_dependency)
        if wanted and None not in flags and as_derived != as_dependency:
            words = {True: f"{operation} it", False: f"not {operation} it"}
            raise SelectionError(
                f"{name} is both below and above what is included: as the one, the options say "
                f"to {words[bool(as_dependency)]}, as the other, to {words[bool(as_derived)]}",
                hint=f"include {name}, or leave one of the options out",
            )
