"""Which index each package of a layer comes from, and the order in which they are asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.index import Index
from support.projects import Project
from support.stacks import lock_all, lock_files, run, spec_and_layout, versions
from venvlayers.errors import LockError
from venvlayers.lock.settings import layer_indexes
from venvlayers.lock.state import lock_states
from venvlayers.plan import Goal

MakeProject = Callable[..., Project]


@pytest.fixture
def private(tmp_path: Path) -> Iterator[Index]:
    """Give a second index."""
    with Index(tmp_path / "private") as served:
        yield served


def uv(main: Index, private: Index, **more: object) -> dict[str, Any]:
    """Return settings with an explicit index beside the default one."""
    return {
        "index": [
            {"name": "private", "url": private.url, "explicit": True},
            {"name": "main", "url": main.url, "default": True},
        ],
        **more,
    }


def layers(upper: dict[str, object], lower: dict[str, object] | None = None) -> dict[str, object]:
    return {
        "runtimes": [{"name": "base", "requirements": [], **(lower or {})}],
        "frameworks": [{"name": "upper", "runtime": "base", **upper}],
    }


def outdated(project: Project) -> dict[str, str | None]:
    spec, layout = spec_and_layout(project)
    return {name: state.outdated for name, state in lock_states(spec, layout).items()}


def test_b10_e4_explicit_indexes_are_asked_when_referenced_only(
    make_project: MakeProject, index: Index, private: Index
) -> None:
    """B10, E4."""
    index.add("lib", "9.0")
    private.add("lib", "1.0")
    stack = layers({"requirements": ["lib"]})
    project = make_project(stack, index=None, uv=uv(index, private))
    assert versions(lock_all(project)["framework-upper"]) == {"lib": "9.0"}
    assert not private.requests
    project.set_stack(layers({"requirements": ["lib"], "package_indexes": {"Lib": "private"}}))
    assert versions(lock_all(project)["framework-upper"]) == {"lib": "1.0"}


def test_b10_what_others_bring_in_comes_from_its_index_too(
    make_project: MakeProject, index: Index, private: Index
) -> None:
    """B10, #270: uv heeds sources for direct requirements alone (astral-sh/uv#16117)."""
    index.add("tool", requires=["lib"])
    index.add("lib", "9.0")
    private.add("lib", "1.0")
    stack = layers({"requirements": ["tool"], "package_indexes": {"lib": "private"}})
    project = make_project(stack, index=None, uv=uv(index, private))
    assert versions(lock_all(project)["framework-upper"]) == {"lib": "1.0", "tool": "1.0"}


def test_b10_a_package_that_only_its_index_has(
    make_project: MakeProject, index: Index, private: Index
) -> None:
    """B10: found although the package that brings it in comes from elsewhere."""
    index.add("tool", requires=["lib ; sys_platform == 'linux'", "plain"])
    index.add("plain")
    private.add("lib", "1.0")
    private.add("plain", "7.0")
    stack = layers({"requirements": ["tool"], "package_indexes": {"lib": "private"}})
    project = make_project(stack, index=None, uv=uv(index, private))
    lock = lock_all(project)["framework-upper"]
    assert versions(lock) == {"lib": "1.0", "plain": "1.0", "tool": "1.0"}
    assert {p.name: str(p.marker) for p in lock.document.packages}["lib"] == (
        'sys_platform == "linux"'
    )


def test_b10_what_an_index_would_need_for_others_is_not_needed(
    make_project: MakeProject, index: Index, private: Index
) -> None:
    """B10: an index is asked for what names it; what else it has brings nothing in."""
    index.add("tool", requires=["plain", "lib"])
    index.add("plain")
    index.add("lib", "9.0")
    private.add("plain", "7.0", requires=["other"])
    private.add("lib", "1.0", requires=["deep"])
    private.add("deep", "1.0")
    private.add("other", "1.0")
    index.add("deep", "9.0")
    sources = {"lib": "private", "deep": "private", "other": "private"}
    stack = layers({"requirements": ["tool"], "package_indexes": sources})
    project = make_project(stack, index=None, uv=uv(index, private))
    assert versions(lock_all(project)["framework-upper"]) == {
        "deep": "1.0",
        "lib": "1.0",
        "plain": "1.0",
        "tool": "1.0",
    }


