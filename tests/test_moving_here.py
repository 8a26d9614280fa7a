"""Locks that venvstacks made: they are understood as far as anybody wants them to be."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import tomli_w

from support.index import Index
from support.interpreters import VERSION
from support.projects import RUNNING_PYTHON, Project
from support.stacks import Messages, lock_files, run
from venvlayers.build.chain import LAYER_CONFIG
from venvlayers.layout import Layout
from venvlayers.lock.state import lock_states
from venvlayers.plan import Goal
from venvlayers.spec.parse import load

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="local runtimes are for Linux")


def write_their_lock(root: Path, env_name: str, pins: dict[str, str], *below: str) -> None:
    """Write a lock as venvstacks 0.8 does; what is *below* it lists with a marker of its own."""
    directory = root / "requirements" / env_name
    directory.mkdir(parents=True)
    own: list[dict[str, object]] = [
        {"name": name, "version": pin, "wheels": [wheel(name, pin)]} for name, pin in pins.items()
    ]
    marker = "sys_platform == 'from_lower_layer'"
    shared: list[dict[str, object]] = [
        {"name": name, "version": "1.0", "marker": marker} for name in below
    ]
    document = {
        "lock-version": "1.0",
        "created-by": "uv",
        "requires-python": f"=={VERSION.series}.*",
        "packages": sorted([*own, *shared], key=lambda package: str(package["name"])),
    }
    text = f"# locked layer: {env_name}\n{tomli_w.dumps(document)}"
    (directory / f"pylock.{env_name}.toml").write_text(text, "utf-8")
    digest = f"sha256:{0:064x}"
    hashes = ("requirements_hash", "lock_input_hash", "other_inputs_hash", "version_inputs_hash")
    times = {"lock_version": 1, "locked_at": "2025-11-20T12:00:00.123456+00:00"}
    record = {**dict.fromkeys(hashes, digest), **times}
    text = json.dumps(record, indent=2, sort_keys=True) + "\n"
    (directory / f"pylock.{env_name}.meta.json").write_text(text, "utf-8")


def wheel(name: str, version: str) -> dict[str, object]:
    file = f"{name}-{version}-py3-none-any.whl"
    return {"url": f"https://example.org/{file}", "hashes": {"sha256": f"{0:064x}"}}


@pytest.fixture
def project(tmp_path: Path, index: Index) -> Project:
    for name in ("ground", "storey"):
        index.add(name, "1.0", requires=["ground"] if name == "storey" else ())
        index.add(name, "2.0", requires=["ground"] if name == "storey" else ())
    root = tmp_path / "project"
    root.mkdir()
    stack = {
        "runtimes": [
            {"name": "base", "python_implementation": RUNNING_PYTHON, "requirements": ["ground"]}
        ],
        "frameworks": [{"name": "middle", "runtime": "base", "requirements": ["storey"]}],
        "tool": {"uv": index.uv_table()},
    }
    (root / "venvstacks.toml").write_text(tomli_w.dumps(stack), "utf-8")
    write_their_lock(root, "base", {"ground": "1.0"})
    write_their_lock(root, "framework-middle", {"storey": "1.0"}, "ground")
    return Project(root)


def outdated(project: Project) -> dict[str, str | None]:
    states = lock_states(load(project.root), Layout.beside(project.root))
    return {name: state.outdated for name, state in states.items()}


def test_their_locks_are_made_anew_with_their_versions(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """#183, H22: nobody has to delete anything, and nothing is upgraded by the way."""
    said = outdated(project)
    assert said == dict.fromkeys(("base", "framework-middle"), "its lock was made by venvstacks")
    messages = Messages()
    run(project, Goal.LOCK, messages)
    assert messages.steps("locking") == ["base", "framework-middle"]
    texts = lock_files(project.root)
    assert 'version = "1.0"' in texts["requirements/base/pylock.base.toml"]
    upper = texts["requirements/framework-middle/pylock.framework-middle.toml"]
    assert 'version = "1.0"' in upper
    assert "from_lower_layer" not in upper
    assert outdated(project) == {"base": None, "framework-middle": None}


def write_their_outputs(project: Project) -> tuple[Path, Path]:
    """Leave what venvstacks would have: environments, an archive, a manifest, an export."""
    artifacts = project.root / "_artifacts"
    archive = artifacts / "base.tar.xz"
    entry = {
        "archive_build": 1,
        "archive_hashes": {"sha256": f"{0:064x}"},
        "archive_name": archive.name,
        "archive_size": 3,
        "bound_to_implementation": True,
        "install_target": "base",
        "layer_name": "base",
        "lock_version": 1,
        "locked_at": "2025-11-20T12:00:00.123456+00:00",
        "requirements_hash": f"sha256:{0:064x}",
        "target_platform": "linux_x86_64",
    }
    manifest = {"layers": {"runtimes": [entry], "frameworks": [], "applications": []}}
    (artifacts / "__venvstacks__" / "env_metadata").mkdir(parents=True)
    (artifacts / "__venvstacks__" / "venvstacks.json").write_text(json.dumps(manifest), "utf-8")
    (artifacts / "__venvstacks__" / "env_metadata" / "base.json").write_text(json.dumps(entry))
    archive.write_bytes(b"xz!")
    build = project.root / "_build"
    (build / "base" / "bin").mkdir(parents=True)
    (build / "base.last-build.json").write_text("{}")
    exported = project.root / "_export" / "base"
    (exported / LAYER_CONFIG).parent.mkdir(parents=True)
    (exported / LAYER_CONFIG).write_text("{}")
    (exported / "theirs.txt").touch()
    return archive, exported


def test_their_outputs_are_superseded(project: Project) -> None:
    """K13: in the same directories, without anything to be cleaned up before."""
    archive, exported = write_their_outputs(project)
    run(project, output_dir=project.root / "_artifacts")
    assert not archive.exists(), "it was listed, and is not any more"
    here = sorted(path.name for path in (project.root / "_artifacts").glob("*.tar.*"))
    assert here == ["base.tar.zst", "framework-middle.tar.zst"]
    run(project, Goal.EXPORT, output_dir=project.root / "_export")
    assert not (exported / "theirs.txt").exists()
    assert (exported / "bin" / "python").exists()
