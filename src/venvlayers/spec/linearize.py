"""The order of lower layers: Python's own method resolution order, for frameworks.

See "The Python 2.3 Method Resolution Order" (C3): an order that keeps each
layer before those below it, and the order in which each declared them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class NoOrderError(Exception):
    """No order satisfies every declaration.

    Attributes:
        remaining: The sequences that contradict each other.
    """

    def __init__(self, remaining: Sequence[Sequence[str]]) -> None:
        super().__init__("no consistent order")
        self.remaining = tuple(tuple(sequence) for sequence in remaining)


def linearize(parents: Sequence[str], orders: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return all frameworks below a layer, nearest first.

    Args:
        parents: The frameworks that the layer declares, in order.
        orders: For each framework, itself followed by everything below it, in order.

    Raises:
        NoOrderError: The declarations contradict each other.
    """
    pending = [list(orders[parent]) for parent in parents] + [list(parents)]
    merged: list[str] = []
    while pending := [sequence for sequence in pending if sequence]:
        tails = {name for sequence in pending for name in sequence[1:]}
        head = next((seq[0] for seq in pending if seq[0] not in tails), None)
        if head is None:
            raise NoOrderError(pending)
        merged.append(head)
        pending = [[name for name in sequence if name != head] for sequence in pending]
    return tuple(merged)
