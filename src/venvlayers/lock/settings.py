"""What uv is told when it resolves a layer: the user's settings, as they bear on that layer.

Settings that concern uv's own projects, and those that we decide, are left out.
Places are relative to the specification here, so that two clones agree on them;
`located` makes them usable. This is read to find out whether a lock is valid, so
it imports nothing that costs time.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from venvlayers.spec.model import LayerSpec, StackSpec

_NOT_OURS = frozenset(
    # Settings of uv's own projects and builds, and those that we decide.
    {
        "build-backend",
        "build-constraint-dependencies",
        "cache-keys",
        "conflicts",
        "default-groups",
        "dependency-groups",
        "dev-dependencies",
        "environments",
        "managed",
        "no-build",
        "no-build-package",
        "no-binary",
        "no-binary-package",
        "no-sources",
        "package",
        "pip",
        "publish-url",
        "required-environments",
        "required-version",
        "sources",
        "trusted-publishing",
        "upgrade",
        "upgrade-package",
        "workspace",
    }
)

HOW_NOT_WHAT = frozenset(
    # Settings that say how uv works, and never what it chooses: no reason to lock again.
    {
        "allow-insecure-host",
        "cache-dir",
        "compile-bytecode",
        "concurrent-builds",
        "concurrent-downloads",
        "concurrent-installs",
        "http-proxy",
        "https-proxy",
        "keyring-provider",
        "link-mode",
        "native-tls",
        "no-cache",
        "no-proxy",
        "offline",
        "preview",
        "preview-features",
        "python-downloads",
        "python-downloads-json-url",
        "python-install-mirror",
        "python-preference",
        "pypy-install-mirror",
        "reinstall",
        "reinstall-package",
        "system-certs",
    }
)

Settings = dict[str, Any]
"""uv's settings, as a ``[tool.uv]`` table has them."""


def layer_settings(spec: StackSpec, layer: LayerSpec) -> Settings:
    """Return uv's settings for resolving *layer*, with places as the specification has them."""
    settings = {key: value for key, value in spec.uv_settings.items() if key not in _NOT_OURS}
    sources = _sources(spec, layer)
    if sources:
        settings["sources"] = sources
    if "index" in settings:
        referenced = {*layer.package_indexes.values(), *_indexes_of(sources)}
        settings["index"] = layer_indexes(settings["index"], referenced, layer.priority_indexes)
    newer = os.environ.get("UV_EXCLUDE_NEWER") or settings.pop("exclude-newer", None)
    if newer is not None:
        settings["exclude-newer"] = exclude_newer(newer)
    return settings


def layer_indexes(
    indexes: Sequence[Mapping[str, Any]], referenced: Collection[str], priority: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the indexes of one layer, in the order in which they are asked.

    Explicit indexes are left out unless they are *referenced*; those with *priority* come
    first and are asked for every package.
    """
    named = {index.get("name"): index for index in indexes}
    first = [{**named[name], "explicit": False} for name in priority if name in named]
    rest = [
        dict(index)
        for index in indexes
        if index.get("name") not in priority
        and (not index.get("explicit") or index.get("name") in referenced)
    ]
    if any(index.get("default") for index in first):
        # uv asks the default index last of all; another one has to be that, or PyPI is.
        asked = [*first, *(index for index in rest if not index.get("explicit"))]
        for index in asked:
            index["default"] = index is asked[-1]
    return [*first, *rest]


def _sources(spec: StackSpec, layer: LayerSpec) -> dict[str, Any]:
    """Return which index each package comes from; what names no index is not for layers."""
    common = {} if spec.uv_settings.get("no-sources") else spec.uv_settings.get("sources", {})
    found = {name: source for name, source in common.items() if names_index(source)}
    return found | {name: {"index": index} for name, index in layer.package_indexes.items()}


def names_index(source: Any) -> bool:
    """Tell whether an entry of ``tool.uv.sources`` names an index, and nothing else."""
    return all(isinstance(choice, dict) and "index" in choice for choice in _choices(source))


def _indexes_of(sources: Mapping[str, Any]) -> set[str]:
    return {choice["index"] for source in sources.values() for choice in _choices(source)}


def _choices(source: Any) -> list[Any]:
    return source if isinstance(source, list) else [source]


def exclude_newer(value: Any) -> str:
    """Return a date or a time as the moment that uv takes it for, in UTC; else *value* itself.

    uv takes a date to include that day, wherever the machine is. What is no time (a
    duration, such as ``30 days``, is counted back from the moment of locking) is left to uv.
    """
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value) if len(value) <= _DATE else _moment(value)
        except ValueError:
            return str(value)
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"
    if isinstance(value, date):
        return f"{value + timedelta(days=1)}T00:00:00Z"
    return str(value)


_DATE = len("2026-01-31")


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("it does not say in which time zone")
    return moment


def latest_time(settings: Settings) -> datetime | None:
    """Return the moment that ``exclude-newer`` stands for; None if it is absent or a duration."""
    try:
        return _moment(settings["exclude-newer"])
    except (KeyError, ValueError):
        return None


def located(
    settings: Settings, root: Path, *, local_wheels: Sequence[Path] = (), use_index: bool = True
) -> Settings:
    """Return *settings* for use from any directory.

    Args:
        settings: As `layer_settings` returns them.
        root: What relative places start from.
        local_wheels: More directories of wheels, absolute.
        use_index: Whether indexes are asked.
    """
    settings = dict(settings)
    links = [place_from(root, link) for link in settings.get("find-links", ())]
    if links or local_wheels:
        settings["find-links"] = [*links, *map(os.fspath, local_wheels)]
    if "index" in settings:
        settings["index"] = [
            {**index, "url": place_from(root, index["url"])} for index in settings["index"]
        ]
    if use_index:
        return settings
    asked = ("index", "index-url", "extra-index-url", "sources")
    return {key: value for key, value in settings.items() if key not in asked} | {"no-index": True}


def index_settings(spec: StackSpec) -> Settings:
    """Return the user's uv settings that say where indexes are, for installing from them."""
    known = ("index", "index-url", "extra-index-url", "allow-insecure-host", "keyring-provider")
    return located({k: v for k, v in spec.uv_settings.items() if k in known}, spec.root)


def place_from(root: Path, place: str) -> str:
    """Return an address as it is, and a path as an absolute one."""
    return place if "://" in place else os.fspath(root / Path(place).expanduser())


_FOR_BACKENDS = frozenset(
    # Of the settings that we leave out for layers, those that bear on a project's own build.
    {
        "build-constraint-dependencies",
        "config-settings",
        "config-settings-package",
        "extra-build-dependencies",
        "extra-build-variables",
        "no-binary",
        "no-binary-package",
        "no-build",
        "no-build-package",
    }
)
_OF_PROJECTS = frozenset(
    {"constraint-dependencies", "exclude-dependencies", "override-dependencies"}
)


def build_settings(
    spec: StackSpec, *, local_wheels: Sequence[Path] = (), use_index: bool = True
) -> Settings:
    """Return uv's settings for the environment of the project's build backend, as a ``uv.toml``.

    Args:
        spec: The stack.
        local_wheels: More directories of wheels, absolute.
        use_index: Whether indexes are asked.
    """
    unused = (_NOT_OURS - _FOR_BACKENDS) | _OF_PROJECTS
    settings = {key: value for key, value in spec.uv_settings.items() if key not in unused}
    return located(settings, spec.root, local_wheels=local_wheels, use_index=use_index)
