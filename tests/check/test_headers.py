"""What binaries say is remembered by the hashes of records, and nothing that is damaged counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from venvlayers.build.model import Distribution
from venvlayers.check import headers
from venvlayers.check.binary import Binary, Format
from venvlayers.check.headers import Header, Headers

GLIBC = frozenset({("libc.so.6", "GLIBC_2.17"), ("libm.so.6", "GLIBC_2.29")})
SEEN: dict[str, Header] = {
    "a.so": (
        Binary(
            format=Format.ELF,
            machine="x86_64",
            name="liba.so.1",
            needed=("libc.so.6", "libm.so.6"),
            search=("$ORIGIN/libs",),
            versions=GLIBC,
        ),
    ),
    "b.so": (Binary(format=Format.ELF, machine="x86_64", versions=GLIBC),),
    "c.dylib": (
        Binary(format=Format.MACH_O, machine="x86_64", oldest_macos=(10, 13)),
        Binary(format=Format.MACH_O, machine="arm64", oldest_macos=(11, 0)),
    ),
    "cut.so": "it ends before what its header promises",
    "script.so": (),
}


class Reader:
    """Stands for the reading of files, which tests/check/test_reading.py is about."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def __call__(self, path: str) -> Header:
        name = path.rpartition("/")[2]
        self.read.append(name)
        return SEEN[name]

    def again(self) -> list[str]:
        """Return what was read since the last time."""
        found, self.read = sorted(self.read), []
        return found


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Reader:
    reader = Reader()
    monkeypatch.setattr(headers, "read_header", reader)
    return reader


def brought(*names: str, name: str = "lib", digest: str = "sha256=1") -> Distribution:
    hashes = dict.fromkeys(names, digest)
    return Distribution(name=name, version="1", files=(*names, "RECORD"), hashes=hashes)


def test_known_distributions_are_not_read(tmp_path: Path, reader: Reader) -> None:
    memory = tmp_path / "memory"
    lib = brought(*SEEN)
    assert Headers(memory).of("/env", SEEN, [lib]) == SEEN
    assert reader.again() == sorted(SEEN)
    assert Headers(memory).of("/elsewhere", SEEN, [lib]) == SEEN
    assert reader.again() == []
    assert Headers().of("/env", SEEN, [lib]) == SEEN
    assert reader.again() == sorted(SEEN)


def test_what_has_other_bytes_or_no_hash_is_read(tmp_path: Path, reader: Reader) -> None:
    memory = Headers(tmp_path / "memory")
    memory.of("/env", ["a.so", "b.so"], [brought("a.so"), brought("b.so", name="other")])
    reader.again()
    changed = [brought("a.so"), brought("b.so", name="other", digest="sha256=2")]
    assert list(memory.of("/env", ["b.so", "a.so", "cut.so"], changed)) == [
        *("b.so", "a.so", "cut.so")
    ]
    assert reader.again() == ["b.so", "cut.so"]  # the latter is nobody's


def test_a_file_of_two_is_read_once(tmp_path: Path, reader: Reader) -> None:
    both = [brought("a.so"), brought("a.so", name="other")]
    Headers(tmp_path).of("/env", ["a.so"], both)
    assert reader.again() == ["a.so"]


def test_damaged_files_do_not_count(tmp_path: Path, reader: Reader) -> None:
    memory, lib = Headers(tmp_path), brought("a.so")
    memory.of("/env", ["a.so"], [lib])
    (kept,) = tmp_path.iterdir()
    whole = kept.read_bytes()
    for damaged in (b"", whole[:-9], whole.replace(b"x86_64", b"x86_65"), b"\xff" + whole):
        kept.write_bytes(damaged)
        reader.again()
        assert memory.of("/env", ["a.so"], [lib]) == {"a.so": SEEN["a.so"]}
        assert reader.again() == ["a.so"]
        assert kept.read_bytes() == whole


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "1",
        "[1, 2]",
        "[[], []]",
        '[[], {"a.so": [1]}]',
        '[[], {"a.so": ["elf"]}]',
        '[[], {"a.so": [["elf", "x86_64", "", [], [], null, 0]]}]',
    ],
)
def test_what_another_program_wrote_does_not_count(
    tmp_path: Path, reader: Reader, text: str
) -> None:
    memory, lib = Headers(tmp_path), brought("a.so")
    memory.of("/env", ["a.so"], [lib])
    (kept,) = tmp_path.iterdir()
    memory._memory.remember(kept.name, text)
    reader.again()
    assert memory.of("/env", ["a.so"], [lib]) == {"a.so": SEEN["a.so"]}
    assert reader.again() == ["a.so"]


def test_what_cannot_be_kept_is_read_each_time(tmp_path: Path, reader: Reader) -> None:
    (tmp_path / "file").touch()
    memory = Headers(tmp_path / "file")
    for _ in range(2):
        assert memory.of("/env", ["a.so"], [brought("a.so")]) == {"a.so": SEEN["a.so"]}
    assert reader.again() == ["a.so", "a.so"]
