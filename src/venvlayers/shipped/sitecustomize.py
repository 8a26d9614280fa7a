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
    known = {os.path.normcase(os.path.abspath(path)) for path in sys.path}
    for name, relative in LAYERS:
        directory = os.path.normpath(os.path.join(here, relative))
        if not os.path.isdir(directory):
            _missing(name, directory)
        # With the known paths given, site does not compute them anew each time.
        site.addsitedir(directory, known)


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
