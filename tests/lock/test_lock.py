"""Locking with the real uv, against an index made for each test."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from support.index import Index
from support.projects import Project
from support.stacks import Messages, lock_all, lock_files, run, spec_and_layout, versions
from venvlayers.errors import LockError
from venvlayers.lock.state import lock_states
from venvlayers.lock.store import read_lock
from venvlayers.plan import Goal
from venvlayers.platforms import PLATFORMS
from venvlayers.report import Kind

MakeProject = Callable[..., Project]

TWO_LAYERS = """
[[runtimes]]
name = "base"
requirements = {base}

[[frameworks]]
name = "upper"
runtime = "base"
requirements = {upper}
"""


def two_layers(base: list[str], upper: list[str]) -> str:
    return TWO_LAYERS.format(base=json.dumps(base), upper=json.dumps(upper))


def outdated(project: Project) -> dict[str, str | None]:
    spec, layout = spec_and_layout(project)
    return {name: state.outdated for name, state in lock_states(spec, layout).items()}


def test_packages_from_below_are_not_repeated(small_project: Project) -> None:
    locks = lock_all(small_project)
    assert {name: list(versions(lock)) for name, lock in locks.items()} == {
        "base": ["ground"],
        "framework-middle": ["storey"],
        "app-top": ["roof"],
    }
    summary = (small_project.root / "requirements/app-top/packages-app-top.txt").read_text()
    assert "storey==1.0 (from framework-middle)" in summary
    assert "ground==1.0 (from base)" in summary


def test_lower_pins_hold_upper_layers(make_project: MakeProject, index: Index) -> None:
    for version in ("1.0", "2.0"):
        index.add("lib", version)
    index.add("tool", requires=["lib"])
    project = make_project(two_layers(["lib<2"], ["tool", "lib"]))
    locks = lock_all(project)
    assert versions(locks["base"]) == {"lib": "1.0"}
    assert versions(locks["framework-upper"]) == {"tool": "1.0"}


def test_first_provider_on_the_path_shadows_the_rest(
    make_project: MakeProject, index: Index
) -> None:
    """#269: two frameworks with different versions of one package."""
    for version in ("1.0", "2.0"):
        index.add("lib", version)
    index.add("app-lib", requires=["lib"])
    project = make_project(
        """
        [[runtimes]]
        name = "base"
        requirements = []
        [[frameworks]]
        name = "new"
        runtime = "base"
        requirements = ["lib==2.0"]
        [[frameworks]]
        name = "old"
        runtime = "base"
        requirements = ["lib==1.0"]
        [[frameworks]]
        name = "both"
        frameworks = ["old", "new"]
        requirements = ["app-lib"]
        """
    )
    messages = Messages()
    locks = lock_all(project, messages)
    assert versions(locks["framework-both"]) == {"app-lib": "1.0"}
    (warning,) = [w for w in messages.of(Kind.WARNING) if "framework-both" in w]
    assert "will use lib==1.0 of framework-old, and framework-new, which was locked" in warning
    summary = (project.root / "requirements/framework-both/packages-framework-both.txt").read_text()
    assert "lib==1.0 (from framework-old)" in summary
    assert "lib==2.0" not in summary


def test_a_package_that_is_below_on_some_platforms_only(
    make_project: MakeProject, index: Index
) -> None:
    index.add("lib")
    index.add("tool", requires=["lib"])
    stack = "platforms = ['linux_x86_64', 'macosx_arm64', 'win_amd64']\n" + two_layers(
        ["lib; sys_platform == 'win32'"], ["tool"]
    )
    locks = lock_all(make_project(stack))
    (below,) = locks["base"].document.packages
    assert str(below.marker) == 'sys_platform == "win32"'
    markers = {p.name: str(p.marker) for p in locks["framework-upper"].document.packages}
    assert markers == {
        "lib": 'sys_platform == "linux" or sys_platform == "darwin"',
        "tool": "None",
    }


def test_pins_are_kept_from_run_to_run(make_project: MakeProject, index: Index) -> None:
    """X20: a lock is not an upgrade."""
    index.add("lib", "1.0")
    project = make_project(two_layers(["lib"], []))
    first = datetime(2025, 1, 1, tzinfo=UTC)
    before = lock_all(project, now=first)
    index.add("lib", "2.0")
    index.add("other", "1.0")
    project.set_stack(two_layers(["lib", "other"], []))
    second = datetime(2025, 2, 2, tzinfo=UTC)
    after = lock_all(project, now=second)
    assert versions(after["base"]) == {"lib": "1.0", "other": "1.0"}
    assert before["base"].locked_at == first
    assert after["base"].locked_at == second
    # The upper layer's own set did not change, so neither did its time (H18).
    assert after["framework-upper"].locked_at == first


