"""The text of a lock file (PEP 751), and of the list that goes with it for people.

Lock files are read by people in reviews: one line a wheel, nothing that changes
when nothing changed. Parsing is left to `tomllib` and `packaging.pylock`.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from packaging.pylock import Pylock

from venvlayers.files import sha256_json
from venvlayers.lock.divide import Provided, marker_for
from venvlayers.lock.model import PythonPin
from venvlayers.lock.wheels import wheel_name
from venvlayers.platforms import Platform
from venvlayers.spec.model import LayerSpec, ProjectSpec

OwnPackage = tuple[Mapping[str, Any], tuple[Platform, ...]]
"""A package with the wheels that are kept, and the platforms that it is for."""


def lock_text(
    layer: LayerSpec,
    python: PythonPin,
    packages: Iterable[OwnPackage],
    version: int,
    highest: int,
) -> str:
    """Return the lock file of *layer*: its own packages, for all its platforms.

    Args:
        layer: The layer.
        python: The Python that it is for.
        packages: What it consists of.
        version: The number of the lock.
        highest: The highest number that it was given while it was versioned.
    """
    # Also read back by `store.highest_version`.
    deployed = [f"# It is deployed as {layer.deployed_name(version)}."] if layer.versioned else []
    if not layer.versioned and highest > version:
        deployed = [f"# It was deployed as {layer.env_name}@{highest} while it was versioned."]
    lines = [
        f"# What the layer {layer.env_name} consists of, beyond the layers below it.",
        "# Made by `venvstacks lock`, or `hatch build -t venvstacks:lock`; not to be edited.",
        *deployed,
        'lock-version = "1.0"',
        f"environments = {_strings(_environments(layer, python))}",
        f'requires-python = "=={python.version.series}.*"',
        'created-by = "hatch-venvstacks"',
        "",
    ]
    for package, platforms in packages:
        lines += _package_lines(package, marker_for(platforms, layer.platforms))
    if lines[-1]:
        lines.append("")
    return "\n".join(lines if "[[packages]]" in lines else [*lines[:-1], "packages = []", ""])


def _environments(layer: LayerSpec, python: PythonPin) -> Iterator[str]:
    """Yield markers of what the lock is for; that it is CPython goes without saying."""
    implementation = python.implementation
    own = "" if implementation == "cpython" else f" and implementation_name == '{implementation}'"
    for platform in layer.platforms:
        yield f"{platform.marker}{own}"


def _package_lines(package: Mapping[str, Any], marker: str | None) -> list[str]:
    lines = ["[[packages]]"]
    lines.append(f"name = {_string(package['name'])}")
    lines.append(f"version = {_string(package['version'])}")
    if marker:
        lines.append(f"marker = {_string(marker)}")
    if "index" in package:
        lines.append(f"index = {_string(package['index'])}")
    lines.append("wheels = [")
    lines += [f"    {_inline(wheel)}," for wheel in package["wheels"]]
    return [*lines, "]", ""]


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_inline(item)}" for key, item in value.items()) + " }"
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return _string(value) if isinstance(value, str) else str(value)


def _string(text: str) -> str:
    # JSON's escapes are a subset of those of TOML's basic strings; DEL alone must
    # be escaped in TOML and is not in JSON.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def _strings(values: Iterable[str]) -> str:
    return "[" + "".join(f"\n    {_string(value)}," for value in values) + "\n]"


def parse_lock(text: str) -> Pylock:
    """Parse a lock file.

    Raises:
        tomllib.TOMLDecodeError: It is not TOML.
        packaging.pylock.PylockValidationError: It is not a PEP 751 lock.
    """
    return Pylock.from_dict(tomllib.loads(text))


def requirements_hash(python: PythonPin | None, packages: Iterable[OwnPackage]) -> str:
    """Return the hash that identifies a locked set: packages, wheels, and a runtime's Python."""
    listed = [
        {
            "name": package["name"],
            "version": package["version"],
            "platforms": [platform.name for platform in platforms],
            "index": package.get("index"),
            "wheels": [[wheel_name(wheel), wheel.get("hashes")] for wheel in package["wheels"]],
        }
        for package, platforms in packages
    ]
    pinned = python and [str(python), python.source, python.build]
    return sha256_json({"packages": listed, "python": pinned})


def summary_text(
    layer: LayerSpec,
    packages: Sequence[OwnPackage],
    provided: Iterable[Provided],
    project: ProjectSpec | None,
) -> str:
    """Return the list of a layer's packages for people.

    The project, which is built and not locked, is in it without a version.
    """
    lines = [f"# Packages of {layer.env_name}, and those that it takes from the layers below"]
    for package, platforms in packages:
        pin = f"{package['name']}=={package['version']}"
        marker = marker_for(platforms, layer.platforms)
        lines.append(f"{pin} ; {marker}" if marker else pin)
    if project and layer.has_wheel:
        lines += ["", "# The project itself, from its own wheel", project.name]
    shared = [
        f"{entry.name}=={entry.version} (from {entry.layer})"
        + (f" ; {marker}" if (marker := marker_for(entry.platforms, layer.platforms)) else "")
        for entry in provided
    ]
    if shared:
        lines += ["", "# Shared packages, from the layers below", *shared]
    return "\n".join(lines) + "\n"
