"""C3 against Python's own method resolution order."""

from __future__ import annotations

import random

import pytest

from venvlayers.spec.linearize import NoOrderError, linearize


def test_equal_to_pythons_mro_on_random_hierarchies() -> None:
    generator = random.Random(7)
    agreed = refused = 0
    for _ in range(300):
        classes: dict[str, type] = {}
        orders: dict[str, tuple[str, ...]] = {}
        for number in range(8):
            name = f"L{number}"
            parents = generator.sample(list(classes), min(len(classes), generator.randint(0, 3)))
            try:
                classes[name] = type(name, tuple(classes[parent] for parent in parents), {})
            except TypeError:
                with pytest.raises(NoOrderError):
                    linearize(parents, orders)
                refused += 1
                continue
            orders[name] = (name, *linearize(parents, orders))
            mro = tuple(cls.__name__ for cls in classes[name].__mro__[:-1])
            assert orders[name] == mro
            agreed += 1
    assert agreed > 1000
    assert refused > 10


def test_the_error_has_what_contradicts() -> None:
    with pytest.raises(NoOrderError) as caught:
        linearize(["x", "y"], {"x": ["x", "a", "b"], "y": ["y", "b", "a"]})
    assert caught.value.remaining == (("a", "b"), ("b", "a"))
