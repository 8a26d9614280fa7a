"""Installing a lock's wheels into an environment, laid out for its platform.

uv unpacks, checks hashes and caches. It lays files out for the Python that runs
it; `_move` puts them where the target's Python looks (`scheme.py`). What uv wrote
into files about this machine is dealt with in `record.py` and `scripts.py`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import tomli_w
from packaging.pylock import Package, PackageWheel, PylockSelectError

from venvlayers.build.arrived import (
    Records,
    altered_files,
    contested_files,
    of_others,
    read_records,
    record_owned,
    record_what_is_there,
    rows_by_info,
)
from venvlayers.build.record import Row
from venvlayers.build.scheme import Scheme
from venvlayers.build.verified import Verified
from venvlayers.cache.place import verified_files
from venvlayers.errors import BuildError
from venvlayers.files import remove_tree
from venvlayers.lock.model import LayerLock
from venvlayers.lock.wheels import renamed_for_cpython, supported_tags
from venvlayers.platforms import Platform, Targets
from venvlayers.project.model import ProjectWheel
from venvlayers.report import Kind
from venvlayers.spec.names import normalised
from venvlayers.uv import Uv, UvFailure
from venvlayers.values import frozen


@frozen
class WheelSource:
    """How to get at the wheels of a lock.

    Attributes:
        uv: uv.
        lock_dir: What relative paths in the lock start from.
        indexes: uv's settings that say where indexes are.
    """

    uv: Uv
    lock_dir: Path
    indexes: Mapping[str, Any]


def install(
    lock: LayerLock,
    staging: Path,
    *,
    platform: Platform,
    targets: Targets,
    source: WheelSource,
    project: ProjectWheel | None = None,
) -> dict[str, list[Row]]:
    """Have uv install the packages of *lock* for *platform* in *staging*; `move_in` comes next.

    Args:
        lock: The layer's lock.
        staging: A directory that does not exist yet, and will not if there is no package.
        platform: What to install for.
        targets: The oldest systems that it is to run on.
        source: How to get at wheels.
        project: The wheel of the project, which no lock has.

    Returns:
        What each `RECORD` says of the files that are there, by its ``.dist-info``'s name.

    Raises:
        BuildError: A wheel cannot be had, or is not what was locked.
    """
    packages = [
        _entry(package, wheel, lock, source.lock_dir)
        for package, wheel in _selected(lock, platform, targets)
    ]
    packages += [_project_entry(project, lock)] if project else []
    if not packages:
        return {}
    _describe(staging, packages, source)
    run = partial(
        source.uv.install,
        python=lock.python.version,
        platform=platform,
        targets=targets,
    )
    try:
        records = _install_as_recorded(lock, staging, packages, source, run)
    except UvFailure as failure:
        raise BuildError(
            f"the packages of {lock.env_name} cannot be installed",
            details=failure.output,
            hint="if a hash differs, the index replaced what was locked: lock again; else see "
            "whether the index, the network and uv's cache directory can be used",
        ) from failure
    (staging / "prefix" / ".lock").unlink(missing_ok=True)  # uv's own, against other uvs
    return rows_by_info(records)


def move_in(staging: Path, env: Path, scheme: Scheme) -> None:
    """Move what was installed in *staging* into *env*, which has no distributions yet.

    Raises:
        BuildError: Two packages bring the same file, in the target's layout.
    """
    if staging.is_dir():
        _move(staging / "prefix", env, scheme)
        remove_tree(staging)


def _describe(directory: Path, packages: list[dict[str, Any]], source: WheelSource) -> None:
    """Make a directory with what uv is to install, and its settings."""
    directory.mkdir()
    (directory / "pylock.toml").write_text(_install_list(packages), "utf-8")
    known = source.indexes.get("index", [])
    settings = {**source.indexes, "index": [*known, *_places_in_cache(packages)]}
    text = tomli_w.dumps({"tool": {"uv": settings}})
    (directory / "pyproject.toml").write_text(text, "utf-8")


def _places_in_cache(packages: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Return indexes that make uv find what it fetched for an earlier build, without asking.

    Of a package without an index, uv takes the directory of the wheel's address for one, and
    caches it as from there. But it looks only where an index that it was told of would be, and
    asks the server otherwise; one that says nothing of caching sends the wheel again.
    """
    urls = [
        wheel["url"]
        for package in packages
        if "index" not in package
        for wheel in package["wheels"]
        if "url" in wheel
    ]
    return [{"url": url} for url in sorted({url.rpartition("/")[0] for url in urls})]