def test_b10_versions_that_differ_by_platform(
    make_project: MakeProject, index: Index, private: Index
) -> None:
    """B10: each has its own entry in a resolution."""
    elsewhere = "lib>=2 ; sys_platform != 'linux'"
    index.add("tool", requires=["lib<2 ; sys_platform == 'linux'", elsewhere])
    for version in ("1.0", "2.0"):
        index.add("lib", version)
        private.add("lib", f"{version}+ours")
    stack = layers({"requirements": ["tool"], "package_indexes": {"lib": "private"}})
    project = make_project(stack, index=None, uv=uv(index, private))
    lock = lock_all(project)["framework-upper"]
    found = {str(p.version): str(p.marker) for p in lock.document.packages if p.name == "lib"}
    assert found == {
        "1.0+ours": 'sys_platform == "linux"',
        "2.0+ours": 'sys_platform == "darwin" or sys_platform == "win32"',
    }


def test_b10_requirements_for_other_platforms_alone(
    make_project: MakeProject, index: Index, private: Index
) -> None:
    """B10, H7: there is nothing to resolve, and so nothing to take from anywhere."""
    upper = {
        "requirements": ["tool ; sys_platform == 'emscripten'"],
        "package_indexes": {"lib": "private"},
    }
    project = make_project(layers(upper), index=None, uv=uv(index, private))
    assert versions(lock_all(project)["framework-upper"]) == {}


def test_b10_sources_are_no_requirements(
    make_project: MakeProject, index: Index, private: Index
) -> None:
    """B10: an index for a package that nothing needs adds nothing."""
    index.add("plain")
    private.add("lib")
    stack = layers({"requirements": ["plain"], "package_indexes": {"lib": "private"}})
    project = make_project(stack, index=None, uv=uv(index, private))
    assert versions(lock_all(project)["framework-upper"]) == {"plain": "1.0"}


def test_b10_layers_above_find_what_a_lower_layer_took_from_its_index(
    make_project: MakeProject, index: Index, private: Index
) -> None:
    """B10, #270: an inherited index; the default one does not have that version."""
    index.add("lib", "9.0")
    index.add("tool", requires=["lib"])
    private.add("lib", "1.0+ours")
    lower = {"requirements": ["lib"], "package_indexes": {"lib": "private"}}
    project = make_project(
        layers({"requirements": ["tool"]}, lower), index=None, uv=uv(index, private)
    )
    locks = lock_all(project)
    assert versions(locks["base"]) == {"lib": "1.0+ours"}
    assert versions(locks["framework-upper"]) == {"tool": "1.0"}


def test_b10_nobody_has_it(make_project: MakeProject, index: Index, private: Index) -> None:
    """B10: the failure is that of the layer."""
    index.add("tool", requires=["lib"])
    stack = layers({"requirements": ["tool"], "package_indexes": {"lib": "private"}})
    project = make_project(stack, index=None, uv=uv(index, private))
    with pytest.raises(LockError, match="requirements of framework-upper cannot be resolved"):
        lock_all(project)


def test_b12_priority_is_for_one_layer(
    make_project: MakeProject, index: Index, private: Index
) -> None:
    """B12, PR #268: first for every package of this layer, explicit or not; not inherited."""
    for name in ("lib", "other"):
        index.add(name, "9.0")
        private.add(name, "1.0")
    index.add("plain")
    lower = {"requirements": ["lib", "plain"], "priority_indexes": ["private"]}
    stack = layers({"requirements": ["other"]}, lower)
    project = make_project(stack, index=None, uv=uv(index, private))
    locks = lock_all(project)
    assert versions(locks["base"]) == {"lib": "1.0", "plain": "1.0"}
    assert versions(locks["framework-upper"]) == {"other": "9.0"}


