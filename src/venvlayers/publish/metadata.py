"""What is said about one layer: the fields of the published JSON.

The fields of venvstacks keep their names and meanings; `project`, `content_hash`,
`unpacked_size`, `archive_frames`, `archive_codec`, `python_source`, `app_launcher` and
`app_launch_function` are ours.
Published files describe archives and nothing else: no build keys, no paths.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC
from typing import Any

from venvlayers.build.model import LayerEnvironment
from venvlayers.publish.state import Record
from venvlayers.spec.kinds import LayerKind

Metadata = dict[str, Any]
"""A JSON object."""


def layer_metadata(environment: LayerEnvironment) -> Metadata:
    """Return what is said of a layer however it is published; all of it, for an export."""
    is_runtime = environment.kind is LayerKind.RUNTIME
    fields: Metadata = {
        "layer_name": environment.env_name,
        "install_target": environment.deployed_name,
        "requirements_hash": environment.requirements_hash,
        "lock_version": environment.lock_version,
        "locked_at": environment.locked_at.astimezone(UTC).isoformat(),
        "runtime_layer": environment.runtime_layer,
        "python_implementation": str(environment.python),
        # On Windows pyvenv.cfg names the runtime's exact Python.
        "bound_to_implementation": is_runtime or environment.platform.is_windows,
    }
    if is_runtime:
        python = environment.python
        fields["python_source"] = {"source": python.source, "build": python.build}
    else:
        fields["required_layers"] = list(environment.required_layers)
    if wheel := environment.wheel:
        project = {"name": wheel.name, "version": wheel.version, "hash": wheel.content_hash}
        fields["project"] = project
    return fields | _application(environment)


def _application(environment: LayerEnvironment) -> Metadata:
    launch, modules = environment.launch, environment.modules
    if launch is None:
        return {}
    kind = "app_launch_function" if launch.attribute else "app_launch_module"
    fields: Metadata = {kind: str(launch), "app_launcher": environment.launcher}
    if modules and modules.launch:
        fields["app_launch_module_hash"] = modules.launch
    if modules and (support := modules.support):
        listed = [{"name": name, "hash": support[name]} for name in sorted(support)]
        fields["app_support_modules"] = listed
    return fields


def archive_metadata(environment: LayerEnvironment, record: Record) -> Metadata:
    """Return what is said of a layer that was packed as *record* tells."""
    archive = record.archive
    # A zip is not a tar in pieces: none of it stands for a slice of the tar.
    frames = {"archive_frames": [asdict(frame) for frame in archive.frames]}
    return layer_metadata(environment) | {
        "target_platform": environment.platform.name,
        "content_hash": f"sha256:{record.content_sha256}",
        "unpacked_size": record.unpacked_size,
        "archive_name": archive.path.name,
        "archive_size": archive.size,
        "archive_hashes": {"sha256": archive.sha256},
        "archive_codec": dict(archive.codec),
        **(frames if archive.frames else {}),
    }
