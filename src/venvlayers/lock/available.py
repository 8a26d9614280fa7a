"""That every package of a layer has a wheel for each of its platforms, and what to do if not.

A layer that could not be installed somewhere is refused when it is locked, with
everything that is missing and a `platforms` that would work.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from venvlayers.errors import LockError, Problem
from venvlayers.lock.document import OwnPackage
from venvlayers.lock.wheels import fitting_wheels, wheel_name
from venvlayers.platforms import Interpreter, Platform, Targets
from venvlayers.spec.model import LayerSpec

_LATER_GLIBC = (28, 31, 34, 35, 36, 37, 38, 39, 40)
_LATER_MACOS = tuple(range(11, 31))


def with_wheels(
    layer: LayerSpec, packages: Sequence[OwnPackage], python: Interpreter, lock_dir: Path
) -> list[OwnPackage]:
    """Return *packages* with the wheels that fit, local ones relative to *lock_dir* (PEP 751).

    Raises:
        LockError: A platform is left without a wheel, or a wheel without a digest.
    """
    kept: list[OwnPackage] = []
    missing: list[tuple[Mapping[str, Any], list[Platform]]] = []
    for package, platforms in packages:
        wheels, without = fitting_wheels(package, platforms, python, layer.targets)
        if without:
            missing.append((package, without))
        _require_digests(layer, package, wheels)
        entries = [relative_to_lock(wheel, lock_dir) for wheel in wheels]
        kept.append(({**package, "wheels": entries}, platforms))
    if missing:
        raise _wheels_missing(layer, missing, python)
    return kept


def _require_digests(
    layer: LayerSpec, package: Mapping[str, Any], wheels: Iterable[Mapping[str, Any]]
) -> None:
    for wheel in wheels:
        if "sha256" not in wheel.get("hashes", {}):
            raise LockError(
                f"{layer.env_name} cannot be locked: there is no sha256 digest of "
                f"{wheel_name(wheel)}",
                hint=f"take {package['name']} from an index that has digests",
            )


def relative_to_lock(wheel: dict[str, Any], lock_dir: Path) -> dict[str, Any]:
    """Return a wheel entry with a local path relative to the lock file, with ``/``.

    Raises:
        LockError: There is no such path: they are on different drives.
    """
    if "path" not in wheel:
        return wheel
    try:
        relative = os.path.relpath(wheel["path"], lock_dir)
    except ValueError as error:
        raise LockError(
            f"a lock in {lock_dir} cannot refer to {wheel['path']}, which is on another drive",
            hint="put the directory of wheels onto the drive of the project",
        ) from error
    return {**wheel, "path": relative.replace(os.sep, "/")}


def _wheels_missing(
    layer: LayerSpec,
    missing: Sequence[tuple[Mapping[str, Any], list[Platform]]],
    python: Interpreter,
) -> LockError:
    problems = [
        Problem(
            where=f"{package['name']}=={package.get('version', '?')}",
            what=f"no wheel for {', '.join(platform.name for platform in platforms)}",
            suggestion=", ".join(_later_targets(layer, package, platforms, python)) or None,
        )
        for package, platforms in missing
    ]
    listed = "\n".join(f"  - {problem}" for problem in problems)
    without = {platform for _package, platforms in missing for platform in platforms}
    return LockError(
        f"{layer.env_name} needs wheels that do not exist:\n{listed}",
        hint="nothing is built from source; require versions that have wheels"
        + suggested_platforms(layer, without),
    )


def suggested_platforms(layer: LayerSpec, without: Iterable[Platform]) -> str:
    """Return what to say of a layer that cannot be made for the platforms *without*."""
    left = [platform.name for platform in layer.platforms if platform not in set(without)]
    if not left:
        return ""
    listed = ", ".join(f'"{name}"' for name in left)
    return f", or set `platforms = [{listed}]` for {layer.env_name}, which would work"


def _later_targets(
    layer: LayerSpec, package: Mapping[str, Any], missing: Sequence[Platform], python: Interpreter
) -> Iterator[str]:
    """Yield settings with which there would be wheels, for later systems than are asked for."""
    linux = [platform for platform in missing if platform.sys_platform == "linux"]
    macos = [platform for platform in missing if platform.sys_platform == "darwin"]
    older = (Targets(glibc=(2, minor), macos=layer.targets.macos) for minor in _LATER_GLIBC)
    if linux and (found := _first_fitting(package, linux, python, older)):
        yield f'there are some for linux_target = "glibc@2.{found.glibc[1]}"'
    older = (Targets(glibc=layer.targets.glibc, macos=(major, 0)) for major in _LATER_MACOS)
    if macos and (found := _first_fitting(package, macos, python, older)):
        yield f'there are some for macosx_target = "{found.macos[0]}.0"'


def _first_fitting(
    package: Mapping[str, Any],
    platforms: Sequence[Platform],
    python: Interpreter,
    choices: Iterable[Targets],
) -> Targets | None:
    fits = (
        targets for targets in choices if not fitting_wheels(package, platforms, python, targets)[1]
    )
    return next(fits, None)