def test_pins_are_kept_when_the_record_of_a_lock_is_gone(
    make_project: MakeProject, index: Index
) -> None:
    """A run that was killed while it wrote a lock leaves it so."""
    index.add("lib", "1.0")
    project = make_project(two_layers(["lib"], []))
    lock_all(project)
    index.add("lib", "2.0")
    (project.root / "requirements/base/pylock.base.meta.json").unlink()
    assert outdated(project)["base"] == "it has no lock yet"
    assert versions(lock_all(project)["base"]) == {"lib": "1.0"}


def test_relocking_without_a_change_changes_no_byte(small_project: Project) -> None:
    lock_all(small_project)
    before = lock_files(small_project.root)
    lock_all(small_project)
    assert lock_files(small_project.root) == before
    assert len(before) == 12
    assert all("\r" not in text for text in before.values())


def test_locks_hold_no_sources(make_project: MakeProject, index: Index) -> None:
    """PR #327: nothing that could be built from source is in a lock."""
    index.add("lib")
    project = make_project(two_layers(["lib"], []))
    lock_all(project)
    text = lock_files(project.root)["requirements/base/pylock.base.toml"]
    assert "wheels" in text
    assert not any(word in text for word in ("sdist", "vcs", "directory =", "archive ="))


def test_wheels_for_other_pythons_and_platforms_are_left_out(
    make_project: MakeProject, index: Index
) -> None:
    tag = f"cp{''.join(map(str, __import__('sys').version_info[:2]))}"
    for wheel in (
        f"{tag}-{tag}-manylinux_2_17_x86_64",
        f"{tag}-{tag}-musllinux_1_2_x86_64",
        "cp38-cp38-manylinux_2_17_x86_64",
    ):
        index.add("lib", tag=wheel)
    project = make_project("platforms = ['linux_x86_64']\n" + two_layers(["lib"], []))
    (package,) = lock_all(project)["base"].document.packages
    assert package.wheels is not None
    assert [wheel.filename for wheel in package.wheels] == [
        f"lib-1.0-{tag}-{tag}-manylinux_2_17_x86_64.whl"
    ]


def test_missing_wheels_are_all_named(make_project: MakeProject, index: Index) -> None:
    """#254: a wheel whose glibc is newer than the layer's target does not count."""
    tag = f"cp{''.join(map(str, __import__('sys').version_info[:2]))}"
    for name in ("one", "two"):
        index.add(name, tag=f"{tag}-{tag}-manylinux_2_39_x86_64")
    project = make_project("platforms = ['linux_x86_64']\n" + two_layers(["one", "two"], []))
    with pytest.raises(LockError) as caught:
        lock_all(project)
    message = str(caught.value)
    assert "one==1.0: no wheel for linux_x86_64" in message
    assert "two==1.0: no wheel for linux_x86_64" in message
    assert not (project.root / "requirements").exists()


def test_each_platform_gets_a_version_that_has_wheels_for_it(
    make_project: MakeProject, index: Index
) -> None:
    index.add("lib", "1.0")
    index.add("lib", "2.0", tag="py3-none-manylinux_2_17_x86_64")
    project = make_project("platforms = ['linux_x86_64', 'win_amd64']\n" + two_layers(["lib"], []))
    lock = lock_all(project)["base"]
    found = {
        name: [str(package.version) for package in lock.packages_for(PLATFORMS[name])]
        for name in ("linux_x86_64", "win_amd64")
    }
    assert found == {"linux_x86_64": ["2.0"], "win_amd64": ["1.0"]}


def test_a_conflict_with_a_lower_layer_names_both_sides(
    make_project: MakeProject, index: Index
) -> None:
    """X36."""
    for version in ("1.0", "2.0"):
        index.add("lib", version)
    project = make_project(two_layers(["lib<2"], ["lib>=2"]))
    with pytest.raises(LockError) as caught:
        lock_all(project)
    message = str(caught.value)
    assert "framework-upper cannot live above base" in message
    assert "lib: framework-upper requires 'lib>=2'" in message
    assert "base has lib==1.0, because it requires 'lib<2'" in message
    assert "hint: " in message


