"""Releasing layers beside distributions: what `docs/how-to/release.md` says is done here."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tomli_w
import yaml

from support.hatch import Hatch
from support.projects import Project
from support.stock import Stock
from support.uploads import Uploads
from support.workflows import Service
from venvlayers.platforms import host_platform

pytestmark = [
    pytest.mark.hatch,
    pytest.mark.skipif(sys.platform != "linux", reason="local runtimes are for Linux"),
]

PAGE = Path(__file__).parent.parent / "docs" / "how-to" / "release.md"
HERE = host_platform().name if sys.platform == "linux" else ""
DISTRIBUTIONS = {"demo-1.0-py2.py3-none-any.whl", "demo-1.0.tar.gz"}
LAYERS = ("base", "framework-middle", "app-top")
GH = """\
#!/bin/sh
# Answers as the service's program does for a repository with one release.
case "$1 $2" in
    "release download") shift 2
        while [ "$#" -gt 0 ]; do
            case "$1" in --dir) place=$2 ;; --pattern) name=$2 ;; esac
            shift
        done
        ls "$RELEASED"/$name >/dev/null 2>&1 || { echo "release not found" >&2; exit 1; }
        mkdir -p "$place" && cp "$RELEASED"/$name "$place" ;;
    "release create") shift 3
        mkdir -p "$RELEASED"
        for file in "$@"; do case "$file" in --*) ;; *)
            test ! -e "$RELEASED/$(basename "$file").new" || exit 1
            cp "$file" "$RELEASED/$(basename "$file")" ;;
        esac; done ;;
    *) exit 1 ;;
esac
"""


@pytest.fixture
def shared(hatch: Hatch, stock: Stock) -> Hatch:
    """A hatch whose builds find what `published_project` was made from."""
    return replace(hatch, environment={**hatch.environment, **stock.caches})


@pytest.fixture
def project(published_project: Project) -> Project:
    """Give a project that releases a wheel, with layers where the page puts them."""
    document = published_project.read_pyproject()
    document["project"]["readme"] = "README.md"
    targets = toml_block("hatch.build")["tool"]["hatch"]["build"]["targets"]
    document["tool"]["hatch"] = {
        "build": {"targets": {"wheel": {"only-include": ["top.py"]}, **targets}}
    }
    published_project.write("pyproject.toml", tomli_w.dumps(document))
    published_project.write("README.md", "# A demonstration\n")
    published_project.write(".gitignore", "/_build/\n/_artifacts/\n/dist/\n/.cache/\n")
    for file in sorted(published_project.dist.rglob("*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()
    return published_project


def blocks(language: str) -> list[str]:
    """Return the page's examples in a language."""
    text = PAGE.read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def toml_block(naming: str) -> dict[str, Any]:
    return tomllib.loads(next(block for block in blocks("toml") if naming in block))


