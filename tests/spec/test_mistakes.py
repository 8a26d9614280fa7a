"""The mistakes that venvstacks reports cleanly (section O), each through a file of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.specs import INDEXES, RUNTIME, application, framework, mistake, stack

SECOND = RUNTIME.replace('"base"', '"second"')
ON_A_AND_B = 'frameworks = ["a", "b"]'
CPU, GPU = 'package_indexes = { torch = "cpu" }', 'package_indexes = { torch = "gpu" }'

MISTAKES: dict[str, tuple[tuple[str, ...], str]] = {
    "inconsistent runtimes": (
        (
            RUNTIME,
            SECOND,
            framework("a"),
            framework("b", on='runtime = "second"'),
            application("x", on=ON_A_AND_B),
        ),
        (
            "applications[0].frameworks: are on different runtimes: framework-a on base, "
            "framework-b on second"
        ),
    ),
    "inconsistent app index overrides": (
        (INDEXES, RUNTIME, framework("a", CPU), application("x", GPU, on='frameworks = ["a"]')),
        (
            "applications[0].package_indexes: 'torch' comes from 'cpu' in framework-a below "
            """(to accept 'gpu' here, add: index_overrides = { cpu = "gpu" })"""
        ),
    ),
    "inconsistent framework index overrides": (
        (
            INDEXES,
            RUNTIME,
            framework("a", CPU),
            framework("b", GPU),
            framework("c", on=ON_A_AND_B),
        ),
        (
            "frameworks[2].frameworks: 'torch' comes from 'cpu' in framework-a, and from 'gpu' in "
            """framework-b (to accept 'cpu' here, add: index_overrides = { gpu = "cpu" })"""
        ),
    ),
    "inconsistent runtime index overrides": (
        (INDEXES, RUNTIME, CPU, framework("a", GPU)),
        (
            "frameworks[0].package_indexes: 'torch' comes from 'cpu' in base below "
            """(to accept 'gpu' here, add: index_overrides = { cpu = "gpu" })"""
        ),
    ),
    "platforms not supported below": (
        (
            RUNTIME,
            'platforms = ["linux_x86_64", "win_amd64"]',
            framework("a", 'platforms = ["win_amd64", "win_arm64"]'),
        ),
        "frameworks[0].platforms: a layer below is not made for win_arm64",
    ),
    "bad libc variant": (
        (RUNTIME, 'linux_target = "glib@2.28"'),
        "runtimes[0].linux_target: unknown C library 'glib' (did you mean 'glibc'?)",
    ),
    "bad libc version": (
        (RUNTIME, 'linux_target = "glibc@2"'),
        "runtimes[0].linux_target: '2' is not a version of glibc (write it as in 'glibc@2.28')",
    ),
    "bad requirement syntax": (
        (RUNTIME.replace("[]", '["numpy=>1"]'),),
        "runtimes[0].requirements[0]: 'numpy=>1' is not a requirement: ",
    ),
    "launch/support name conflict": (
        (RUNTIME, application("x", 'support_modules = ["other/main.py"]')),
        (
            "applications[0].support_modules[0]: 'other/main.py' would be imported as 'main', as "
            "the launch module is (give one of them another name)"
        ),
    ),
    "C3 conflict": (
        (
            RUNTIME,
            framework("a"),
            framework("b"),
            framework("c", on=ON_A_AND_B),
            framework("d", on='frameworks = ["b", "a"]'),
            application("x", on='frameworks = ["c", "d"]'),
        ),
        (
            "applications[0].frameworks: no order of frameworks satisfies all of: framework-a "
            "before framework-b; framework-b before framework-a"
        ),
    ),
    "dependency cycle": (
        (RUNTIME, framework("a", on='frameworks = ["a"]')),
        "frameworks[0].frameworks[0]: framework 'a' is declared here or further down (",
    ),
    "forward reference": (
        (RUNTIME, framework("a", on='frameworks = ["late"]'), framework("late")),
        (
            "frameworks[0].frameworks[0]: framework 'late' is declared here or further down "
            "(declare it before the layers that use it)"
        ),
    ),
    "missing launch module": (
        (RUNTIME, application("x", 'launch_module = "gone.py"')),
        "applications[0].launch_module: there is no 'gone.py' in ",
    ),
    "missing layer name": (
        (RUNTIME, framework("a").replace('name = "a"', "")),
        "frameworks[0]: has no 'name', which is required",
    ),
    "missing support modules": (
        (RUNTIME, application("x", 'support_modules = ["gone"]')),
        "applications[0].support_modules[0]: there is no 'gone' in ",
    ),
    "support module conflict": (
        (RUNTIME, application("x", 'support_modules = ["other/help.py", "help"]')),
        (
            "applications[0].support_modules[1]: 'help' would be imported as 'help', as "
            "support_modules[0] is (give one of them another name)"
        ),
    ),
    "unknown framework": (
        (RUNTIME, framework("middle"), application("x", on='frameworks = ["midle"]')),
        (
            "applications[0].frameworks[0]: no framework 'midle' is declared above "
            "(did you mean 'middle'?)"
        ),
    ),
    "unknown package index": (
        (INDEXES, RUNTIME, 'package_indexes = { torch = "cpuu" }'),
        "runtimes[0].package_indexes.torch: there is no index 'cpuu' (did you mean 'cpu'?)",
    ),
    "unknown platform": (
        (RUNTIME, 'platforms = ["linux_x86"]'),
        "runtimes[0].platforms[0]: unknown platform 'linux_x86' (did you mean 'linux_x86_64'?)",
    ),
    "unknown priority index": (
        (INDEXES, RUNTIME, 'priority_indexes = ["cpu", "rocm"]'),
        "runtimes[0].priority_indexes[1]: there is no index 'rocm' (known are cpu, gpu)",
    ),
    "unknown runtime": (
        (RUNTIME, framework("a", on='runtime = "bas"')),
        "frameworks[0].runtime: no runtime 'bas' is declared above (did you mean 'base'?)",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_o_each_mistake_is_named_with_its_place_and_a_way_out(tmp_path: Path, name: str) -> None:
    """O."""
    (tmp_path / "other").mkdir()
    (tmp_path / "help").mkdir()
    for module in ("other/main.py", "other/help.py", "help/__init__.py"):
        (tmp_path / module).touch()
    parts, expected = MISTAKES[name]
    assert mistake(tmp_path, *parts).startswith(expected)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "python_implementation",
            "fully_versioned_name",
            "runtimes[0].fully_versioned_name: is deprecated (call it 'python_implementation')",
        ),
        (
            "requirements = []",
            "requirements = []\nbuild-requirements = 3",
            (
                "runtimes[0].build-requirements: is deprecated, and has no effect "
                "(remove it: nothing is built from source)"
            ),
        ),
    ],
    ids=["fully_versioned_name", "build_requirements"],
)
def test_o_deprecated_keys_are_understood_with_a_warning(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    """O, C9, C10."""
    spec = stack(tmp_path, RUNTIME.replace(old, new))
    assert [str(warning) for warning in spec.warnings] == [expected]
    assert str(spec.layer("base").python) == "cpython@3.12"
