"""Values behave as the frozen dataclasses that they look like."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, replace
from functools import cached_property

import pytest

from venvlayers.values import frozen


@frozen
class Named:
    """Something with a name."""

    name: str
    parts: tuple[str, ...] = ()
    more: dict[str, str] = field(default_factory=dict)
    note: str = field(default="", compare=False, repr=False)

    @property
    def initial(self) -> str:
        return self.name[0]


@frozen(kw_only=False)
class Pair:
    """Two numbers."""

    left: int
    right: int = 2

    def __str__(self) -> str:
        return f"{self.left}-{self.right}"


@frozen(slots=False)
class Slow:
    """Something to be computed once."""

    number: int

    @cached_property
    def square(self) -> int:
        return self.number**2

    def __repr__(self) -> str:
        return "<slow>"


def test_fields_and_defaults() -> None:
    one, other = Named(name="one"), Named(name="one", parts=("a",), note="n")
    assert (one.name, one.parts, one.more, one.note, one.initial) == ("one", (), {}, "", "o")
    assert one.more is not other.more
    assert [described.name for described in fields(one)] == ["name", "parts", "more", "note"]
    assert asdict(other) == {"name": "one", "parts": ("a",), "more": {}, "note": "n"}
    assert not hasattr(one, "__dict__")


def test_by_position() -> None:
    assert Pair(1) == Pair(1, 2) == Pair(1, right=2) == Pair(left=1)
    assert str(Pair(3)) == "3-2"


def test_equal_as_far_as_it_is_compared() -> None:
    assert Named(name="a", note="x") == Named(name="a", note="y") != Named(name="b")
    assert hash(Pair(1, 2)) == hash(Pair(1)) != hash(Pair(2, 1))
    assert replace(Named(name="a", parts=("b",)), name="c") == Named(name="c", parts=("b",))


def test_shown() -> None:
    assert repr(Named(name="a", note="x")) == "Named(name='a', parts=(), more={})"
    assert repr(Slow(number=1)) == "<slow>"


def test_frozen() -> None:
    one = Slow(number=3)
    assert one.square == one.square == 9
    with pytest.raises(FrozenInstanceError, match="number"):
        one.number = 4  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError, match="number"):
        del one.number


def test_nothing_missing_and_nothing_else() -> None:
    with pytest.raises(TypeError, match="Named needs name"):
        Named()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="Named has no other"):
        Named(name="a", other=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="Named takes by position, once each: nothing"):
        Named("a")  # type: ignore[call-arg,misc]
    with pytest.raises(TypeError, match="Pair takes by position, once each: left, right"):
        Pair(1, left=2)  # type: ignore[misc]
    with pytest.raises(TypeError, match="Pair takes by position, once each: left, right"):
        Pair(1, 2, 3)  # type: ignore[call-arg]


def test_in_a_dataclass() -> None:
    @dataclass
    class Holder:
        pair: Pair

    assert asdict(Holder(Pair(1))) == {"pair": {"left": 1, "right": 2}}
