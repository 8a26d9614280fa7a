"""Puts the layers below this one onto the path; written by hatch-venvstacks.

Paths are relative to this file, so the layers can be moved together. Each
directory is added once, with its .pth files.
"""

import os
import site
import sys

# Pairs of a layer's name and its site directory, nearest layer first.
LAYERS = []


def _add_layers():
    here = os.path.dirname(os.path.abspath(__file__))
    layers = [(name, os.path.normpath(os.path.join(here, place))) for name, place in LAYERS]
    later = {os.path.normcase(directory) for _, directory in layers}
    _forget(later)
    for name, directory in layers:
        if _has_path_files(name, directory):
            # With the known paths given, site does not compute them anew each time.
            known = {os.path.normcase(os.path.abspath(path)) for path in sys.path}
            site.addsitedir(directory, known)
            later.discard(os.path.normcase(directory))
            _forget(later)
        else:
            sys.path.append(directory)
            later.discard(os.path.normcase(directory))


def _forget(directories):
    """Take directories off the path.

    _venvstacks.pth, ours and those of the layers below, put all of them there at
    once. Each is added again in its turn, so that what its own .pth files add comes
    before the layers below it.
    """
    sys.path[:] = [path for path in sys.path if os.path.normcase(path) not in directories]


def _has_path_files(name, directory):
    """Tell whether there is something for site to read, besides what names our own layers."""
    try:
        found = os.listdir(directory)
    except OSError:
        if not os.path.isdir(directory):
            _missing(name, directory)
        return True
    return any(
        entry.endswith((".pth", ".start", ".toml")) and entry != "_venvstacks.pth"
        for entry in found
    )


def _missing(name, directory):
    sys.stderr.write(
        "{}: the layer {!r} is missing: there is no {}\n"
        "hint: unpack all layers of an application side by side in one directory\n".format(
            sys.prefix, name, directory
        )
    )
    sys.stderr.flush()
    # An exception here would be reported and ignored, and an import fail later.
    os._exit(78)  # EX_CONFIG


_add_layers()
