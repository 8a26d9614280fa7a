"""What single layers say, what they inherit, and how their names may relate."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.specs import RUNTIME, application, framework, mistake, mistakes, stack
from venvlayers.layout import Layout
from venvlayers.platforms import DEFAULT_TARGETS, PLATFORMS, Targets
from venvlayers.spec.model import LayerSpec


def names(layer: LayerSpec) -> list[str]:
    return [platform.name for platform in layer.platforms]


def test_b3_all_six_platforms_are_the_default(tmp_path: Path) -> None:
    """B3."""
    assert names(stack(tmp_path, RUNTIME).layer("base")) == list(PLATFORMS)


def test_b4_b5_platforms_are_the_intersection_of_those_below(tmp_path: Path) -> None:
    """B4, B5: an empty one is no mistake, and disables the layer."""
    spec = stack(
        tmp_path,
        RUNTIME,
        'platforms = ["win_amd64", "linux_x86_64", "macosx_arm64"]',
        framework("a", 'platforms = ["linux_x86_64", "macosx_arm64"]'),
        framework("b", 'platforms = ["macosx_arm64", "win_amd64"]'),
        framework("c", 'platforms = ["win_amd64"]'),
        application("ab", on='frameworks = ["a", "b"]'),
        application("ac", on='frameworks = ["a", "c"]'),
    )
    assert names(spec.layer("app-ab")) == ["macosx_arm64"]
    assert "app-ac" not in [layer.env_name for layer in spec.layers]
    assert "framework-c" in [layer.env_name for layer in spec.layers]


def test_b5_own_platforms_above_a_disabled_layer_are_a_mistake(tmp_path: Path) -> None:
    parts = (RUNTIME, "platforms = []", framework("a", 'platforms = ["win_amd64"]'))
    found = mistake(tmp_path, *parts)
    assert found == "frameworks[0].platforms: a layer below is not made for win_amd64"


@pytest.mark.parametrize(
    ("declared", "glibc"),
    [(None, (2, 28)), ("glibc", (2, 28)), ("glibc@2.17", (2, 17)), ("glibc@2.40", (2, 40))],
)
def test_b6_targets_for_linux(tmp_path: Path, declared: str | None, glibc: tuple[int, int]) -> None:
    """B6."""
    line = f'linux_target = "{declared}"' if declared else ""
    assert stack(tmp_path, RUNTIME, line).layer("base").targets.glibc == glibc


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ('"musl@1.2"', "musl is reserved for later; so far layers run with glibc alone"),
        ('"bionic"', "unknown C library 'bionic' (write it as in 'glibc@2.28')"),
        ('"glibc@"', "'' is not a version of glibc"),
        ('"glibc@2.28.1"', "'2.28.1' is not a version of glibc"),
        ('"glibc@2.x"', "'2.x' is not a version of glibc"),
        ('"glibc@3.0"', "no wheels are made for glibc 3.0"),
        ('"glibc@2.4"', "no wheels are made for glibc 2.4"),
        ("2.28", """must be a string, not a float (write "2.28")"""),
    ],
)
def test_b6_targets_for_linux_that_there_are_not(tmp_path: Path, declared: str, said: str) -> None:
    """B6."""
    found = mistake(tmp_path, RUNTIME, f"linux_target = {declared}")
    assert found.startswith(f"runtimes[0].linux_target: {said}")


def test_b7_the_variable_is_the_default_for_macos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B7: the variable, else 13.0; what a layer says comes first."""
    monkeypatch.delenv("MACOSX_DEPLOYMENT_TARGET", raising=False)
    parts = (
        RUNTIME,
        framework("a", 'macosx_target = "14.2"'),
        framework("b", 'macosx_target="15"'),
    )
    spec = stack(tmp_path, *parts)
    assert [layer.targets.macos for layer in spec.layers] == [(13, 0), (14, 2), (15, 0)]
    assert spec.layer("base").targets == DEFAULT_TARGETS == Targets()
    monkeypatch.setenv("MACOSX_DEPLOYMENT_TARGET", "12.3")
    assert [layer.targets.macos for layer in stack(tmp_path, *parts).layers] == [
        (12, 3),
        (14, 2),
        (15, 0),
    ]
    monkeypatch.setenv("MACOSX_DEPLOYMENT_TARGET", "")
    assert stack(tmp_path, RUNTIME).layer("base").targets.macos == (13, 0)


