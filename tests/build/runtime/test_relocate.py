"""`relocate.py` on the standard library's own modules, given other search paths."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support.runtime_layers import Installed
from venvlayers import process
from venvlayers.build.runtime.origin import Origin
from venvlayers.build.runtime.patchelf import find_patchelf
from venvlayers.build.runtime.relocate import relocate, require_no_trace
from venvlayers.errors import BuildError

OLD = "/somewhere/of/its/own"


@pytest.fixture
def program(tmp_path: Path, installed: Installed) -> Path:
    """Give a copy of Python, without its search path, where a layer would have it."""
    copy = tmp_path / "root" / "bin" / "python3"
    copy.parent.mkdir(parents=True)
    (tmp_path / "root" / "lib").mkdir()
    shutil.copyfile(installed.program, copy)
    copy.chmod(0o755)
    find_patchelf().set_rpath([], [copy])
    return copy


def relocated(program: Path, *rpath: str) -> list[str]:
    if rpath:
        find_patchelf().set_rpath(rpath, [program])
    relocate(program.parent.parent, Origin.of([OLD]))
    (result,) = find_patchelf().rpaths([program])
    return result


def test_places_of_its_own_become_relative(program: Path) -> None:
    given = (f"{OLD}/lib", f"{OLD}/openssl/lib", "/usr/lib/somewhere", "$ORIGIN/x", f"{OLD}/lib")
    assert relocated(program, *given) == [
        "$ORIGIN/../lib",
        "$ORIGIN/../openssl/lib",
        "/usr/lib/somewhere",
        "$ORIGIN/x",
    ]


def test_places_of_others_are_dropped_unless_they_are_needed(program: Path, tmp_path: Path) -> None:
    assert relocated(program, str(tmp_path / "other")) == []
    (needed, *_) = sorted(find_patchelf().needed([program]))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / needed).touch()
    with pytest.raises(BuildError, match=f"bin/python3 needs {needed} from {tmp_path}/other"):
        relocated(program, str(tmp_path / "other"))


def test_a_library_that_the_system_used_to_find_is_found_beside_it(program: Path) -> None:
    (needed, *_) = sorted(find_patchelf().needed([program]))
    (program.parent.parent / "lib" / needed).touch()
    assert relocated(program) == ["$ORIGIN/../lib"]


@pytest.mark.parametrize("prefix", ["/pyenv/versions/3.12.1", "/opt/very/long/name/of/python"])
def test_a_compiled_prefix_goes_and_shared_ends_of_strings_stay(program: Path, prefix: str) -> None:
    # Linkers let the version string be the end of the prefix that it is also part of.
    with program.open("ab") as file:
        file.write(f"\0{prefix}\0{prefix}/lib\0".encode())
    size = program.stat().st_size
    relocate(program.parent.parent, Origin.of([prefix]))
    content = program.read_bytes()
    end = Path(prefix).name
    assert prefix.encode() not in content
    assert f"/{end}\0".encode() in content
    assert content.count(b"\0/install") == 2
    assert program.stat().st_size == size


def test_a_short_prefix_is_not_replaced_in_code_but_refused(program: Path) -> None:
    with program.open("ab") as file:
        file.write(b"\0/opt/p\0")
    before = program.read_bytes()
    relocate(program.parent.parent, Origin.of(["/opt/p"]))
    assert program.read_bytes() == before
    with pytest.raises(BuildError, match="bin/python3 of the interpreter still names /opt/p"):
        require_no_trace(program.parent.parent, ["/opt/p"])


def test_a_link_that_leads_away_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(BuildError, match="link of the interpreter is a link to"):
        require_no_trace(tmp_path, [])


def test_what_is_not_dynamic_is_an_error_of_patchelf(tmp_path: Path) -> None:
    (tmp_path / "odd").write_bytes(b"\x7fELF and no more")
    with pytest.raises(BuildError, match="patchelf failed") as caught:
        find_patchelf().rpaths([tmp_path / "odd"])
    assert caught.value.details


def test_patchelf_is_the_one_that_was_installed_with_us() -> None:
    tool = find_patchelf()
    assert process.run([tool.path, "--version"]).stdout.startswith("patchelf")
