"""From the layout of the Python that runs uv to the layout of the target's Python.

``uv pip install --prefix`` lays files out as the interpreter it is given would
(``lib/python3.11/site-packages``, Fedora's ``lib64``, Debian's
``local/lib/python3.11/dist-packages``, Windows' ``Lib/site-packages``). A layer
must not show which Python that was.
"""

from __future__ import annotations

import posixpath
import re

from venvlayers.platforms import Interpreter, Platform
from venvlayers.values import frozen

_PACKAGES = re.compile(
    r"(?:local/)?(?:lib|lib64|Lib)/(?:python[\d.]+t?/)?(?:site|dist)-packages/", re.ASCII
)
_SCRIPTS = re.compile(r"(?:local/)?(?:bin|Scripts)/")
_SPLIT = ("bin", "include", "lib", "lib64", "Lib", "local", "Scripts")
_HEADERS = re.compile(r"include/site/python[\d.]+t?/", re.ASCII)


@frozen
class Scheme:
    """Where things are in an environment for *platform* with *python*."""

    platform: Platform
    python: Interpreter

    @property
    def site_packages(self) -> str:
        """Relative to the environment, with ``/``."""
        return self.platform.site_packages(self.python)

    def place(self, installed: str) -> str:
        """Return where a file belongs that uv put at *installed*, both relative, with ``/``."""
        for pattern, target in (
            (_PACKAGES, f"{self.site_packages}/"),
            (_SCRIPTS, f"{self.platform.bin_dir}/"),
            (_HEADERS, f"include/site/python{self.python.version.series}/"),
        ):
            if match := pattern.match(installed):
                return target + installed[match.end() :]
        return installed

    def moves_whole(self, installed: str) -> bool:
        """Tell whether everything below the directory *installed* stays together when placed."""
        inside = any(pattern.match(installed) for pattern in (_PACKAGES, _SCRIPTS, _HEADERS))
        return inside or installed.partition("/")[0] not in _SPLIT

    def recorded(self, place: str) -> str:
        """Return how a `RECORD` names the file at *place*: relative to site-packages."""
        inside = f"{self.site_packages}/"
        if place.startswith(inside):
            return place[len(inside) :]
        return posixpath.relpath(place, self.site_packages)

    def from_record(self, recorded: str) -> str:
        """Return the place of a file that a `RECORD` in site-packages names."""
        return posixpath.normpath(f"{self.site_packages}/{recorded}".replace("\\", "/"))