def test_b7_a_variable_that_is_no_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """B7: reported once, and only for layers that it matters to."""
    monkeypatch.setenv("MACOSX_DEPLOYMENT_TARGET", "Ventura")
    found = mistake(tmp_path, RUNTIME, framework("a"))
    assert found == (
        "the variable MACOSX_DEPLOYMENT_TARGET: 'Ventura' is not a version of macOS "
        "(write it as in '13.0')"
    )
    assert stack(tmp_path, RUNTIME, 'platforms = ["win_amd64"]').layers
    assert stack(tmp_path, RUNTIME, 'macosx_target = "13.0"').layers


@pytest.mark.parametrize("declared", ['"13.x"', '"macosx_13_0"', '"13.0.1"'])
def test_b7_no_version_of_macos(tmp_path: Path, declared: str) -> None:
    found = mistake(tmp_path, RUNTIME, f"macosx_target = {declared}")
    assert found.startswith("runtimes[0].macosx_target: ")
    assert "is not a version of macOS" in found


def test_b8_b9_versioned_layers_and_hidden_libraries(tmp_path: Path) -> None:
    """B8, B9."""
    lines = ("versioned = true", 'dynlib-exclude = ["*.so", "**/libx*"]')
    spec = stack(tmp_path, RUNTIME, framework("a", *lines))
    assert spec.layer("framework-a").versioned
    assert spec.layer("framework-a").dynlib_exclude == ("*.so", "**/libx*")
    assert not spec.layer("base").versioned
    assert spec.layer("base").dynlib_exclude == ()


def test_b8_values_of_other_types(tmp_path: Path) -> None:
    lines = ('versioned = "yes"', 'dynlib_exclude = "*"')
    assert mistakes(tmp_path, RUNTIME, *lines) == [
        "runtimes[0].versioned: must be true or false, not a string",
        'runtimes[0].dynlib_exclude: must be an array of strings, not a string (write ["*"])',
    ]


def test_findings_that_are_accepted(tmp_path: Path) -> None:
    line = 'accepted-findings = ["other-python", "missing-library:libcuda.so.*"]'
    spec = stack(tmp_path, RUNTIME, framework("a", line))
    accepted = spec.layer("framework-a").accepted_findings
    assert [str(entry) for entry in accepted] == ["other-python:*", "missing-library:libcuda.so.*"]
    assert spec.layer("base").accepted_findings == ()


def test_findings_that_there_are_not(tmp_path: Path) -> None:
    line = 'accepted_findings = ["missing-libary:x", "all", "record:", 1]'
    found = mistakes(tmp_path, RUNTIME, line)
    assert found[:2] == [
        "runtimes[0].accepted_findings[3]: must be a string, not an integer",
        (
            "runtimes[0].accepted_findings[0]: unknown kind of finding 'missing-libary' (did"
            " you mean 'missing-library'?)"
        ),
    ]
    assert found[2].startswith(
        "runtimes[0].accepted_findings[1]: unknown kind of finding 'all' (one of foreign-module, "
    )
    assert found[3:] == [
        "runtimes[0].accepted_findings[2]: has no pattern after the colon (write 'record')"
    ]


