"""Packages of Debian (or a distribution made from it), unpacked where they are wanted.

For programs and libraries that a session needs and PyPI does not have. Nothing is
installed: apt works in directories of its own, so that no rights are needed and packages
of another architecture can be had. Where to get them is what this machine's apt knows.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_CONFIGURATION = """\
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
APT::Sandbox::User "";
Acquire::Languages "none";
Debug::NoLocking "true";
Dir::State "{work}/state";
Dir::State::status "{work}/status";
Dir::Cache "{work}/cache";
"""


def main() -> int:
    """Unpack the packages that are named; return 1 where that cannot be done."""
    parser = argparse.ArgumentParser(description="Unpack Debian's packages, without installing.")
    parser.add_argument("directory", type=Path, help="gets `root`, and what apt works in")
    parser.add_argument("packages", nargs="+")
    options = parser.parse_args()
    try:
        unpack(options.packages, own_architecture(), options.directory)
    except subprocess.CalledProcessError as error:
        print(f"exit {error.returncode}: {' '.join(map(str, error.cmd))}")
        return 1
    return 0


def own_architecture() -> str:
    """Return Debian's name of this machine's architecture."""
    command = ["dpkg", "--print-architecture"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def unpack(packages: Sequence[str], architecture: str, directory: Path) -> Path:
    """Fetch *packages* with all that they depend on, and unpack them, unless that was done.

    Args:
        packages: Their names.
        architecture: Debian's name of it: ``amd64``, ``arm64``.
        directory: What apt works in.

    Returns:
        The root of the unpacked file system.

    Raises:
        subprocess.CalledProcessError: apt does not get them.
    """
    root, done = directory / "root", directory / "done"
    wanted = " ".join([architecture, *packages])
    if done.is_file() and done.read_text("utf-8") == wanted:
        return root
    _fetch(packages, architecture, directory)
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for package in sorted(directory.glob("cache/archives/*.deb")):
        subprocess.run(["dpkg-deb", "--extract", str(package), str(root)], check=True)
    done.write_text(wanted, "utf-8")
    return root


def _fetch(packages: Sequence[str], architecture: str, directory: Path) -> None:
    for name in ("state/lists/partial", "cache/archives/partial"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    (directory / "status").touch()  # nothing is installed, so nothing is left out
    configuration = directory / "apt.conf"
    configuration.write_text(_CONFIGURATION.format(architecture=architecture, work=directory))
    apt = ["apt-get", "--quiet", "--quiet"]
    environment = {**os.environ, "APT_CONFIG": str(configuration), "LC_ALL": "C"}
    subprocess.run([*apt, "update"], env=environment, check=True)
    install = [*apt, "install", "--yes", "--download-only", "--no-install-recommends"]
    subprocess.run([*install, *packages], env=environment, check=True)


if __name__ == "__main__":
    sys.exit(main())