def test_x12_h16_indexes_outdate_the_locks_of_layers_that_use_them(
    make_project: MakeProject, index: Index, private: Index
) -> None:
    """X12, H16, H21: package indexes, priorities and addresses."""
    index.add("lib")
    private.add("lib")
    project = make_project(layers({"requirements": ["lib"]}), index=None, uv=uv(index, private))
    lock_all(project)
    project.set_stack(layers({"requirements": ["lib"], "package_indexes": {"lib": "private"}}))
    assert outdated(project) == {
        "base": None,
        "framework-upper": "tool.uv.index changed; tool.uv.sources is new",
    }
    project.set_stack(layers({"requirements": ["lib"], "priority_indexes": ["private"]}))
    assert outdated(project) == {"base": None, "framework-upper": "tool.uv.index changed"}
    project.set_stack(layers({"requirements": ["lib"]}))
    tool = project.read_pyproject()["tool"]
    tool["uv"]["index"][0]["url"] = "http://127.0.0.1:9/simple/"
    project.write_pyproject(tool)
    assert set(outdated(project).values()) == {None}, "explicit, and nobody refers to it"
    tool["uv"]["index"][1]["url"] += "x/"
    project.write_pyproject(tool)
    assert outdated(project)["base"] == "tool.uv.index changed"


def test_how_uv_works_outdates_no_lock(make_project: MakeProject, index: Index) -> None:
    """E7: only what can change the choice counts; what is the project's own does not."""
    index.add("lib")
    project = make_project(layers({"requirements": ["lib"]}))
    lock_all(project)
    tool = project.read_pyproject()["tool"]
    how = {"keyring-provider": "disabled", "dev-dependencies": ["lib"], "link-mode": "copy"}
    project.write_pyproject({**tool, "uv": {**tool["uv"], **how}})
    assert set(outdated(project).values()) == {None}
    lock_all(project)


def test_an_index_in_a_directory_is_found_from_the_specification(
    make_project: MakeProject, index: Index
) -> None:
    """A4: and is no reason to lock again in another clone."""
    wheel = index.add("lib")
    flat = {"name": "flat", "url": "wheels", "format": "flat", "default": True}
    project = make_project(layers({"requirements": ["lib"]}), index=None, uv={"index": [flat]})
    (project.root / "wheels").mkdir()
    wheel.rename(project.root / "wheels" / wheel.name)
    run(project, Goal.BUILD)
    text = lock_files(project.root)["requirements/framework-upper/pylock.framework-upper.toml"]
    assert f'path = "../../wheels/{wheel.name}"' in text


MAIN = {"name": "main", "url": "http://main/", "default": True}
A = {"name": "a", "url": "http://a/"}
B = {"name": "b", "url": "http://b/", "explicit": True}


def test_e4_the_order_is_that_of_the_settings() -> None:
    """E4."""
    assert layer_indexes([A, MAIN, B], (), ()) == [A, MAIN]
    assert layer_indexes([A, MAIN, B], {"b"}, ()) == [A, MAIN, B]


def test_b12_indexes_with_priority_come_first_in_their_order() -> None:
    """B12."""
    found = layer_indexes([MAIN, A, B], (), ["b", "a"])
    assert [index["name"] for index in found] == ["b", "a", "main"]
    assert not found[0]["explicit"]
    assert layer_indexes([A, MAIN], (), ["unknown"]) == [A, MAIN]


def test_b12_a_default_index_with_priority_is_not_asked_last() -> None:
    """B12: nor does PyPI come in, because another one is the default then."""
    found = layer_indexes([A, B, MAIN], {"b"}, ["main"])
    assert [(index["name"], index.get("default", False)) for index in found] == [
        ("main", False),
        ("a", True),
        ("b", False),
    ]
    (alone,) = layer_indexes([MAIN, B], (), ["main"])
    assert alone["default"]
