"""Gathering runtime sources and archive formats: ours, and those of other distributions.

Both are found through pluggy, by the hooks of `hookspecs.py`. Entry points are
only looked for here, and only when something is to be done.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Protocol, TypeVar

import pluggy

from venvlayers import hookspecs
from venvlayers.build.runtime.local import LocalSource
from venvlayers.build.runtime.managed import ManagedSource
from venvlayers.build.runtime.source import RuntimeSource
from venvlayers.errors import Problem, SpecError, ToolError
from venvlayers.hookspecs import hookimpl
from venvlayers.publish.format import ArchiveFormat
from venvlayers.publish.tars import GzipTar, PlainTar, XzTar
from venvlayers.publish.zips import Zip
from venvlayers.publish.zstd import ZstdTar
from venvlayers.spec.model import StackSpec
from venvlayers.spec.table import did_you_mean


class _Named(Protocol):
    name: str


_NamedT = TypeVar("_NamedT", bound=_Named)


class _ManagedPlugin:
    @hookimpl
    def venvlayers_register_runtime_source(self) -> RuntimeSource:
        return ManagedSource()


class _LocalPlugin:
    @hookimpl
    def venvlayers_register_runtime_source(self) -> RuntimeSource:
        return LocalSource()


class _FormatPlugin:
    def __init__(self, format_: ArchiveFormat) -> None:
        self._format = format_

    @hookimpl
    def venvlayers_register_archive_format(self) -> ArchiveFormat:
        return self._format


@cache
def plugin_manager() -> pluggy.PluginManager:
    """Return a manager with our plugins and those of the entry-point group ``venvlayers``.

    The same one each time: looking through what is installed takes 10 ms.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    formats: list[ArchiveFormat] = [ZstdTar(), XzTar(), GzipTar(), PlainTar(), Zip()]
    for plugin in (_ManagedPlugin(), _LocalPlugin(), *map(_FormatPlugin, formats)):
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
