"""What a lock depends on, as hashes: whether it is still valid needs no network.

Everything that could change the result of locking a layer is hashed here, and
nothing else; a new kind of input belongs into one of these three functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from venvlayers.files import sha256_json
from venvlayers.spec.model import LayerSpec, StackSpec

_FORMAT = 1
"""Raised when a newer release would write other locks from the same inputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockInputs:
    """The inputs of one layer's lock, each ``sha256:<hex>``.

    Attributes:
        lock_input_hash: Of the declared requirements.
        other_inputs_hash: Of everything else that the locked set depends on.
        version_inputs_hash: Of what changes a versioned layer without changing its set.
    """

    lock_input_hash: str
    other_inputs_hash: str
    version_inputs_hash: str


def lock_inputs(spec: StackSpec, layer: LayerSpec, lower_hashes: Sequence[str]) -> LockInputs:
    """Return the inputs of *layer*'s lock.

    Args:
        spec: The stack.
        layer: One of its layers.
        lower_hashes: The `requirements_hash` of each layer below it, in path order;
            a runtime's covers its Python.
    """
    others = {
        "format": _FORMAT,
        "platforms": [platform.name for platform in layer.platforms],
        "targets": {"glibc": layer.targets.glibc, "macos": layer.targets.macos},
        "lower": list(zip(layer.lower, lower_hashes, strict=True)),
        "python": str(layer.python) if layer.python else None,
        "runtime_source": spec.options.runtime_source.value if layer.python else None,
        "uv": _plain(spec.uv_settings),
    }
    return LockInputs(
        lock_input_hash=sha256_json(list(layer.requirements)),
        other_inputs_hash=sha256_json(others),
        version_inputs_hash=sha256_json({"name": layer.env_name, "versioned": False}),
    )


def _plain(value: object) -> object:
    """Return a TOML value as JSON; dates, which JSON lacks, as text."""
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    return value if isinstance(value, str | int | float | bool) else str(value)