def test_a_conflict_through_other_packages_names_what_is_in_the_way(
    make_project: MakeProject, index: Index
) -> None:
    for version in ("1.0", "2.0"):
        index.add("lib", version)
        index.add("innocent", version)
    index.add("below", requires=["lib<2", "innocent<2"])
    index.add("tool", requires=["lib>=2", "innocent"])
    project = make_project(two_layers(["below"], ["tool"]))
    with pytest.raises(LockError) as caught:
        lock_all(project)
    message = caught.value.message
    assert "framework-upper would take lib==2.0 for its requirements" in message
    assert "base has lib==1.0, which its requirements brought in" in message
    assert "innocent" not in message


def test_requirements_that_cannot_be_resolved(
    make_project: MakeProject, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """#101: the message names the layer and the requirement, and variables that do not count."""
    index.add("lib")
    project = make_project(two_layers(["lib==9"], []))
    with pytest.raises(LockError, match=r"of base cannot be resolved for .*: 'lib==9'") as caught:
        lock_all(project)
    assert "in the environment" not in str(caught.value)
    monkeypatch.setenv("UV_INDEX", "https://elsewhere.example.com")
    monkeypatch.setenv("UV_FIND_LINKS", "wheels")
    with pytest.raises(LockError, match=r"UV_FIND_LINKS, UV_INDEX in .* are not heeded here"):
        lock_all(project)


def test_a_long_explanation_is_still_about_the_requirements(
    make_project: MakeProject, index: Index
) -> None:
    """#101: uv says first that there is no solution, and why for the next hundred lines."""
    for number in range(60):
        index.add("lib", f"{number}.0", requires=[f"missing{number}"])
    with pytest.raises(LockError, match=r"of base cannot be resolved for .*: 'lib'") as caught:
        lock_all(make_project(two_layers(["lib"], [])))
    assert "lines; -vv shows them ...]" in str(caught.value)


def test_unsatisfiable_alone_is_not_blamed_on_lower_layers(
    make_project: MakeProject, index: Index
) -> None:
    index.add("lib")
    with pytest.raises(LockError, match="requirements of framework-upper cannot be resolved"):
        lock_all(make_project(two_layers(["lib"], ["missing"])))


def test_an_index_that_fails(make_project: MakeProject, index: Index) -> None:
    index.add("lib")
    project = make_project(two_layers(["lib"], []))
    index.fail = 500
    with pytest.raises(LockError, match="uv could not resolve the requirements of base") as caught:
        lock_all(project)
    assert "not about the requirements" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "layer", "reason"),
    [
        (("requirements", ["lib", "other"]), "base", "its requirements changed"),
        (("platforms", ["linux_x86_64"]), "base", "its platforms"),
        (("python_implementation", "cpython@3.99"), "base", "its Python"),
    ],
)
def test_149_every_input_outdates_the_lock(
    make_project: MakeProject, index: Index, change: tuple[str, object], layer: str, reason: str
) -> None:
    """#149 X12: also platforms, which venvstacks forgets; no network is asked."""
    index.add("lib")
    project = make_project(two_layers(["lib"], []))
    lock_all(project)
    asked = len(index.requests)
    assert outdated(project) == {"base": None, "framework-upper": None}
    stack = project.stack()
    stack["runtimes"][0][change[0]] = change[1]
    project.set_stack(stack)
    states = outdated(project)
    assert reason in str(states[layer])
    assert states["framework-upper"] is not None
    assert len(index.requests) == asked


def test_x12_uv_settings_outdate_the_lock(make_project: MakeProject, index: Index) -> None:
    index.add("lib")
    project = make_project(two_layers(["lib"], []))
    lock_all(project)
    tool = project.read_pyproject()["tool"]
    tool["uv"]["override-dependencies"] = ["lib==1.0"]
    project.write_pyproject(tool)
    assert outdated(project)["base"] == "tool.uv.override-dependencies is new"


def test_x14_requirements_are_hashed_without_ambiguity(
    make_project: MakeProject, index: Index
) -> None:
    index.add("ab")
    index.add("c")
    project = make_project(two_layers(["ab", "c"], []))
    lock_all(project)
    project.set_stack(two_layers(["a", "bc"], []))
    assert outdated(project)["base"] == "its requirements changed"


def test_175_locks_stay_valid_without_the_files_for_people(small_project: Project) -> None:
    lock_all(small_project)
    for name in ("requirements-base.in", "packages-base.txt"):
        (small_project.root / "requirements" / "base" / name).unlink()
    assert set(outdated(small_project).values()) == {None}


