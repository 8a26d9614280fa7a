"""A workflow of a CI service, done here step by step.

``run`` steps are run as they are written, by the shell that the service uses. Of the
actions, those that `docs/how-to/release.md` uses are done by what they are for:
files come and go between jobs and runs. What they fetch or install is left out.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

SHELL = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")


@dataclass
class Service:
    """What outlives a job.

    Attributes:
        repository: The git repository that is checked out.
        place: Its directory; has caches and what jobs leave for each other.
        environment: The variables of every step.
        printed: What the steps printed, by job.
        summaries: What they wrote for the page of the run, by job.
    """

    repository: Path
    place: Path
    environment: Mapping[str, str]
    printed: dict[str, str] = field(default_factory=dict)
    summaries: dict[str, str] = field(default_factory=dict)

    def run(self, workflow: Mapping[str, Any], ref: str) -> None:
        """Do the jobs of a workflow for *ref*, in the order in which they are written.

        Each begins with an empty directory, and is done for the first of a matrix.
        """
        shutil.rmtree(self.place / "between jobs", ignore_errors=True)
        for name, job in workflow["jobs"].items():
            condition = job.get("if")
            assert condition in {None, "startsWith(github.ref, 'refs/tags/')"}
            if condition is None or ref.startswith("refs/tags/"):
                _Job(self, name, job, ref).run()


class _Job:
    def __init__(self, service: Service, name: str, table: Mapping[str, Any], ref: str) -> None:
        self._service, self._name, self._table = service, name, table
        self._workspace = service.place / "workspace"
        self._ref = ref
        matrix = table.get("strategy", {}).get("matrix", {"include": [{}]})
        self._values = {f"matrix.{key}": value for key, value in matrix["include"][0].items()}
        self._values |= {
            "github.workspace": str(self._workspace),
            "github.repository": "me/demo",
            "github.token": "secret",
        }
        self._afterwards: list[Callable[[], None]] = []

    def run(self) -> None:
        shutil.rmtree(self._workspace, ignore_errors=True)
        self._workspace.mkdir(parents=True)
        summary = self._service.place / "summary.md"
        summary.write_text("", "utf-8")
        self._service.printed[self._name] = ""
        for step in self._table["steps"]:
            condition = step.get("if")
            assert condition in {None, "startsWith(github.ref, 'refs/tags/')"}
            if condition is None or self._ref.startswith("refs/tags/"):
                self._step(step)
        for save in self._afterwards:
            save()
        self._service.summaries[self._name] = summary.read_text("utf-8")

    def _step(self, step: Mapping[str, Any]) -> None:
        if "run" in step:
            self._run(step)
            return
        action = step["uses"].partition("@")[0].removeprefix("actions/").replace("-", "_")
        given = step.get("with", {}).items()
        inputs = {key.replace("-", "_"): self._text(str(value)) for key, value in given}
        getattr(self, f"_{action}")(**inputs)

    def _run(self, step: Mapping[str, Any]) -> None:
        variables = {**self._table.get("env", {}), **step.get("env", {})}
        done = subprocess.run(
            [*SHELL, self._text(step["run"])],
            cwd=self._workspace / step.get("working-directory", ""),
            env={
                **os.environ,
                **self._service.environment,
                "CI": "true",
                "GITHUB_REF_NAME": self._ref.rpartition("/")[2],
                "GITHUB_STEP_SUMMARY": str(self._service.place / "summary.md"),
                **{name: self._text(value) for name, value in variables.items()},
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
        )
        self._service.printed[self._name] += done.stdout
        assert done.returncode == 0, f"{step['run']}\n{done.stdout}"

    def _text(self, text: str) -> str:
        """Fill in expressions; a digest of files is always the same here."""
        text = re.sub(r"\$\{\{ hashFiles\([^)]*\) \}\}", "digest", text)
        text = text.replace("${{ github.sha }}", self._ref.replace("/", "-"))
        return re.sub(r"\$\{\{ ([a-z.]+) \}\}", lambda match: self._values[match[1]], text)

    def _checkout(self, persist_credentials: str) -> None:
        assert persist_credentials == "False"
        command = ["git", "clone", "--quiet", str(self._service.repository), str(self._workspace)]
        subprocess.run(command, check=True)

    def _setup_python(self, python_version: str) -> None:
        assert python_version

    def _cache(self, *, path: str, key: str, restore_keys: str) -> None:
        caches = self._service.place / "caches"
        caches.mkdir(exist_ok=True)
        found = [caches / key] if (caches / key).exists() else []
        for prefix in restore_keys.split():
            saved = sorted(caches.iterdir(), key=lambda place: place.stat().st_mtime_ns)
            found += [place for place in reversed(saved) if place.name.startswith(prefix)]
        for name in path.split() if found else ():
            if (found[0] / name).exists():
                shutil.copytree(found[0] / name, self._workspace / name, symlinks=True)

        def save() -> None:
            for name in path.split() if not (caches / key).exists() else ():
                shutil.copytree(self._workspace / name, caches / key / name, symlinks=True)

        self._afterwards.append(save)

    def _upload_artifact(self, *, name: str, path: str, if_no_files_found: str = "warn") -> None:
        assert if_no_files_found == "error"
        target = self._service.place / "between jobs" / name
        # Hidden files are left out, says the action.
        shutil.copytree(self._workspace / path, target, ignore=shutil.ignore_patterns(".*"))
        assert any(target.rglob("*"))

    def _download_artifact(
        self, *, path: str, name: str = "", pattern: str = "", merge_multiple: str = ""
    ) -> None:
        left = sorted((self._service.place / "between jobs").iterdir())
        found = [place for place in left if place.name == name or fnmatchcase(place.name, pattern)]
        assert found
        assert bool(merge_multiple) == bool(pattern)
        for place in found:
            shutil.copytree(place, self._workspace / path, dirs_exist_ok=True)
