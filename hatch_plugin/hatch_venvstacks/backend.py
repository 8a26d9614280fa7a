"""A PEP 517 backend for front ends that are not Hatch: hatchling's hooks, and layers when asked.

``build-backend = "hatch_venvstacks.backend"`` builds wheels, sdists and editable
wheels as ``hatchling.build`` does. With ``-C venvstacks=publish`` (see `settings`),
layers are made after the wheel or the sdist, in a directory of their own: what
front ends find in the wheel's directory they take for a distribution.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import hatchling.build
from hatchling.build import build_editable, get_requires_for_build_editable

from hatch_venvstacks.builder import VenvstacksBuilder
from hatch_venvstacks.host import failures
from hatch_venvstacks.settings import Settings, read_layer_settings, read_settings
from venvlayers.plan import Goal
from venvlayers.request import Request
from venvlayers.selection import Choice

__all__ = [
    "build_editable",
    "build_sdist",
    "build_venvstacks",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_venvstacks",
    "get_requires_for_build_wheel",
]
if hasattr(hatchling.build, "prepare_metadata_for_build_wheel"):  # not where pip builds
    from hatchling.build import (
        prepare_metadata_for_build_editable,
        prepare_metadata_for_build_wheel,
    )

    __all__ += ["prepare_metadata_for_build_editable", "prepare_metadata_for_build_wheel"]

_OUTPUT_DIR = "_artifacts"  # as the command has it
_SDIST_MARK = "PKG-INFO"

ConfigSettings = Mapping[str, Any] | None
"""What a front end passes on from its user."""


class _Builder(VenvstacksBuilder):
    """The build target, as config settings want it."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(os.getcwd())  # noqa: PTH109 - the project, says PEP 517
        self._settings = settings

    def request(self, goal: Goal, directory: str) -> Request:
        """Return what Hatch's target would do, for the layers that were named."""
        request = super().request(goal, directory)
        tag_outputs = self._settings.tag_outputs
        return replace(
            request,
            choice=Choice(include=self._settings.include),
            platforms=self._settings.platforms,
            tag_outputs=request.tag_outputs if tag_outputs is None else tag_outputs,
        )

    def requires(self) -> list[str]:
        """Return what is to be installed before layers are made."""
        return list(self.config.dependencies)

    def output_dir(self) -> str:
        """Return where layers go that come with a wheel or an sdist."""
        named = self._settings.output_dir or self.target_config.get("directory", _OUTPUT_DIR)
        return os.fspath(named)

    def make(self, directory: str) -> list[str]:
        """Make layers, and return what Hatch would show of them."""
        return list(self.build(directory=directory, versions=list(self._settings.verbs)))


def _layers(config_settings: ConfigSettings) -> _Builder | None:
    """Return what makes the layers that are asked for; end the process if that is unclear."""
    with failures(_Builder(Settings()).app):
        settings = read_settings(config_settings)
    return _Builder(settings) if settings.verbs else None


def _is_unpacked_sdist() -> bool:
    """Tell whether the project is what a front end unpacked to make a wheel of, and removes."""
    return Path(_SDIST_MARK).is_file()


def _requires(config_settings: ConfigSettings, requires: list[str]) -> list[str]:
    layers = _layers(config_settings)
    return list(dict.fromkeys([*requires, *(layers.requires() if layers else ())]))


def get_requires_for_build_sdist(config_settings: ConfigSettings = None) -> list[str]:
    """Return what hatchling needs for an sdist, and what layers need if they are asked for."""
    return _requires(config_settings, hatchling.build.get_requires_for_build_sdist())


def get_requires_for_build_wheel(config_settings: ConfigSettings = None) -> list[str]:
    """Return what hatchling needs for a wheel, and what layers need if they are asked for."""
    return _requires(config_settings, hatchling.build.get_requires_for_build_wheel())


def build_sdist(sdist_directory: str, config_settings: ConfigSettings = None) -> str:
    """Build an sdist as hatchling does, then layers if they are asked for."""
    layers = _layers(config_settings)
    sdist = hatchling.build.build_sdist(sdist_directory)
    _make(layers)
    return sdist


def build_wheel(
    wheel_directory: str,
    config_settings: ConfigSettings = None,
    metadata_directory: str | None = None,
) -> str:
    """Build a wheel as hatchling does, then layers if they are asked for."""
    layers = _layers(config_settings)
    wheel = hatchling.build.build_wheel(wheel_directory, metadata_directory=metadata_directory)
    _make(layers)
    return wheel


def _make(layers: _Builder | None) -> None:
    """Make layers, but in a checkout only: a wheel that comes by an sdist would do it twice."""
    if layers and _is_unpacked_sdist():
        layers.app.display_warning("warning: layers are not made of an unpacked sdist")
    elif layers:
        layers.make(layers.output_dir())


def get_requires_for_build_venvstacks(config_settings: ConfigSettings = None) -> list[str]:
    """Return what is needed in addition to ``[build-system] requires``."""
    return _layer_builder(config_settings).requires()


def build_venvstacks(directory: str, config_settings: ConfigSettings = None) -> str:
    """Publish layers to *directory*, or export them there, and return what stands for them.

    That is the manifest, or the directory of the export, relative to *directory*, as
    ``build_wheel`` returns the name of a wheel.
    """
    place = os.path.abspath(directory)  # noqa: PTH100 - as hatchling has paths
    [made] = _layer_builder(config_settings).make(place)
    return Path(made).relative_to(place).as_posix()


def _layer_builder(config_settings: ConfigSettings) -> _Builder:
    with failures(_Builder(Settings()).app):
        settings = read_layer_settings(config_settings)
    return _Builder(settings)