def _install_as_recorded(
    lock: LayerLock,
    staging: Path,
    packages: list[dict[str, Any]],
    source: WheelSource,
    run: Callable[..., None],
) -> Records:
    """Install what the wheels have, also where uv's cache has something else by now.

    uv checks a wheel's hash when it fetches it. Later installs link to the files in its
    cache, as other environments do, so an edit in one of those shows here.

    Returns:
        What is recorded in the end.
    """
    prefix, verified = staging / "prefix", Verified(verified_files())
    run(staging, prefix, cache=True)
    records = _settled(staging, packages, source, partial(run, cache=True))
    if not (found := altered_files(prefix, records, verified)):
        return records
    source.uv.reporter.say(
        Kind.WARNING,
        f"{lock.env_name}: in uv's cache, {found[0]}{_and_others(len(found) - 1)} not what the"
        " wheel recorded; fetching the packages again.\n"
        "`uv cache clean` mends the cache.",
    )
    remove_tree(prefix)
    run(staging, prefix, cache=False)
    _settled(staging, packages, source, partial(run, cache=False))
    return record_what_is_there(prefix)  # what differs now is so in the wheel, whose hash is locked


def _and_others(others: int) -> str:
    return f" and {others} more are" if others else " is"


def _settled(
    staging: Path, packages: list[dict[str, Any]], source: WheelSource, run: Callable[..., None]
) -> Records:
    """Give files that several packages bring to the first of them, whichever came last.

    Returns:
        What is recorded after that.
    """
    prefix = staging / "prefix"
    records = read_records(prefix)
    contested = contested_files(records)
    if not contested:
        return records
    for number, record in enumerate(sorted(of_others(prefix, contested))):
        name = normalised(record.parent.name.partition("-")[0])
        alone = staging / f"alone-{number}"
        _describe(alone, [one for one in packages if normalised(one["name"]) == name], source)
        run(alone, alone / "prefix")
        for place in (place for place, owner in contested.items() if owner.record == record):
            its = alone / "prefix" / place
            if its.is_file():  # else it is in the record of a wheel that does not bring it
                its.replace(prefix / place)
    record_owned(prefix, records, contested)
    return read_records(prefix)


def _selected(
    lock: LayerLock, platform: Platform, targets: Targets
) -> Iterator[tuple[Package, PackageWheel]]:
    """Yield the packages for *platform*, each with its best wheel for the oldest systems.

    Which machine this is has no say in it.
    """
    environment: Any = platform.marker_environment(lock.python.interpreter)
    tags = supported_tags(platform, lock.python.interpreter, targets)
    try:
        for package, source in lock.document.select(environment=environment, tags=tags):
            if isinstance(source, PackageWheel):
                yield package, source
    except PylockSelectError as error:
        raise BuildError(f"{lock.env_name} cannot be installed on {platform}: {error}") from error


def _install_list(packages: list[dict[str, Any]]) -> str:
    """Return a PEP 751 lock of exactly these packages.

    Without markers and `requires-python`: uv would hold the latter against the
    Python that runs it, not against the target's.
    """
    return tomli_w.dumps({"lock-version": "1.0", "created-by": "venvlayers", "packages": packages})


def _entry(
    package: Package, wheel: PackageWheel, lock: LayerLock, lock_dir: Path
) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": package.name, "version": str(package.version)}
    if package.index:
        entry["index"] = package.index
    place = {"url": wheel.url} if wheel.url else {"path": os.fspath(lock_dir / str(wheel.path))}
    name = _name_for_uv(wheel.filename, lock)
    entry["wheels"] = [{"name": name, **place, "hashes": dict(wheel.hashes)}]
    return entry


def _project_entry(wheel: ProjectWheel, lock: LayerLock) -> dict[str, Any]:
    file = {"name": _name_for_uv(wheel.path.name, lock), "path": os.fspath(wheel.path)}
    wheels = [{**file, "hashes": {"sha256": wheel.sha256}}]
    return {"name": wheel.name, "version": wheel.version, "wheels": wheels}


def _name_for_uv(name: str, lock: LayerLock) -> str:
    is_renamed = lock.python.interpreter.is_pypy and not name.endswith("-py3-none-any.whl")
    return renamed_for_cpython(name) if is_renamed else name


def _move(prefix: Path, env: Path, scheme: Scheme, below: str = "") -> None:
    """Move what was installed for the host's layout into the target's.

    Directories go as a whole where nothing is in their place yet: a rename costs
    the same for a package as for a file.
    """
    with os.scandir(prefix / below) as listing:
        entries = sorted(listing, key=lambda entry: entry.name)
    for entry in entries:
        installed = f"{below}{entry.name}"
        target = env / scheme.place(installed)
        exists = os.path.lexists(target)
        if entry.is_dir(follow_symlinks=False) and (exists or not scheme.moves_whole(installed)):
            _move(prefix, env, scheme, f"{installed}/")
        elif exists:
            raise BuildError(f"two packages of {env.name} bring {scheme.place(installed)}")
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.rename(entry.path, target)  # noqa: PTH104 - the entry's path is a string
