"""Gathering runtime sources and archive formats: ours, and those of other distributions.

Both are found through pluggy, by the hooks of `hookspecs.py`. Entry points are only
looked for here, and only for a name that is none of ours (`own.py`): those are taken.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Protocol, TypeVar

import pluggy

from venvlayers import hookspecs
from venvlayers.build.runtime.source import RuntimeSource
from venvlayers.errors import Problem, SpecError, ToolError
from venvlayers.hookspecs import hookimpl
from venvlayers.own import FORMATS, SOURCES, own_format, own_source
from venvlayers.publish.format import ArchiveFormat
from venvlayers.spec.model import StackSpec
from venvlayers.spec.table import did_you_mean


class _Named(Protocol):
    name: str


_NamedT = TypeVar("_NamedT", bound=_Named)


class _SourcePlugin:
    def __init__(self, name: str) -> None:
        self._name = name

    @hookimpl
    def venvlayers_register_runtime_source(self) -> RuntimeSource | None:
        return own_source(self._name)


class _FormatPlugin:
    def __init__(self, name: str) -> None:
        self._name = name

    @hookimpl
    def venvlayers_register_archive_format(self) -> ArchiveFormat | None:
        return own_format(self._name)


@cache
def plugin_manager() -> pluggy.PluginManager:
    """Return a manager with our plugins and those of the entry-point group ``venvlayers``.

    The same one each time: looking through what is installed takes 30 ms.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    for plugin in (*map(_SourcePlugin, SOURCES), *map(_FormatPlugin, FORMATS)):
        manager.register(plugin)
    manager.load_setuptools_entrypoints(hookspecs.PROJECT)
    return manager


def runtime_sources(manager: pluggy.PluginManager) -> dict[str, RuntimeSource]:
    """Return every runtime source, by name."""
    return _by_name("runtime source", manager.hook.venvlayers_register_runtime_source())


def archive_formats(manager: pluggy.PluginManager) -> dict[str, ArchiveFormat]:
    """Return every archive format, by name."""
    return _by_name("archive format", manager.hook.venvlayers_register_archive_format())


def archive_format(spec: StackSpec) -> ArchiveFormat:
    """Return the archive format that a stack asks for.

    Raises:
        SpecError: There is none of that name.
    """
    formats, name = archive_formats(plugin_manager()), spec.options.archive_format
    if name in formats:
        return formats[name]
    what = f"unknown archive format {name!r}; there are {', '.join(sorted(formats))}"
    where, meant = spec.at("archive-format"), did_you_mean(name, formats)
    raise SpecError(str(spec.path), [Problem(where=where, what=what, suggestion=meant)])


def _by_name(what: str, plugins: Iterable[_NamedT]) -> dict[str, _NamedT]:
    named: dict[str, _NamedT] = {}
    for plugin in plugins:
        if plugin.name in named:
            raise ToolError(f"two plugins register the {what} {plugin.name!r}")
        named[plugin.name] = plugin
    return named