def test_a_checkout_with_other_line_endings_is_no_edit(small_project: Project) -> None:
    lock_all(small_project)
    file = small_project.root / "requirements/base/pylock.base.toml"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert outdated(small_project)["base"] is None


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("pylock.base.toml", lambda text: text.replace("1.0", "1.1")),
        ("pylock.base.toml", lambda text: text + "<<<<<<< HEAD\n"),
        ("pylock.base.meta.json", lambda text: text[:-20]),
        ("pylock.base.meta.json", lambda _text: "[]"),
        (
            "pylock.base.meta.json",
            lambda text: text.replace('"lock_version": 1', '"lock_version": 2'),
        ),
        ("pylock.base.meta.json", lambda text: text.replace('"version": "3', '"version": "x')),
        (
            "pylock.base.meta.json",
            lambda text: text.replace('"lock_hash": "', '"lock_hash": 1, "x": "'),
        ),
    ],
)
def test_x34_an_edited_lock_is_refused_with_a_way_out(
    small_project: Project, name: str, damage: Callable[[str], str]
) -> None:
    lock_all(small_project)
    file = small_project.root / "requirements" / "base" / name
    file.write_text(damage(file.read_text("utf-8")), "utf-8")
    with pytest.raises(LockError, match="edited by hand, or is damaged") as caught:
        outdated(small_project)
    assert "`venvstacks lock --reset-lock base`" in str(caught.value)


def test_a_lock_that_is_not_text(small_project: Project) -> None:
    lock_all(small_project)
    (small_project.root / "requirements/base/pylock.base.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LockError, match="damaged"):
        outdated(small_project)


def test_names_with_dots_make_names_of_locks_without(
    make_project: MakeProject, index: Index
) -> None:
    """H23, H25, H26: the other files have the environment's name as it is."""
    index.add("lib")
    stack = two_layers(["lib"], []).replace('"base"', '"cpython-3.11"')
    project = make_project(stack)
    lock_all(project)
    directory = project.root / "requirements" / "cpython-3.11"
    assert {path.name for path in directory.iterdir()} == {
        "pylock.cpython-3_11.toml",
        "pylock.cpython-3_11.meta.json",
        "requirements-cpython-3.11.in",
        "packages-cpython-3.11.txt",
    }
    spec, layout = spec_and_layout(project)
    assert read_lock(layout, spec.layers[0].env_name) is not None


def test_stray_variables_change_no_lock(
    small_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock_all(small_project)
    before = lock_files(small_project.root)
    for name, value in {
        "UV_INDEX_URL": "http://127.0.0.1:9/simple",
        "UV_NO_INDEX": "1",
        "UV_RESOLUTION": "lowest",
        "UV_PYTHON": "3.1",
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PYTHONPATH": "/nonexistent",
        "VIRTUAL_ENV": "/nonexistent",
    }.items():
        monkeypatch.setenv(name, value)
    lock_all(small_project)
    assert lock_files(small_project.root) == before


def test_uv_configuration_of_the_user_is_not_read(
    small_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E8."""
    config = tmp_path / "config" / "uv"
    config.mkdir(parents=True)
    (config / "uv.toml").write_text("no-index = true\noffline = true\n", "utf-8")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(config.parent))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(config.parent))
    lock_all(small_project)
    assert (small_project.root / "requirements" / "app-top").is_dir()


def test_local_pythons_are_said_to_serve_this_machine_only(small_project: Project) -> None:
    messages = Messages()
    lock_all(small_project, messages)
    assert messages.lines


def test_locks_that_cannot_be_written(small_project: Project) -> None:
    (small_project.root / "requirements").write_text("in the way", "utf-8")
    with pytest.raises(LockError, match="lock of base"):
        lock_all(small_project)


def test_a_failed_write_keeps_every_lock(
    small_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Locks of a stack are replaced together, or not at all."""
    lock_all(small_project)
    before = lock_files(small_project.root)
    stack = small_project.stack()
    stack["runtimes"][0]["requirements"] = []
    small_project.set_stack(stack)
    replace, calls = Path.replace, []

    def fails_in_the_middle(self: Path, target: Path) -> Path:
        calls.append(target)
        if target.name.startswith("pylock.") and target not in calls[:-1]:
            raise OSError(28, "No space left on device", str(target))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fails_in_the_middle)
    with pytest.raises(LockError, match=r"locks cannot be written.*No space left"):
        run(small_project, Goal.LOCK)
    monkeypatch.undo()
    assert len(calls) > 2
    assert lock_files(small_project.root) == before
