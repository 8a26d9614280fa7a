"""The check as a part of a run: what is refused, what is told, what is kept, what is not done."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from support.command import venvstacks
from support.program_files import AARCH64, I386, elf
from support.projects import Project
from support.stacks import Messages, run
from support.stock import Stock
from venvlayers.check import check
from venvlayers.check.check import Looked
from venvlayers.check.headers import Headers
from venvlayers.check.model import CheckedLayer
from venvlayers.errors import BuildError
from venvlayers.layout import Layout
from venvlayers.plan import Goal
from venvlayers.platforms import host_platform
from venvlayers.report import Kind
from venvlayers.selection import Choice
from venvlayers.workflow import LockPolicy

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="local runtimes are for Linux")

MIDDLE = "framework-middle"
EVERYWHERE = (
    "manylinux_2_17_x86_64.manylinux_2_17_aarch64.macosx_10_13_x86_64.macosx_11_0_arm64"
    ".win_amd64.win_arm64"
)


def require(project: Project, kind: str, **keys: Any) -> None:
    stack = project.stack()
    stack[kind][0].update(keys)
    project.set_stack(stack)


def add(stock: Stock, name: str, modules: dict[str, bytes]) -> None:
    stock.index.add(name, modules=modules, tag=f"py3-none-{EVERYWHERE}")


def told(messages: Messages, layer: str) -> list[str]:
    """Return the warnings about a layer."""
    return [text for text in messages.of(Kind.WARNING) if text.startswith(f"{layer}: ")]


def snapshot(place: Path) -> dict[str, bytes]:
    return {
        path.relative_to(place).as_posix(): path.read_bytes()
        for path in sorted(place.rglob("*"))
        if path.is_file()
    }


def test_a_layer_that_cannot_work_is_refused(published_project: Project, stock: Stock) -> None:
    """And stays refused, until it is said that this is meant."""
    project, layout = published_project, Layout.beside(published_project.root)
    place = layout.environment(MIDDLE, host_platform())
    before = snapshot(place)
    modules = {"refused/_m.abi3.so": elf(machine=I386), "refused/_n.abi3.so": b"no program"}
    add(stock, "refused", modules)
    require(project, "frameworks", requirements=["storey", "refused"])
    failed = venvstacks("build", "--lock-if-needed", "--include", MIDDLE, cwd=project.root)
    assert failed.returncode == BuildError.exit_code
    assert f"{MIDDLE} cannot work on {host_platform()}:" in failed.stderr
    for file, what in (("_m", "is for i386"), ("_n", "is neither a library nor an extension")):
        assert f"/site-packages/refused/{file}.abi3.so {what}" in failed.stderr
    assert '"foreign-module" into the layer\'s `accepted_findings`' in failed.stderr
    assert snapshot(place) == before, "what was there is as it was"
    with pytest.raises(BuildError, match="cannot work"):
        run(project, Goal.PUBLISH, tag_outputs=True)

    require(project, "frameworks", accepted_findings=["foreign-module:refused"])
    messages = Messages()
    outcome = run(project, Goal.BUILD, messages)
    assert messages.steps("building") == [MIDDLE]
    assert told(messages, MIDDLE) == []
    assert any("is for i386" in text for text in messages.of(Kind.DETAIL))
    reports = {report["layer"]: report for report in outcome.checks}
    assert list(reports) == ["base", MIDDLE, "app-top"]
    findings = reports[MIDDLE]["findings"]
    assert [(one["severity"], one["is_accepted"]) for one in findings] == [("note", True)] * 2
    assert run(project, Goal.BUILD).checks == outcome.checks, "also when nothing is to be done"
    assert run(project, Goal.LOCK).checks == ()

    require(project, "frameworks", accepted_findings=["missing-library"])
    with pytest.raises(BuildError, match="cannot work"):  # it is not meant any more
        run(project, Goal.BUILD)


def test_layers_are_looked_at_again_when_one_below_is_another(
    published_project: Project, stock: Stock
) -> None:
    project = published_project
    add(stock, "needy", {"needy/_m.abi3.so": elf("libneeded.so.1")})
    add(stock, "needed", {"needed/libneeded.so.1": elf(soname="libneeded.so.1")})
    require(project, "applications", requirements=["roof", "needy"])
    messages = Messages()
    run(project, Goal.BUILD, messages)
    (warning,) = told(messages, "app-top")
    assert warning.endswith("[missing-library]")
    assert any(text.startswith("checked app-top: ") for text in messages.of(Kind.DETAIL))
    assert not any(text.startswith("checked base: ") for text in messages.of(Kind.DETAIL))

    require(project, "frameworks", requirements=["storey", "needed"])
    messages = Messages()
    run(project, Goal.BUILD, messages)
    assert messages.steps("building") == [MIDDLE]
    (warning,) = told(messages, "app-top")
    assert warning.endswith("[library-below]")

    # A run that was ended before it was told: the next one that has something to do tells.
    Layout.beside(project.root).check_report("app-top", host_platform()).unlink()
    messages = Messages()
    run(project, Goal.PUBLISH, messages, tag_outputs=True)
    assert messages.steps("building") == []
    assert told(messages, "app-top") == [warning]
    assert told(messages, MIDDLE) == []


def test_what_is_made_of_the_same_again_is_not_looked_at_again(
    published_project: Project, stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its findings are told as if it were; and what is new is looked at, with what is below it."""
    project, layout = published_project, Layout.beside(published_project.root)
    add(stock, "needy", {"needy/_m.abi3.so": elf("libneeded.so.1")})
    require(project, "applications", requirements=["roof", "needy"])
    shutil.rmtree(layout.build_dir)  # which was not made here
    first = run(project, Goal.BUILD)
    looked: list[str] = []
    look = check.look

    def counted(layer: CheckedLayer, headers: Headers) -> Looked:
        looked.append(layer.name)
        return look(layer, headers)

    monkeypatch.setattr(check, "look", counted)
    shutil.rmtree(layout.build_dir)
    messages = Messages()
    again = run(project, Goal.BUILD, messages)
    assert looked == []
    assert messages.steps("building") == ["base", MIDDLE, "app-top"]
    assert again.checks == first.checks
    (warning,) = told(messages, "app-top")
    assert warning.endswith("[missing-library]")
    details = [text for text in messages.of(Kind.DETAIL) if text.startswith("checked ")]
    assert len(details) == 3
    assert all(" s, as when it was looked at before" in text for text in details)

    require(project, "frameworks", accepted_findings=["hidden-module"])
    run(project, Goal.BUILD)
    assert looked == [MIDDLE, "base", "app-top"], "the new one, and once each what goes with it"

    looked.clear()
    monkeypatch.setenv("VENVSTACKS_CACHE_SIZE", "0")
    shutil.rmtree(layout.build_dir)
    run(project, Goal.BUILD)
    assert sorted(looked) == ["app-top", "base", MIDDLE], "who depends on no cache looks again"


