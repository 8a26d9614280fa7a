"""Values: what a frozen dataclass is, made in a tenth of the time.

`dataclass(frozen=True)` writes and compiles six functions for a class, which takes half a
millisecond, and a run that finds nothing to do imports more than sixty of them. Here the
functions are the same for every class, and only the description of its fields is made:
`dataclasses.fields`, `replace` and `asdict` work as they always do. An instance takes some
microseconds more, so what there are tens of thousands of (files, entries of archives) is
a dataclass; so is what has an order, or changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field, fields
from typing import Any, TypeVar, dataclass_transform, overload

_T = TypeVar("_T")


@overload
def frozen(cls: type[_T], /) -> type[_T]: ...


@overload
def frozen(*, kw_only: bool = True, slots: bool = True) -> Callable[[type[_T]], type[_T]]: ...


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def frozen(cls: type[Any] | None = None, /, *, kw_only: bool = True, slots: bool = True) -> Any:
    """Make the class of a value: its fields are its annotations, and never change.

    Args:
        cls: The class.
        kw_only: Whether fields are given by name only.
        slots: Whether there is room for the fields and nothing else; no `cached_property` then.
    """

    def make(given: type[Any]) -> type[Any]:
        for name in _SHARED - vars(given).keys():
            setattr(given, name, vars(_Value)[name])
        made = dataclass(init=False, repr=False, eq=False, kw_only=kw_only, slots=slots)(given)
        made.__value_fields__ = fields(made)
        return made

    return make if cls is None else make(cls)


class _Value:
    """What the classes of values share."""

    __value_fields__: tuple[Field[Any], ...]
    __match_args__: tuple[str, ...]

    def __init__(self, /, *positional: Any, **named: Any) -> None:
        if positional:
            named = self._with_names(positional, named)
        for one in self.__value_fields__:
            if one.name in named:
                given = named.pop(one.name)
            elif one.default is not MISSING:
                given = one.default
            elif one.default_factory is not MISSING:
                given = one.default_factory()
            else:
                raise TypeError(f"{type(self).__name__} needs {one.name}")
            object.__setattr__(self, one.name, given)
        if named:
            raise TypeError(f"{type(self).__name__} has no {', '.join(named)}")

    def _with_names(self, positional: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
        names = self.__match_args__
        if len(positional) > len(names) or named.keys() & names[: len(positional)]:
            listed = ", ".join(names) or "nothing"
            raise TypeError(f"{type(self).__name__} takes by position, once each: {listed}")
        return {**dict(zip(names, positional, strict=False)), **named}

    def __repr__(self) -> str:
        shown = (one.name for one in self.__value_fields__ if one.repr)
        listed = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
        return f"{type(self).__qualname__}({listed})"

    def _compared(self) -> tuple[Any, ...]:
        return tuple(getattr(self, one.name) for one in self.__value_fields__ if one.compare)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, type(self)):
            return NotImplemented
        return self._compared() == other._compared()

    def __hash__(self) -> int:
        return hash(self._compared())

    def __setattr__(self, name: str, _given: Any) -> None:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete field {name!r}")


_SHARED = {name for name, shared in vars(_Value).items() if callable(shared)}
