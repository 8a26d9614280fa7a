"""Which index a layer's packages come from."""

from __future__ import annotations

from pathlib import Path

from support.specs import INDEXES, RUNTIME, application, framework, mistake, mistakes, stack

CPU, GPU = 'package_indexes = { torch = "cpu" }', 'package_indexes = { torch = "gpu" }'


def test_b10_package_indexes_are_inherited(tmp_path: Path) -> None:
    """B10: names of packages are normalised."""
    spec = stack(
        tmp_path,
        INDEXES,
        RUNTIME,
        'package_indexes = { My_Package = "cpu" }',
        framework("a", 'package_indexes = { "some.thing" = "gpu" }'),
        framework("b", on='frameworks = ["a"]'),
        application("x", GPU, on='frameworks = ["b"]'),
        application("y"),
    )
    assert spec.layer("base").package_indexes == {"my-package": "cpu"}
    below = {"my-package": "cpu", "some-thing": "gpu"}
    assert spec.layer("framework-a").package_indexes == below
    assert spec.layer("framework-b").package_indexes == below
    assert spec.layer("app-x").package_indexes == {**below, "torch": "gpu"}
    assert spec.layer("app-y").package_indexes == {"my-package": "cpu"}


def test_b10_one_package_by_two_names(tmp_path: Path) -> None:
    """B10."""
    line = 'package_indexes = { my_package = "cpu", "My.Package" = "cpu" }'
    assert mistake(tmp_path, INDEXES, RUNTIME, line) == (
        """runtimes[0].package_indexes."My.Package": is the same package as 'my_package'"""
    )


def test_b10_unknown_indexes_without_any(tmp_path: Path) -> None:
    """B10, B12."""
    lines = ('package_indexes = { torch = "cpu" }', 'priority_indexes = ["gpu"]')
    assert mistakes(tmp_path, RUNTIME, *lines) == [
        (
            "runtimes[0].package_indexes.torch: there is no index 'cpu' "
            "(declare it in [[tool.uv.index]])"
        ),
        (
            "runtimes[0].priority_indexes[0]: there is no index 'gpu' "
            "(declare it in [[tool.uv.index]])"
        ),
    ]


def test_b10_values_of_other_types(tmp_path: Path) -> None:
    lines = ("package_indexes = { torch = 1 }", "index_overrides = []", "priority_indexes = {}")
    assert mistakes(tmp_path, INDEXES, RUNTIME, *lines) == [
        "runtimes[0].index_overrides: must be a table, not an array",
        "runtimes[0].package_indexes.torch: must be a string, not an integer",
        "runtimes[0].priority_indexes: must be an array of strings, not a table",
    ]


def test_b11_the_suggested_entry_is_what_is_missing(tmp_path: Path) -> None:
    """B11: for layers that differ below, and for a layer that differs from those below."""
    parts = (INDEXES, RUNTIME, framework("a", CPU), framework("b", GPU))
    above = 'frameworks = ["a", "b"]'
    for own, expected in (("", "cpu"), (CPU, "cpu"), (GPU, "gpu")):
        said = mistake(tmp_path, *parts, application("x", own, on=above))
        entry = said.partition("add: ")[2].rstrip(")")
        spec = stack(tmp_path, *parts, application("x", own, entry, on=above))
        assert spec.layer("app-x").package_indexes == {"torch": expected}


def test_b11_overrides_can_be_chained(tmp_path: Path) -> None:
    """B11: as venvstacks has it, which compares nearer layers before a layer with them."""
    tpu = INDEXES.replace("cpu", "tpu").replace("gpu", "npu")
    parts = (INDEXES, tpu, RUNTIME, framework("a", CPU), framework("b", GPU))
    own = 'package_indexes = { torch = "tpu" }'
    above = 'frameworks = ["a", "b"]'
    chain = 'index_overrides = { gpu = "cpu", cpu = "tpu" }'
    spec = stack(tmp_path, *parts, application("x", own, chain, on=above))
    assert spec.layer("app-x").package_indexes == {"torch": "tpu"}
    circle = 'index_overrides = { gpu = "cpu", cpu = "gpu" }'
    found = mistakes(tmp_path, *parts, application("x", own, circle, on=above))
    assert [problem.partition(" below")[0] for problem in found] == [
        "applications[0].package_indexes: 'torch' comes from 'cpu' in framework-a",
        "applications[0].package_indexes: 'torch' comes from 'gpu' in framework-b",
    ]


def test_b11_the_nearer_layer_below_wins(tmp_path: Path) -> None:
    """B11: what the layer in between has accepted need not be accepted again."""
    spec = stack(
        tmp_path,
        INDEXES,
        RUNTIME,
        framework("a", CPU),
        framework("b", GPU, 'index_overrides = { cpu = "gpu" }', on='frameworks = ["a"]'),
        application("x", on='frameworks = ["b"]'),
    )
    assert spec.layer("app-x").package_indexes == {"torch": "gpu"}
    assert spec.layer("framework-a").package_indexes == {"torch": "cpu"}


def test_b11_an_override_without_such_an_index_is_a_warning(tmp_path: Path) -> None:
    spec = stack(tmp_path, INDEXES, RUNTIME, 'index_overrides = { "c.pu" = "gpu" }')
    assert [str(warning) for warning in spec.warnings] == [
        (
            """runtimes[0].index_overrides."c.pu": has no effect: there is no index 'c.pu' """
            "(did you mean 'cpu'?)"
        )
    ]


def test_b12_priority_indexes_are_not_inherited(tmp_path: Path) -> None:
    """B12."""
    line = 'priority_indexes = ["gpu", "cpu", "gpu"]'
    spec = stack(tmp_path, INDEXES, RUNTIME, line, framework("a"))
    assert spec.layer("base").priority_indexes == ("gpu", "cpu")
    assert spec.layer("framework-a").priority_indexes == ()
