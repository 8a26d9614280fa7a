"""Libraries that are needed: in the layer, below it, on every system, or nowhere."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from support.checked import checked_layer, found, report_on
from support.layers import FileContent, Program
from support.program_files import elf, mach_o, pe
from venvlayers.check.base import is_of_system
from venvlayers.check.patterns import matches_end
from venvlayers.platforms import PLATFORMS, Platform, Targets
from venvlayers.spec.kinds import LayerKind

MODULE = "pkg/_m.abi3.so"
MAC, WINDOWS = PLATFORMS["macosx_arm64"], PLATFORMS["win_amd64"]


def test_libraries_of_the_layer_and_the_system(tmp_path: Path) -> None:
    files = {
        MODULE: elf("libown-1a.so.1", "libc.so.6", "libstdc++.so.6", runpath="$ORIGIN/../pkg.libs"),
        "pkg.libs/libown-1a.so.1": elf("libother.so.2", "ld-linux-x86-64.so.2"),
        "pkg.libs/other-file.so": elf("libX11.so.6", soname="libother.so.2"),
        "pkg/_python.abi3.so": elf("libpython3.12.so.1.0"),
    }
    report = report_on(checked_layer(tmp_path, {"pkg": files}))
    assert report.findings == ()
    known = "whether 1 libraries that are in the layer are loaded before they are needed"
    assert any(what.startswith(known) for what in report.unknown)


def test_a_missing_library_is_named_with_what_needs_it(tmp_path: Path) -> None:
    files = {MODULE: elf("libEGL.so.1", "libbz2.so.1.0"), "pkg/_n.abi3.so": elf("libEGL.so.1")}
    assert found(checked_layer(tmp_path, {"pkg": files})) == [
        (
            "warning",
            "missing-library",
            (
                "framework-checked: pkg: lib/python3.12/site-packages/pkg/_m.abi3.so (and 1 more)"
                " needs libEGL.so.1, libbz2.so.1.0: not in any layer, and not on every Linux; it"
                " has to be there where the layer runs, or to come with a package of the layer"
                " [missing-library]"
            ),
        )
    ]


def test_what_plug_ins_lack_is_a_note(tmp_path: Path) -> None:
    """They are for systems that have it, and nothing loads them elsewhere."""
    files = {
        MODULE: elf("libown.so", runpath="$ORIGIN"),
        "pkg/libown.so": elf(),
        "pkg/plugins/libplugin.so": elf("libmysqlclient.so.21"),
    }
    report = report_on(checked_layer(tmp_path, {"pkg": files}))
    ((finding),) = report.findings
    assert (finding.severity.name, finding.about) == ("NOTE", ("libmysqlclient.so.21",))
    assert any("1 libraries are used that nothing names" in what for what in report.unknown)


def test_programs_need_libraries_too(tmp_path: Path) -> None:
    layer = checked_layer(tmp_path, others={"bin/tool": Program(elf("libtool.so.3"))})
    assert [entry[:2] for entry in found(layer)] == [("warning", "missing-library")]


def test_libraries_of_a_lower_layer_are_noticed(tmp_path: Path) -> None:
    """J1, X7: also those with a version behind their suffix."""
    libraries = {"nv/lib/libcudart.so.12": elf(), "sub/.libs/libplain.so": elf()}
    lower = checked_layer(tmp_path, {"nvidia": libraries}, name="framework-lower")
    needs = elf("libcudart.so.12", "libplain.so", "libown.so.1")
    files = {MODULE: needs, "pkg/libs/libown.so.1": elf()}
    upper = checked_layer(tmp_path, {"pkg": files}, name="framework-upper", lower=(lower,))
    assert found(upper, lower) == [
        (
            "warning",
            "library-below",
            (
                "framework-upper: pkg: lib/python3.12/site-packages/pkg/_m.abi3.so needs"
                " libcudart.so.12, libplain.so of framework-lower, and the loader does not look"
                " there; unless the package loads it by itself, framework-upper has to have it"
                " [library-below]"
            ),
        )
    ]
    hiding = checked_layer(
        tmp_path,
        {"nvidia": libraries},
        name="framework-lower",
        hidden_libraries=("lib*.so.*", ".libs/*"),
    )
    assert [entry[1] for entry in found(upper, hiding)] == ["missing-library"]


def test_the_nearest_layer_is_named(tmp_path: Path) -> None:
    lower = checked_layer(tmp_path, {"b": {"libplain.so": elf()}}, name="framework-lower")
    nearer = checked_layer(tmp_path, {"a": {"libplain.so": elf()}}, name="framework-nearer")
    upper = checked_layer(
        tmp_path, {"pkg": {MODULE: elf("libplain.so")}}, name="app-top", lower=(nearer, lower)
    )
    ((_severity, _kind, text),) = found(upper, nearer, lower)
    assert "libplain.so of framework-nearer" in text


def test_without_a_layer_below_nothing_is_said_of_it(tmp_path: Path) -> None:
    lower = checked_layer(tmp_path, name="framework-lower")
    files = {MODULE: elf("libplain.so")}
    upper = checked_layer(tmp_path, {"pkg": files}, name="app-top", lower=(lower,))
    report = report_on(upper)
    assert report.findings == ()
    assert report.unknown[-1] == "how it goes with framework-lower, which is not here"


def test_on_macos(tmp_path: Path) -> None:
    files = {
        MODULE: mach_o(
            "@loader_path/.dylibs/libone.dylib",
            "@rpath/libtwo.dylib",
            "/DLC/pkg/libthree.dylib",
            "/usr/lib/libSystem.B.dylib",
            "/System/Library/Frameworks/Metal.framework/Versions/A/Metal",
            "@rpath/Qt.framework/Versions/A/Qt",
            "/usr/local/opt/gone/libgone.dylib",
            rpaths=["@loader_path/../lib"],
        ),
        "pkg/.dylibs/libone.dylib": mach_o(),
        "lib/libtwo.dylib": mach_o(),
        "else/libthree.dylib": mach_o(),
        "pkg/Qt.framework/Versions/A/Qt": mach_o(),
    }
    layer = checked_layer(tmp_path, {"pkg": files}, platform=MAC)
    ((severity, kind, text),) = found(layer)
    assert (severity, kind) == ("warning", "missing-library")
    assert "needs libgone.dylib: not in any layer, and not on every macOS" in text


def test_on_windows(tmp_path: Path) -> None:
    """J7: packages look after themselves there; case does not matter."""
    needs = ("KERNEL32.dll", "api-ms-win-crt-heap-l1-1-0.dll", "Python312.dll", "VCRUNTIME140.dll")
    files = {
        "pkg/_m.pyd": pe(*needs, "Own.dll", "below.dll", "MSVCP140.dll", "zlib1.dll"),
        "pkg/own.DLL": pe("USER32.dll"),
        "pkg/away.dll": pe(),
        "else/_n.pyd": pe("AWAY.dll"),
    }
    lower = checked_layer(
        tmp_path, {"low": {"low/below.dll": pe()}}, name="framework-lower", platform=WINDOWS
    )
    layer = checked_layer(tmp_path, {"pkg": files}, platform=WINDOWS, lower=(lower,))
    texts = sorted(text for _, _, text in found(layer, lower))
    assert len(texts) == 2
    assert "needs msvcp140.dll: not in any layer, and not on every Windows; where the" in texts[0]
    assert "Visual C++ Redistributable" in texts[0]
    assert "needs zlib1.dll: " in texts[1]


@pytest.mark.parametrize(
    ("library", "system", "everywhere"),
    [
        ("libGL.so.1", "linux", True),
        ("libcuda.so.1", "linux", False),
        ("libpython3.so", "linux", True),
        ("libc.musl-x86_64.so.1", "linux", False),
        ("/usr/lib/libc++.1.dylib", "darwin", True),
        ("/usr/local/lib/libz.dylib", "darwin", False),
        ("@rpath/libpython3.12.dylib", "darwin", True),
        ("ws2_32.dll", "win32", True),
        ("ext-ms-win-gdi-l1-1-0.dll", "win32", True),
        ("vcruntime140_1.dll", "win32", True),
        ("vcomp140.dll", "win32", False),
        ("winspool.drv", "win32", True),
    ],
)
def test_what_every_system_has(library: str, system: str, *, everywhere: bool) -> None:
    assert is_of_system(library, system) is everywhere


def newer(
    root: Path,
    content: bytes,
    path: str = MODULE,
    platform: str = "linux_x86_64",
    **targets: object,
) -> list[str]:
    layer = checked_layer(
        root,
        {"pkg": {path: content}},
        platform=PLATFORMS[platform],
        targets=Targets(**targets),  # type: ignore[arg-type]
    )
    return [text for _, _, text in found(layer)]


def test_symbols_of_a_newer_glibc(tmp_path: Path) -> None:
    """The newest one says it all."""
    content = elf(
        versions=[
            *(("libc.so.6", f"GLIBC_{version}") for version in ("2.17", "2.29", "2.34", "2.2.5")),
            ("libc.so.6", "GLIBC_PRIVATE"),
            ("libstdc++.so.6", "GLIBCXX_3.4.24"),
            ("libstdc++.so.6", "CXXABI_1.3.99"),
        ],
        weak=[("libc.so.6", "GLIBC_2.38")],
    )
    (text,) = newer(tmp_path, content)
    assert text.endswith(
        "needs GLIBC_2.34, and the layer is made for glibc 2.28; raise its `linux_target`, or take"
        " another version of the package [newer-system]"
    )
    assert newer(tmp_path, content, glibc=(2, 34)) == []
    (text,) = newer(tmp_path, elf(versions=[("libc.so.6", "GLIBC_ABI_DT_RELR")]))
    assert "needs GLIBC_2.36" in text


def test_symbols_of_a_newer_libstdcxx(tmp_path: Path) -> None:
    content = elf("libstdc++.so.6", versions=[("libstdc++.so.6", "GLIBCXX_3.4.29")])
    (text,) = newer(tmp_path, content)
    assert "needs GLIBCXX_3.4.29" in text
    assert newer(tmp_path, content, glibc=(2, 34)) == []
    assert newer(tmp_path, content, glibc=(2, 4)) == []  # older than what is known
    files = {MODULE: content, "pkg.libs/libstdc++.so.6": elf()}
    assert found(checked_layer(tmp_path, {"pkg": files})) == []


def test_a_newer_macos(tmp_path: Path) -> None:
    (text,) = newer(tmp_path, mach_o(macos=(14, 2)), platform="macosx_arm64")
    assert "needs macOS 14.2, and the layer is made for macOS 13.0; raise its `macosx_t" in text
    assert newer(tmp_path, mach_o(macos=(14, 2)), platform="macosx_arm64", macos=(15, 0)) == []


def test_what_only_a_plug_in_needs_newer_is_a_note(tmp_path: Path) -> None:
    content = elf(versions=[("libc.so.6", "GLIBC_2.34")])
    layer = checked_layer(tmp_path, {"pkg": {"pkg/libplugin.so": content}})
    assert [entry[:2] for entry in found(layer)] == [("note", "newer-system")]


def test_what_an_interpreter_of_this_machine_needs(tmp_path: Path) -> None:
    program = elf("libssl.so.3", versions=[("libc.so.6", "GLIBC_2.35")])
    others: dict[str, FileContent] = {"bin/python3.12": Program(program)}
    layer = checked_layer(tmp_path, others=others, kind=LayerKind.RUNTIME, name="base")
    texts = sorted(text for _, _, text in found(layer))
    assert [text.partition("; ")[2] for text in texts] == [
        'raise its `linux_target`, or use `runtime-source = "managed"` [newer-system]',
        (
            'it has to be there where the layer runs; with `runtime-source = "managed"` it is'
            " [missing-library]"
        ),
    ]


@pytest.mark.parametrize("platform", [MAC, WINDOWS], ids=str)
def test_binaries_for_others_are_not_looked_into(tmp_path: Path, platform: Platform) -> None:
    files = {"pkg/data.dylib": pe("gone.dll"), "pkg/data.dll": elf("libgone.so")}
    report = report_on(checked_layer(tmp_path, {"pkg": files}, platform=platform))
    assert report.findings == ()
    assert "anything about 1 binaries for other platforms" in report.unknown[0]


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("*", True),
        ("libx.so", True),
        ("lib?.so", True),
        ("lib[a-y].so", True),
        ("lib[!a-y].so", False),
        (".dylibs/libx.so", True),
        ("**/libx.so", True),
        ("pkg/**/libx.so", True),
        ("pkg/**/*", True),
        (".dylibs", False),
        ("lib", False),
        ("other/**/libx.so", False),
        ("site/pkg/.dylibs/libx.so", True),
        ("a/site/pkg/.dylibs/libx.so", False),
    ],
)
def test_patterns_match_the_end(pattern: str, *, matches: bool) -> None:
    """B9, #221: also through directories with a dot."""
    assert matches_end(PurePosixPath("site/pkg/.dylibs/libx.so"), pattern) is matches