def twine(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run twine in a shell, which fills in patterns."""
    return subprocess.run(
        [*("bash", "-c", f"'{sys.executable}' -m twine {' '.join(arguments)}")],
        cwd=cwd,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )


def test_the_package_index_gets_what_it_takes(
    shared: Hatch, project: Project, uploads: Uploads
) -> None:
    publish = ("publish", "--no-prompt", "-u", "me", "-a", "secret", "-r", uploads.url)
    upload = f"upload --non-interactive -u me -p secret --repository-url {uploads.url}"
    root = project.root
    shared("build", "-t", "wheel", "-t", "sdist", "-t", "venvstacks", cwd=root)
    assert {path.name for path in project.dist.iterdir()} == DISTRIBUTIONS
    assert (root / "_artifacts" / f"app-top-{HERE}.tar.zst").is_file()

    checked = twine("check", "--strict", "dist/*", cwd=root)
    assert checked.returncode == 0, checked.stdout
    assert checked.stdout.count("PASSED") == 2

    shared(*publish, cwd=root)
    expected = {name: (project.dist / name).read_bytes() for name in DISTRIBUTIONS}
    assert uploads.files == expected
    uploads.files.clear()
    uploaded = twine(upload, "dist/*", cwd=root)
    assert uploaded.returncode == 0, uploaded.stdout
    assert uploads.files == expected

    # With layers in `dist/`, twine stops, and Hatch passes by.
    shared("build", "-t", "venvstacks", "dist", cwd=root)
    for command in ("check dist/*", f"{upload} dist/*"):
        stopped = twine(command, cwd=root)
        assert stopped.returncode != 0
        assert "Unknown distribution format" in stopped.stdout
    named = twine(f"{upload} dist/*.whl dist/demo-*.tar.gz", cwd=root)
    assert named.returncode == 0, named.stdout
    uploads.files.clear()
    shared(*publish, cwd=root)
    assert uploads.files == expected

    project.set_stack({**project.stack(), "archive-format": "tar.gz"})
    shared("build", "-c", "-t", "venvstacks", "dist", cwd=root)
    stumbled = shared(*publish, cwd=root, check=False)
    assert stumbled.returncode != 0


@pytest.fixture
def service(project: Project, shared: Hatch, tmp_path: Path) -> Service:
    """Give a CI service for the project, which is committed as the page says."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "gh").write_text(GH)
    (programs / "gh").chmod(0o755)
    path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {
        **shared.environment,
        "PATH": path,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "RELEASED": str(tmp_path / "released"),
        "GIT_CONFIG_GLOBAL": os.devnull,
    }
    service = Service(project.root, tmp_path / "service", environment)
    commit(project)
    return service


def test_the_other_service_is_given_the_same_commands() -> None:
    """Only that is compared: which keys there are was looked up in the service's schema."""
    ours, theirs = map(yaml.safe_load, blocks("yaml"))
    run = [step["run"] for step in ours["jobs"]["layers"]["steps"] if "run" in step]
    assert theirs["layers"]["script"] == [line for line in run if not line.startswith("gh ")]


def commit(project: Project) -> None:
    git = ("git", "-c", "user.name=me", "-c", "user.email=me@localhost")
    for arguments in (("init", "-q"), ("add", "."), ("commit", "-qm", "A release")):
        subprocess.run([*git, *arguments], cwd=project.root, check=True)


def changes(summary: str) -> dict[str, str]:
    """Return the last column of the table by the layer."""
    rows = [line.strip("| ").split(" | ") for line in summary.splitlines() if line[:3] == "| `"]
    return {row[0].strip("`"): row[-1] for row in rows}


def test_the_release_job_does_what_the_page_says(
    service: Service, project: Project, tmp_path: Path
) -> None:
    """Twice: a first release, with empty caches, and one after a change."""
    workflow = yaml.safe_load(blocks("yaml")[0])
    released = tmp_path / "released"
    archives = {f"{name}-{HERE}.tar.zst" for name in LAYERS}
    described = {f"{name}-{HERE}.json" for name in ("venvstacks", *LAYERS)}
    files = {*DISTRIBUTIONS, *archives, *described, f"SHA256SUMS-{HERE}"}

    service.run(workflow, "refs/heads/main")
    assert not released.exists(), "only tags are released"
    service.run(workflow, "refs/tags/v1.0")
    assert {path.name for path in released.iterdir()} == files
    assert changes(service.summaries["layers"]) == dict.fromkeys(LAYERS, "new")
    assert "building" not in service.printed["layers"], "it was built on main, and cached"
    assert service.printed["release"].count(": OK\n") == 3

    project.write("top.py", "print('another')\n" * 50)
    commit(project)
    service.run(workflow, "refs/tags/v1.1")
    told = changes(service.summaries["layers"])
    assert told.pop("app-top").startswith("changed (")
    assert told == dict.fromkeys(LAYERS[:2], "unchanged")
    assert re.findall(r"^building (\S+)$", service.printed["layers"], re.MULTILINE) == ["app-top"]
    manifest = json.loads((released / f"venvstacks-{HERE}.json").read_text("utf-8"))
    assert len(manifest["layers"]["applications"]) == 1
