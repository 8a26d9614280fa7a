"""Finishes the installation of this layer in the place where it was unpacked.

Run it with any Python 3.8 or newer, as often and in whatever order you like.
On Linux and macOS the layer works without it; it compiles bytecode there, so
that the first start is as fast as the later ones. On Windows it also writes the
pyvenv.cfg that the layer needs, and has to be run again after a move.
"""

import json
import os
import subprocess
import sys

CONFIG = os.path.join("share", "venv", "metadata", "venvstacks_layer.json")


def main():
    """Check that the layers below are there, then write what depends on the place."""
    layer = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(layer, CONFIG), encoding="utf-8") as file:
        config = json.load(file)
    missing = missing_layers(layer, config)
    if missing:
        for path in missing:
            sys.stderr.write(
                "{}: a layer below it is missing: there is no {}\n".format(layer, path)
            )
        sys.stderr.write("hint: unpack all layers of an application side by side\n")
        return 1
    if not os.access(layer, os.W_OK):
        sys.stderr.write("{}: read-only, so nothing is written; it works as it is\n".format(layer))
        return 0
    is_runtime = config["python"] == config["base_python"]
    if os.name == "nt" and not is_runtime:
        write_windows_config(layer, config)
    return compile_bytecode(layer, config)


def inside(layer, relative):
    """Return a path of the configuration, which must not leave the layers' directory."""
    path = os.path.normpath(os.path.join(layer, relative))
    if os.path.commonpath([path, os.path.dirname(layer)]) != os.path.dirname(layer):
        raise SystemExit("{}: path leaves the layers' directory: {}".format(layer, relative))
    return path


def missing_layers(layer, config):
    """Return the paths in the layers below that are not there."""
    needed = [config["base_python"]] + config["pylib_dirs"]
    return [path for path in (inside(layer, entry) for entry in needed) if not os.path.exists(path)]


def write_windows_config(layer, config):
    """Write pyvenv.cfg with the absolute path of the runtime, which Windows cannot do without."""
    lines = [
        "home = " + os.path.dirname(inside(layer, config["base_python"])),
        "include-system-site-packages = false",
        "version = " + config["py_version"],
        "executable = " + inside(layer, config["base_python"]),
    ]
    path = os.path.join(layer, "pyvenv.cfg")
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    os.replace(path + ".new", path)


def compile_bytecode(layer, config):
    """Compile with the layer's own Python; sources that do not compile are left as they are."""
    python = inside(layer, config["python"])
    # Forced (-f), because every file of a layer has the same time: bytecode of an
    # earlier release can look valid for a source of the same size.
    library = os.path.join(layer, "Lib" if os.name == "nt" else "lib")
    command = [python, "-I", "-m", "compileall", "-f", "-q", "-q", "-j", "0", library]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    status = subprocess.call(command, env=environment, stdin=subprocess.DEVNULL)
    if status not in (0, 1):  # 1: some package has a template that is no valid source
        sys.stderr.write("{}: bytecode could not be compiled (status {})\n".format(layer, status))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
