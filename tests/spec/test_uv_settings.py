"""Where uv's settings stand, and what of them is checked by us."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.specs import INDEXES, RUNTIME, framework, mistake, mistakes, stack, write_standalone
from venvlayers.errors import SpecError
from venvlayers.spec.model import StackSpec
from venvlayers.spec.parse import load

BESIDE = INDEXES.replace("tool.uv.", "")


def project(root: Path, uv: str) -> StackSpec:
    text = RUNTIME.replace("[[", "[[tool.venvstacks.") + uv
    (root / "pyproject.toml").write_text(text, "utf-8")
    return load(root / "pyproject.toml")


def test_e1_settings_of_the_same_file_win(tmp_path: Path) -> None:
    """E1: and a warning says that the others are not used."""
    (tmp_path / "venvstacks.uv.toml").write_text('prerelease = "allow"\n', "utf-8")
    spec = stack(tmp_path, RUNTIME, '[tool.uv]\nresolution = "lowest"')
    assert spec.uv_settings == {"resolution": "lowest"}
    (warning,) = map(str, spec.warnings)
    assert warning == (
        "venvstacks.uv.toml: is not used: settings of uv come from [tool.uv] in venvstacks.toml"
    )


def test_e2_settings_beside_a_venvstacks_toml(tmp_path: Path) -> None:
    """E2, B10: their indexes can be named by layers."""
    text = f'exclude-newer = "2026-01-01T00:00:00Z"\n{BESIDE}'
    (tmp_path / "venvstacks.uv.toml").write_text(text, "utf-8")
    spec = stack(tmp_path, RUNTIME, 'package_indexes = { torch = "gpu" }')
    assert spec.uv_settings["exclude-newer"] == "2026-01-01T00:00:00Z"
    assert [index["name"] for index in spec.uv_settings["index"]] == ["cpu", "gpu"]
    assert spec.layer("base").package_indexes == {"torch": "gpu"}
    assert spec.warnings == ()


def test_e2_beside_a_pyproject_toml_they_are_not_used(tmp_path: Path) -> None:
    """E2: there, settings have their place in the same file."""
    (tmp_path / "venvstacks.uv.toml").write_text(BESIDE, "utf-8")
    spec = project(tmp_path, "")
    assert spec.uv_settings == {}
    assert [warning.where for warning in spec.warnings] == ["venvstacks.uv.toml"]


def test_e2_mistakes_in_that_file_are_reported_with_the_others(tmp_path: Path) -> None:
    text = "[[index]]\nname = 1\n[sources]\ntorch = { git = 'x' }\n"
    (tmp_path / "venvstacks.uv.toml").write_text(text, "utf-8")
    assert mistakes(tmp_path, RUNTIME, framework("a", on='runtime = "bas"')) == [
        "venvstacks.uv.toml: index[0]: has no 'url', which is required",
        'venvstacks.uv.toml: index[0].name: must be a string, not an integer (write "1")',
        (
            "venvstacks.uv.toml: sources.torch: must name an index: layers are made of wheels from "
            """indexes (write { index = "NAME" })"""
        ),
        "frameworks[0].runtime: no runtime 'bas' is declared above (did you mean 'base'?)",
    ]


def test_e2_a_file_that_is_not_toml(tmp_path: Path) -> None:
    (tmp_path / "venvstacks.uv.toml").write_text("index = [", "utf-8")
    with pytest.raises(SpecError, match=r"venvstacks\.uv\.toml: not TOML"):
        load(write_standalone(tmp_path, RUNTIME))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ('{ path = "../x" }', "must name an index"),
        ("{ workspace = true }", "must name an index"),
        ('"cpu"', "must name an index"),
        ('[{ index = "cpu" }, { url = "https://example.org/x.whl" }]', "must name an index"),
        ('{ index = "cpuu" }', "there is no index 'cpuu' (did you mean 'cpu'?)"),
    ],
)
def test_e3_sources_of_a_venvstacks_toml_name_indexes(
    tmp_path: Path, source: str, said: str
) -> None:
    """E3."""
    found = mistake(tmp_path, INDEXES, f"[tool.uv.sources]\ntorch = {source}", RUNTIME)
    assert found.startswith(f"tool.uv.sources.torch: {said}")


def test_e3_names_in_sources_are_normalised(tmp_path: Path) -> None:
    """E3."""
    sources = '[tool.uv.sources]\nMy_Lib = { index = "cpu" }\n'
    spec = stack(tmp_path, INDEXES, sources, RUNTIME)
    assert spec.uv_settings["sources"] == {"my-lib": {"index": "cpu"}}
    twice = f'{sources}my-lib = {{ index = "gpu" }}\n'
    assert mistake(tmp_path, INDEXES, twice, RUNTIME) == (
        "tool.uv.sources.my-lib: is the same package as 'My_Lib'"
    )


def test_e3_other_sources_of_a_project_are_its_own_business(tmp_path: Path) -> None:
    """E3: until a layer needs one of them."""
    uv = "\n[tool.uv.sources]\nown = { workspace = true }\nx = { index = 'of the workspace' }\n"
    assert project(tmp_path, uv).uv_settings["sources"] == {
        "own": {"workspace": True},
        "x": {"index": "of the workspace"},
    }


@pytest.mark.parametrize(
    "setting",
    [
        '[[tool.uv.index]]\nname = "x"\nurl = "https://me:secret@example.org/simple"',
        '[tool.uv]\nindex-url = "https://me:secret@example.org/simple"',
        '[tool.uv]\nextra-index-url = ["https://me:secret@example.org/simple"]',
        '[tool.uv]\nfind-links = ["https://me:secret@example.org/wheels"]',
    ],
)
def test_e9_passwords_in_addresses_are_refused(tmp_path: Path, setting: str) -> None:
    """E9: they would end up in files that are committed; the message does not repeat them."""
    found = mistake(tmp_path, setting, RUNTIME)
    assert "has a password in it (set UV_INDEX_<NAME>_USERNAME and" in found
    assert "secret" not in found


def test_e9_a_name_in_an_address_is_no_secret(tmp_path: Path) -> None:
    text = '[tool.uv]\nfind-links = ["wheels@home", "https://me@example.org/wheels"]'
    assert len(stack(tmp_path, text, RUNTIME).uv_settings["find-links"]) == 2