def test_without_the_layers_below_what_depends_on_them_is_not_known(
    published_project: Project,
) -> None:
    """Layers that are neither built nor published in a run are not looked at for it."""
    project, layout = published_project, Layout.beside(published_project.root)
    place = layout.check_report("app-top", host_platform())
    keys = json.loads(place.read_text("utf-8"))["environments"]
    assert set(keys) == {"app-top", MIDDLE, "base"}
    place.unlink()
    messages = Messages()
    choice = Choice(include=("app-top",))
    run(
        *(project, Goal.PUBLISH, messages),
        choice=choice,
        lock=LockPolicy.NEVER,
        build=False,
        force=True,
        tag_outputs=True,
    )
    assert told(messages, "app-top") == []
    document = json.loads(place.read_text("utf-8"))
    assert document["environments"] == {"app-top": keys["app-top"]}
    assert f"how it goes with {MIDDLE} and base" in document["unknown"][-1]


def test_findings_as_json(published_project: Project, stock: Stock) -> None:
    """For a job that decides by itself what it lets pass."""
    project = published_project
    machine = AARCH64 if host_platform().machine == "x86_64" else 62
    stock.index.add("loose", modules={"loose/_m.abi3.so": elf(machine=machine)})  # for any platform
    require(project, "applications", requirements=["roof", "loose"])
    result = venvstacks(
        "build", "--lock-if-needed", "--show", "--json", cwd=project.root, check=True
    )
    assert "[foreign-module]" in result.stderr
    checks = json.loads(result.stdout)["outcome"]["checks"]
    (report,) = [report for report in checks if report["layer"] == "app-top"]
    (finding,) = report["findings"]
    assert finding["severity"] == "warning"
    assert finding["package"] == "loose"
    (file,) = finding["files"]
    assert file.endswith("/site-packages/loose/_m.abi3.so")
    assert finding["remedy"]
    assert report["platform"] == host_platform().name
    assert report["unknown"]
