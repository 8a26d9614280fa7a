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
    places = [os.path.normpath(os.path.join(here, place)) for _, place in LAYERS]
    with_path_files = [
        place for (name, _), place in zip(LAYERS, places) if _has_path_files(name, place)
    ]
    # Mostly there is nothing to do: the lines of _venvstacks.pth put them where they belong.
    if with_path_files or sys.path[-len(places) :] != places:
        _put_in_order(places, with_path_files)


def _put_in_order(places, with_path_files):
    """Take the layers off the path, and add each again in its turn, with its own .pth files.

    What those add comes before the layers below. _venvstacks.pth, ours and those of the
    layers, put all layers below there at once.
    """
    later = {os.path.normcase(place) for place in places}
    _forget(later)
    for place in places:
        if place in with_path_files:
            # With the known paths given, site does not compute them anew each time.
            known = {os.path.normcase(os.path.abspath(path)) for path in sys.path}
            site.addsitedir(place, known)
            later.discard(os.path.normcase(place))
            _forget(later)
        else:
            sys.path.append(place)
            later.discard(os.path.normcase(place))


def _forget(places):
    sys.path[:] = [path for path in sys.path if os.path.normcase(path) not in places]


def _has_path_files(name, place):
    """Tell whether there is something for site to read, besides what names our own layers."""
    try:
        found = os.listdir(place)
    except OSError:
        if not os.path.isdir(place):
            _missing(name, place)
        return True
    return any(
        entry.endswith((".pth", ".start", ".toml")) and entry != "_venvstacks.pth"
        for entry in found
    )


def _missing(name, place):
    sys.stderr.write(
        "{}: the layer {!r} is missing: there is no {}\n"
        "hint: unpack all layers of an application side by side in one directory\n".format(
            sys.prefix, name, place
        )
    )
    sys.stderr.flush()
    # An exception here would be reported and ignored, and an import fail later.
    os._exit(78)  # EX_CONFIG


_add_layers()
