"""Which names layers may have: they become directories on every platform.

A name is checked once, here, so that no later stage has to wonder whether a
path made from it stays where it belongs. And which names of packages are the same.
"""

from __future__ import annotations

import re
import unicodedata

from venvlayers.spec.kinds import LayerKind

_DEVICE = re.compile(
    r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[1-9\u00b9\u00b2\u00b3])(\..*)?", re.IGNORECASE
)
"""Windows' names of devices, with whatever ending ("Naming Files, Paths, and Namespaces")."""
_PYTHON = re.compile(r"(python|pypy|pythonw|pypyw)[0-9.]*(\.exe)?", re.IGNORECASE)
_FORBIDDEN = '/\\<>:"|?*'
_LONGEST = 100


def name_mistake(name: str, kind: LayerKind) -> str | None:
    """Return what is wrong with *name* for a layer of this kind; None if nothing is.

    Besides path separators and control characters this refuses what Windows
    cannot store, because layers of all platforms are described by one file.
    """
    if not name:
        return "must not be empty"
    if any(unicodedata.category(character) in ("Cc", "Cf", "Cs") for character in name):
        return "must not contain control characters"
    found = sorted({character for character in name if character in _FORBIDDEN})
    if found:
        return f"must not contain {' '.join(found)}, because it becomes the name of a directory"
    if name[0] in ".-~ " or name[-1] in ". ":
        return "must not begin with '.', '-', '~' or a space, or end with '.' or a space"
    if len(name) > _LONGEST:
        return f"must not be longer than {_LONGEST} characters"
    if is_device(name):
        return "is the name of a device on Windows"
    if kind is LayerKind.APPLICATION and is_python(name):
        return "is what Python itself is called in the directory of the application's launcher"
    return _reserved(name) if kind is LayerKind.RUNTIME else None


def is_device(name: str) -> bool:
    """Tell whether Windows takes *name* for a device, in whichever directory."""
    return _DEVICE.fullmatch(name) is not None


def is_python(name: str) -> bool:
    """Tell whether *name* is what a Python is called in an environment's `bin`."""
    return _PYTHON.fullmatch(name) is not None


def _reserved(name: str) -> str | None:
    for kind in (LayerKind.FRAMEWORK, LayerKind.APPLICATION):
        if name.startswith(kind.prefix):
            return f"must not begin with {kind.prefix!r}, which marks {kind.value}"
    return "is reserved" if name.startswith("__venvstacks__") else None


def same_directory_key(name: str) -> str:
    """Return a text that is equal for names which some file system cannot tell apart."""
    return unicodedata.normalize("NFC", name).casefold()


def normalised(name: str) -> str:
    """Return the name of a package, or of an extra, as all its spellings are compared (PEP 503).

    `packaging.utils` has this too; importing it takes longer than planning a run.
    """
    return re.sub(r"[-_.]+", "-", name).lower()
