"""Runs a module as the application, as ``python -m`` does; written by hatch-venvstacks.

To import `runpy` takes as long as all else that layers add to a start. So it is only asked
for what is out of the ordinary, and for what to say of a module that cannot be run.
"""

import builtins
import sys


def run(module):
    """Run *module* as ``__main__``; of a package, the module in it that has that name."""
    found = _find(module)
    if found is None:
        import runpy

        runpy._run_module_as_main(module)
        return
    spec, code = found
    names = sys.modules["__main__"].__dict__
    names.clear()  # of the program that called this
    names.update(
        __name__="__main__",
        __file__=spec.origin,
        __cached__=spec.cached,
        __doc__=None,
        __loader__=spec.loader,
        __package__=spec.parent,
        __spec__=spec,
        __builtins__=builtins,
    )
    sys.argv[0] = spec.origin
    exec(code, names)


def _find(module):
    """Return a module's spec and code; None where `runpy` has to look."""
    path = _path_of(module.rpartition(".")[0])
    spec = _spec(module, path)
    if spec is not None and spec.submodule_search_locations is not None:
        path = _path_of(module)
        module += ".__main__"
        spec = _spec(module, path)
    if spec is None or spec.submodule_search_locations is not None:
        return None
    code = spec.loader.get_code(module) if hasattr(spec.loader, "get_code") else None
    return None if code is None else (spec, code)


def _path_of(package):
    """Import a package, and return where its modules are; None if there is no package."""
    if not package:
        return None
    __import__(package)
    return sys.modules[package].__path__


def _spec(module, path):
    """Ask every finder, as an import does; None of what was imported before."""
    if module in sys.modules:
        return None
    for finder in sys.meta_path:
        if not hasattr(finder, "find_spec"):  # an old one, for which Python before 3.12 has a way
            return None
        spec = finder.find_spec(module, path)
        if spec is not None:
            return spec
    return None
