"""Deploying what was published, and running it somewhere else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from venvlayers.deploy.unpack import unpack


def manifest(output_dir: Path) -> dict[str, Any]:
    """Return the one manifest in *output_dir*."""
    (file,) = (output_dir / "__venvstacks__").glob("venvstacks*.json")
    document: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return document


def layers(output_dir: Path) -> dict[str, dict[str, Any]]:
    """Return the metadata of every published layer, by name."""
    listed = manifest(output_dir)["layers"]
    return {layer["layer_name"]: layer for kind in listed.values() for layer in kind}


@dataclass(frozen=True)
class Deployment:
    """Layers unpacked side by side in a directory."""

    root: Path

    @classmethod
    def unpacked(cls, output_dir: Path, root: Path) -> Deployment:
        """Unpack every archive of *output_dir* into *root*."""
        for layer in layers(output_dir).values():
            digest = layer["archive_hashes"]["sha256"]
            unpack(output_dir / layer["archive_name"], root, expected_sha256=digest)
        return cls(root)

    def python(
        self, layer: str, *args: str, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the Python of a layer, in an environment with next to nothing in it."""
        return subprocess.run(
            [self.root / layer / "bin" / "python", *args],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", **(env or {})},
            cwd="/",
        )

    def postinstall(self, layers: Sequence[str], python: str = sys.executable) -> None:
        """Run the post-install step of layers, in this order."""
        for layer in layers:
            subprocess.run([python, self.root / layer / "postinstall.py"], check=True)
