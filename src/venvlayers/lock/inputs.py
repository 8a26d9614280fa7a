"""What a lock depends on: whether it is still valid needs no network.

Everything that could change the result of locking a layer is an input with a
name, and nothing else is; what people can read is recorded as it is, the rest as
a hash. A new kind of input belongs into `_others` or `_version_inputs`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from venvlayers.build.sources import module_hash
from venvlayers.files import sha256_json
from venvlayers.lock.settings import HOW_NOT_WHAT, layer_settings
from venvlayers.spec.model import LayerSpec, StackSpec
from venvlayers.values import frozen

_FORMAT = "2"
"""Raised when a newer release would write other locks from the same inputs."""

_LINK = "link to "

Parts = Mapping[str, str]
"""Inputs by name, each a text, or ``sha256:<hex>`` of one."""


class Below(Protocol):
    """What a lock depends on of a layer below: its lock, or the record of that."""

    @property
    def requirements_hash(self) -> str:
        """Identifies its locked set; a runtime's covers its Python."""

    @property
    def lock_version(self) -> int:
        """Its number."""


@frozen
class LockInputs:
    """The inputs of one layer's lock.

    Attributes:
        lock_input_hash: Of the declared requirements: ``sha256:<hex>``.
        others: Everything else that the locked set depends on.
        version: What changes the number of a versioned layer without changing its set.
    """

    lock_input_hash: str
    others: Parts
    version: Parts

    @property
    def other_inputs_hash(self) -> str:
        """``sha256:<hex>`` of `others`."""
        return sha256_json(dict(self.others))

    @property
    def version_inputs_hash(self) -> str:
        """``sha256:<hex>`` of `version`."""
        return sha256_json(dict(self.version))

    def same_set(self, other: LockInputs) -> bool:
        """Tell whether both lead to the same locked set."""
        same_requirements = self.lock_input_hash == other.lock_input_hash
        return same_requirements and dict(self.others) == dict(other.others)


def lock_inputs(spec: StackSpec, layer: LayerSpec, lower: Sequence[Below]) -> LockInputs:
    """Return the inputs of *layer*'s lock.

    Args:
        spec: The stack.
        layer: One of its layers.
        lower: The lock of each layer below it, in path order.

    Raises:
        BuildError: A versioned layer's own modules cannot be read.
    """
    return LockInputs(
        lock_input_hash=requirements_digest(layer.requirements),
        others=_others(spec, layer, lower),
        version=_version_inputs(spec, layer, lower),
    )


def requirements_digest(requirements: Sequence[str]) -> str:
    """Return ``sha256:<hex>`` of declared requirements."""
    return sha256_json(list(requirements))


def _others(spec: StackSpec, layer: LayerSpec, lower: Sequence[Below]) -> dict[str, str]:
    targets = layer.targets
    others = {
        "format": _FORMAT,
        "platforms": ", ".join(platform.name for platform in layer.platforms),
        "linux_target": f"glibc@{targets.glibc[0]}.{targets.glibc[1]}",
        "macosx_target": f"{targets.macos[0]}.{targets.macos[1]}",
    }
    if layer.python:
        others["Python"] = str(layer.python)
        others["runtime_source"] = spec.options.runtime_source.value
    else:
        others["layers below"] = ", ".join(layer.lower)
        named = zip(layer.lower, lower, strict=True)
        others |= {f"layer {name}": below.requirements_hash for name, below in named}
    if spec.project and spec.has_project(layer):
        others["project"] = spec.project.name
    for key, value in layer_settings(spec, layer).items():
        if key == "exclude-newer":
            others[key] = value
        elif key not in HOW_NOT_WHAT:
            # Hashed: an address may have what is nobody else's business.
            others[f"tool.uv.{key}"] = sha256_json(_plain(value))
    return others


def _version_inputs(spec: StackSpec, layer: LayerSpec, lower: Sequence[Below]) -> dict[str, str]:
    inputs = {"name": layer.env_name, "versioned": str(layer.versioned).lower()}
    if layer.versioned:
        if layer.project and layer.project.code_hash:
            inputs["project"] = layer.project.code_hash
        if launch := layer.launch_module:
            inputs[f"launch module {launch.name}"] = module_hash(launch)
        elif layer.launch:
            inputs["launch"] = str(layer.launch)
        if layer.scripts is not None:
            inputs["scripts"] = ", ".join(layer.scripts) or "none"
        for module in layer.support_modules:
            inputs[f"support module {module.name}"] = module_hash(module)
        # Its links name lower layers as they are deployed, so their numbers are a part of it.
        for name, below in zip(layer.lower, lower, strict=True):
            if spec.layer(name).versioned:
                inputs[f"{_LINK}{name}"] = f"@{below.lock_version}"
    return inputs


def _plain(value: Any) -> Any:
    """Return a TOML value as JSON; dates, which JSON lacks, as text."""
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    return value if isinstance(value, str | int | float | bool) else str(value)


def difference(recorded: LockInputs, current: LockInputs) -> str | None:
    """Say for people which inputs changed; None if none did."""
    if recorded.others.get("format") != current.others["format"]:
        return "it was made by another release of hatch-venvstacks"
    found = ["its requirements changed"] * (recorded.lock_input_hash != current.lock_input_hash)
    found += _differences(recorded.others, current.others)
    of_version = list(_differences(recorded.version, current.version))
    if found:  # a layer below that changed was told already
        of_version = [text for text in of_version if not text.startswith(f"its {_LINK}")]
    found += of_version
    return "; ".join(found) or None


def _differences(before: Parts, after: Parts) -> Iterator[str]:
    moved = before.get("layers below") != after.get("layers below")
    for name in sorted({*before, *after}, key=str.lower):
        old, new = before.get(name), after.get(name)
        if old != new and not (moved and name.startswith("layer ")):
            yield f"{_called(name)} {_went(old, new)}"


def _called(name: str) -> str:
    if name.startswith("layer "):
        return f"{name.removeprefix('layer ')} below it"
    if name == "layers below":
        return f"the {name} it"
    return name if name.startswith("tool.uv.") else f"its {name}"


def _went(old: str | None, new: str | None) -> str:
    if old is None:
        return "is new" if _is_hash(new) else f"is now {new}"
    if new is None:
        return "is gone"
    return "changed" if _is_hash(new) else f"changed from {old} to {new}"


def _is_hash(value: str | None) -> bool:
    return value is not None and value.startswith("sha256:")