@pytest.mark.parametrize("declared", ["cpython@3.11.7", "pypy@3.11", "pypy@3.11.15"])
def test_c1_pythons_that_there_are(tmp_path: Path, declared: str) -> None:
    """C1: PyPy by the version of the Python that it implements, as pbs-installer has it."""
    spec = stack(tmp_path, RUNTIME.replace("cpython@3.12", declared))
    assert str(spec.layer("base").python) == declared


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ("pypy@7", "'pypy@7' has no Python version"),
        ("graalpy@24.0", "unknown Python implementation 'graalpy'"),
        ("cpython@3.11.7-x86_64", "names a machine, which is what 'platforms' is for (write "),
        ("pypy@3.11.15-aarch64", "which is what 'platforms' is for (write 'pypy@3.11.15')"),
    ],
)
def test_c1_pythons_that_there_are_not(tmp_path: Path, declared: str, said: str) -> None:
    """C1."""
    found = mistake(tmp_path, RUNTIME.replace("cpython@3.12", declared))
    assert found.startswith("runtimes[0].python_implementation: ")
    assert said in found


def test_c10_build_requirements_are_dropped_from_every_kind_of_layer(tmp_path: Path) -> None:
    """C10."""
    dropped = 'build_requirements = ["setuptools"]'
    spec = stack(tmp_path, RUNTIME, dropped, framework("a", dropped), application("x", dropped))
    assert [warning.where for warning in spec.warnings] == [
        "runtimes[0].build_requirements",
        "frameworks[0].build_requirements",
        "applications[0].build_requirements",
    ]
    assert [layer.requirements for layer in spec.layers] == [(), (), ()]


@pytest.mark.parametrize("name", ["framework-x", "app-x"])
def test_d2_reserved_prefixes(tmp_path: Path, name: str) -> None:
    """D2: for runtimes; other kinds have theirs anyway."""
    found = mistake(tmp_path, RUNTIME.replace('"base"', f'"{name}"'))
    assert found.startswith(f"runtimes[0].name: {name!r} must not begin with")
    assert stack(tmp_path, RUNTIME, framework(name)).layer(f"framework-{name}")


def test_d5_names_that_share_a_name_of_lock_files_have_directories_of_their_own(
    tmp_path: Path,
) -> None:
    """B1, D5: PEP 751 allows no dots in names of lock files."""
    spec = stack(tmp_path, RUNTIME, *map(framework, ["a.b", "a_b", "a-b", "größe@2", "模型"]))
    layout = Layout.of(spec)
    for place in (layout.pylock, layout.lock_record, layout.declared, layout.summary):
        files = [place(layer.env_name) for layer in spec.layers]
        assert len(set(files)) == len(spec.layers) == 6
    assert layout.pylock("framework-a.b").name == "pylock.framework-a_b.toml"


def test_d3_a_name_that_is_the_deployed_name_of_another_layer(tmp_path: Path) -> None:
    """D3, D5: the second is no problem unless the first is versioned."""
    parts = (RUNTIME, framework("a"), framework("a@1"), framework("a@x"))
    assert len(stack(tmp_path, *parts).layers) == 4
    versioned = framework("a", "versioned = true")
    found = mistake(tmp_path, RUNTIME, versioned, *parts[2:])
    assert stack(tmp_path, RUNTIME, f"{versioned}platforms = []", *parts[2:]).layers
    assert found == (
        "frameworks[1].name: 'a@1' can be the deployed name of framework-a, which is versioned"
    )


def test_a5_names_are_distinct_within_a_kind_only(tmp_path: Path) -> None:
    """A5."""
    parts = (RUNTIME, framework("base"), application("base"))
    assert [layer.env_name for layer in stack(tmp_path, *parts).layers] == [
        "base",
        "framework-base",
        "app-base",
    ]
    found = mistake(tmp_path, RUNTIME, RUNTIME)
    assert found.startswith("runtimes[1].name: 'base' is taken by runtimes[0]")


def test_a2_kinds_may_be_interleaved(tmp_path: Path) -> None:
    """A2: layers are read runtimes first, wherever they stand in the file."""
    parts = (application("x", on='frameworks = ["a"]'), framework("a"), RUNTIME)
    assert [layer.env_name for layer in stack(tmp_path, *parts).layers] == [
        "base",
        "framework-a",
        "app-x",
    ]
