"""What was compressed before is copied: equal bytes, nothing read, nothing trusted unseen."""

from __future__ import annotations

import hashlib
import io
import os
import random
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from support.compare import tar_bytes
from support.layers import FileContent, make_layer
from support.mounts import needs_mounts, small
from venvlayers.build.model import LayerEnvironment
from venvlayers.build.record import recorded_hash
from venvlayers.cache.store import FrameStore
from venvlayers.errors import PublishError
from venvlayers.publish import stand_ins
from venvlayers.publish.canonical_tar import TarPart, tar_parts
from venvlayers.publish.contents import LARGE, plan_contents
from venvlayers.publish.format import ArchiveFormat, WrittenArchive
from venvlayers.publish.frames import KnownFrames
from venvlayers.publish.stand_ins import STAND_IN, stand_in_for
from venvlayers.publish.tars import GzipTar, PlainTar, XzTar
from venvlayers.publish.zips import Zip
from venvlayers.publish.zstd import ZstdTar
from venvlayers.publish.zstd_frames import NamelessFrame

PACKAGES = 5
ENTRIES = 1 + 2 * (2 + PACKAGES)
"""In a store: for directories, and two each for both directories of own files and for packages."""


def make_stack(path: Path, *, changed: str = "", **fields: str) -> LayerEnvironment:
    """Make a layer of packages whose `RECORD`s tell of every file."""
    files: dict[str, FileContent] = {"bin/start": b"start\n", "site/own.py": b"import sys\n"}
    owners = {}
    for number in range(PACKAGES):
        name = f"package{number}"
        owners[name] = tuple(f"site/{name}/{module}.py" for module in "abc")
        for module in owners[name]:
            text = f"{module} {changed if name == changed else ''}\n" * (2000 if number else 90_000)
            files[module] = text.encode()
    env = make_layer(path, files, owners, **fields)
    return replace(env, distributions=tuple(told(env)))


def told(env: LayerEnvironment) -> Iterator[object]:
    for one in env.distributions:
        hashes = {
            name: recorded_hash(hashlib.sha256((env.path / name).read_bytes()))
            for name in one.files
        }
        sizes = {name: (env.path / name).stat().st_size for name in one.files}
        yield replace(one, hashes=hashes, sizes=sizes)


def pack(
    env: LayerEnvironment,
    place: Path,
    frames: KnownFrames | None = None,
    *,
    level: int = 3,
    format_: ArchiveFormat | None = None,
) -> WrittenArchive:
    place.unlink(missing_ok=True)
    return (format_ or ZstdTar(threads=2)).write(
        plan_contents(env),
        place,
        level=level,
        advance=lambda _amount: None,
        frames=frames or KnownFrames(),
    )


def tar_of(env: LayerEnvironment) -> bytes:
    parts = tar_parts(plan_contents(env))
    return b"".join(chunk for part in parts for chunk in part.chunks())


@pytest.fixture
def store(tmp_path: Path) -> FrameStore:
    return FrameStore(tmp_path / "frames")


@contextmanager
def opened(below: Path) -> Iterator[set[str]]:
    """Tell which files below a directory are opened, by their relative names."""
    found: set[str] = set()
    watching = True

    def see(event: str, args: tuple[object, ...]) -> None:
        if watching and event == "open" and isinstance(args[0], str | bytes | Path):
            path = Path(os.fsdecode(args[0]))
            if path.is_relative_to(below) and path.is_file():
                found.add(path.relative_to(below).as_posix())

    sys.addaudithook(see)
    yield found
    watching = False


def entries(store: FrameStore) -> list[Path]:
    return sorted(path for path in store.directory.glob("v1/??/*") if path.is_file())


def test_what_is_known_is_copied_and_not_read(tmp_path: Path, store: FrameStore) -> None:
    env = make_stack(tmp_path / "env")
    plain = pack(env, tmp_path / "plain.tar.zst")
    first = pack(env, tmp_path / "first.tar.zst", KnownFrames(store))
    known = KnownFrames(store)
    with opened(env.path) as read:
        second = pack(env, tmp_path / "second.tar.zst", known)
    assert plain.sha256 == first.sha256 == second.sha256
    assert plain.frames == first.frames == second.frames
    assert read == {"bin/start", "site/own.py"}, "what no RECORD tells of, for its digest"
    assert known.taken == sum(frame.tar_size for frame in first.frames) - 1024


@pytest.mark.parametrize("make", [XzTar, GzipTar, Zip])
def test_other_formats_are_known_as_well(
    tmp_path: Path, store: FrameStore, make: Callable[[], ArchiveFormat]
) -> None:
    env = make_stack(tmp_path / "env")
    plain = pack(env, tmp_path / "plain", format_=make())
    first = pack(env, tmp_path / "first", KnownFrames(store), format_=make())
    known = KnownFrames(store)
    with opened(env.path / "site") as read:
        second = pack(env, tmp_path / "second", known, format_=make())
    assert plain.sha256 == first.sha256 == second.sha256
    assert plain.frames == first.frames == second.frames
    assert read == {"own.py"}
    zstd = KnownFrames(store)
    pack(env, tmp_path / "third", zstd)
    assert (known.taken > 0, zstd.taken) == (True, 0), "a frame is of one format"


def test_what_is_deflated_is_known_whatever_the_layer_is_called(
    tmp_path: Path, store: FrameStore
) -> None:
    """A new layer made of known packages costs copying, as a zip."""
    one = make_stack(tmp_path / "one", name="app-one")
    pack(one, tmp_path / "1.zip", KnownFrames(store), format_=Zip())
    env = make_stack(tmp_path / "two", name="framework-other@2")
    known = KnownFrames(store)
    with opened(env.path) as read:
        found = pack(env, tmp_path / "2.zip", known, format_=Zip())
    assert read == {"bin/start", "site/own.py"}, "what no RECORD tells of, for its digest"
    assert known.taken > 0
    assert found.sha256 == pack(env, tmp_path / "3.zip", format_=Zip()).sha256
    with zipfile.ZipFile(tmp_path / "2.zip") as archive:
        assert archive.testzip() is None
        for member in filter(lambda one: not one.is_dir(), archive.infolist()):
            top, _slash, path = member.filename.partition("/")
            assert top == "framework-other@2"
            assert archive.read(member) == (env.path / path).read_bytes()


def test_files_of_several_pieces_are_known_in_a_zip(tmp_path: Path, store: FrameStore) -> None:
    content = random.Random(1).randbytes(9 << 20) + bytes(5 << 20)
    files: dict[str, FileContent] = {"site/a.so": content, "site/b.so": content, "site/c.py": b""}
    env = make_layer(tmp_path / "env", files, {"package": tuple(files)})
    env = replace(env, distributions=tuple(told(env)))
    first = pack(env, tmp_path / "first", KnownFrames(store), format_=Zip())
    known = KnownFrames(store)
    with opened(env.path / "site") as read:
        second = pack(env, tmp_path / "second", known, format_=Zip())
    assert (read, first.sha256) == (set(), second.sha256)
    with zipfile.ZipFile(tmp_path / "second") as archive:
        assert archive.testzip() is None


def test_an_entry_of_somebody_else_is_not_made_a_zip_of(tmp_path: Path, store: FrameStore) -> None:
    """Whoever could write to the cache: it has the size, and is nothing that we wrote."""
    env = make_stack(tmp_path / "env")
    pack(env, tmp_path / "first", KnownFrames(store), format_=Zip())
    for path in entries(store):
        with store.find(path.name) as sound:
            facts = sound.facts
        with store.new(path.name) as frame:
            frame.write(b"x")
            frame.commit(facts).close()
    with pytest.raises(OSError, match="not what it says"):
        pack(env, tmp_path / "second", KnownFrames(store), format_=Zip())


def test_what_was_edited_by_hand_is_not_shipped(tmp_path: Path, store: FrameStore) -> None:
    """Either what was installed is, or nothing (X9)."""
    env = make_stack(tmp_path / "env")
    expected = pack(env, tmp_path / "a", KnownFrames(store)).sha256
    edited = env.path / "site" / "package2" / "b.py"
    before = edited.read_bytes()
    edited.write_bytes(before[::-1])
    assert pack(env, tmp_path / "b", KnownFrames(store)).sha256 == expected
    for stored, content in ((None, before[::-1]), (store, before + b"!")):
        edited.write_bytes(content)
        with pytest.raises(PublishError, match=r"site/package2/b\.py is not what was installed"):
            pack(env, tmp_path / "c", KnownFrames(stored))


def test_what_is_not_compressed_is_not_kept(tmp_path: Path, store: FrameStore) -> None:
    pack(
        make_stack(tmp_path / "env"),
        tmp_path / "a",
        KnownFrames(store),
        format_=PlainTar(),
        level=0,
    )
    assert entries(store) == []


def test_only_a_package_that_changed_is_read(tmp_path: Path, store: FrameStore) -> None:
    pack(make_stack(tmp_path / "env"), tmp_path / "first.tar.zst", KnownFrames(store))
    before = len(entries(store))
    env = make_stack(tmp_path / "env", changed="package3")
    with opened(env.path / "site") as read:
        found = pack(env, tmp_path / "second.tar.zst", KnownFrames(store))
    assert {name for name in read if name != "own.py"} == {
        f"package3/{module}.py" for module in "abc"
    }
    assert found.sha256 == pack(env, tmp_path / "plain.tar.zst").sha256
    assert len(entries(store)) == before + 2, "and its checksum"


def tar_size(archive: WrittenArchive) -> int:
    return sum(frame.tar_size for frame in archive.frames)


def frame_size(archive: WrittenArchive, name: str) -> int:
    return sum(frame.tar_size for frame in archive.frames if frame.name == name)


def test_what_is_known_is_known_whatever_the_layer_is_called(
    tmp_path: Path, store: FrameStore
) -> None:
    """A new layer made of known packages costs copying."""
    pack(make_stack(tmp_path / "one", name="app-one"), tmp_path / "1.tar.zst", KnownFrames(store))
    env = make_stack(tmp_path / "two", name="framework-other@2")
    known = KnownFrames(store)
    with opened(env.path) as read:
        found = pack(env, tmp_path / "2.tar.zst", known)
    assert read == {"bin/start", "site/own.py"}, "what no RECORD tells of, for its digest"
    assert known.taken == tar_size(found) - frame_size(found, ".") - 1024
    assert found.sha256 == pack(env, tmp_path / "3.tar.zst").sha256
    with tarfile.open(fileobj=io.BytesIO(tar_bytes(tmp_path / "2.tar.zst"))) as tar:
        for member in filter(tarfile.TarInfo.isfile, tar.getmembers()):
            top, _slash, path = member.name.partition("/")
            content = tar.extractfile(member)
            assert top == "framework-other@2"
            assert content is not None
            assert content.read() == (env.path / path).read_bytes()


@pytest.mark.parametrize("level", [16, 18, 19])
def test_what_is_known_is_known_at_the_highest_levels_too(
    tmp_path: Path, store: FrameStore, level: int
) -> None:
    """From 18 on three equal bytes are a match, and each part has a stand-in of its own."""
    one, two = (make_stack(tmp_path / name, name=f"app-{name}") for name in ("one", "two"))
    pack(one, tmp_path / "1.tar.zst", KnownFrames(store), level=level)
    known = KnownFrames(store)
    found = pack(two, tmp_path / "2.tar.zst", known, level=level)
    assert known.taken == tar_size(found) - frame_size(found, ".") - 1024
    assert found.sha256 == pack(two, tmp_path / "3.tar.zst", level=level).sha256
    assert tar_bytes(tmp_path / "2.tar.zst") == tar_of(two)


def one_package(
    path: Path, content: bytes = b"", *, name: str = "app-one"
) -> tuple[LayerEnvironment, TarPart]:
    """Make a layer of one package, with a file of that content; return its part too."""
    files: dict[str, FileContent] = {"site/a.py": b"a", "site/b.bin": content, "site/c.py": b"c"}
    env = make_layer(path / name, files, {"package": tuple(files)}, name=name)
    env = replace(env, distributions=tuple(told(env)))
    (part,) = [part for part in tar_parts(plan_contents(env)) if part.name == "package"]
    return env, part


def noise_with(text: bytes) -> bytes:
    """Return bytes that do not compress, and would with references to *text*."""
    noise = random.Random(0).randbytes(40_000)
    return b"".join(noise[begin : begin + 100] + text for begin in range(0, len(noise), 100))


def test_a_stand_in_has_nothing_in_common_with_what_is_near(
    tmp_path: Path, store: FrameStore
) -> None:
    _, plain = one_package(tmp_path / "plain")
    first = stand_in_for(plain)
    content = noise_with(first[:6])
    for name in ("app-one", "app-two"):
        env, part = one_package(tmp_path, content, name=name)
        known = KnownFrames(store)
        pack(env, tmp_path / "a.tar.zst", known, level=19)
        assert stand_in_for(part) not in {first, b""}
        assert tar_bytes(tmp_path / "a.tar.zst") == tar_of(env)
    assert known.taken >= len(content)


def test_what_a_stand_in_has_in_common_all_the_same_is_found(
    tmp_path: Path, store: FrameStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, plain = one_package(tmp_path / "plain")
    content = noise_with(stand_in_for(plain)[:6])
    monkeypatch.setattr(stand_ins, "_is_near_a_name", lambda _threes, _part: False)
    for name in ("app-one", "app-two"):
        env, _ = one_package(tmp_path, content, name=name)
        known = KnownFrames(store)
        pack(env, tmp_path / "a.tar.zst", known, level=19)
        assert tar_bytes(tmp_path / "a.tar.zst") == tar_of(env)
    assert known.taken < len(content), "each frame was made for the one name"


@pytest.mark.parametrize(("before", "is_first"), [(200_000, False), (3 << 20, True)])
def test_only_what_is_near_a_name_matters(tmp_path: Path, before: int, *, is_first: bool) -> None:
    _, plain = one_package(tmp_path / "plain", bytes(before + (2 << 20)))
    _, part = one_package(tmp_path, bytes(before) + stand_in_for(plain) + bytes(2 << 20))
    assert (stand_in_for(part) == stand_in_for(plain)) is is_first


def test_without_any_stand_in_a_frame_is_for_one_name(
    tmp_path: Path, store: FrameStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stand_ins, "_is_near_a_name", lambda _threes, _part: True)
    one, two = (make_stack(tmp_path / name, name=f"app-{name}") for name in ("one", "two"))
    pack(one, tmp_path / "1.tar.zst", KnownFrames(store), level=19)
    assert len(entries(store)) == 1 + 2 + PACKAGES, "no checksums"
    known = KnownFrames(store)
    pack(two, tmp_path / "2.tar.zst", known, level=19)
    assert known.taken == 0
    pack(two, tmp_path / "2.tar.zst", known, level=19)
    assert known.taken > 0
    assert tar_bytes(tmp_path / "2.tar.zst") == tar_of(two)


def test_a_file_that_has_what_stands_in_for_names(tmp_path: Path, store: FrameStore) -> None:
    """A compressor finds it, and the frame would put the layer's name into the file."""
    files: dict[str, FileContent] = {
        "site/evil.py": b"evil " + STAND_IN * 2 + b" evil",
        "site/good.py": b"good",
    }
    owners = {"package": tuple(files)}
    for name in ("app-one", "app-two"):
        env = make_layer(tmp_path / name, files, owners, name=name)
        plain = pack(env, tmp_path / "plain.tar.zst")
        first = pack(env, tmp_path / "first.tar.zst", KnownFrames(store))
        known = KnownFrames(store)
        second = pack(env, tmp_path / "second.tar.zst", known)
        assert plain.sha256 == first.sha256 == second.sha256
        assert known.taken == tar_size(first) - 1024
        assert tar_bytes(tmp_path / "second.tar.zst") == tar_of(env)


def test_a_frame_that_is_wrong_in_the_middle_of_others(
    tmp_path: Path, store: FrameStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever compressors do one day: what cannot be proven is made for the one name."""
    env = make_stack(tmp_path / "env")
    wrong = {"./", "package0", "package3"}
    monkeypatch.setattr(NamelessFrame, "is_right", lambda frame, _: frame.part.name not in wrong)
    plain = pack(env, tmp_path / "plain.tar.zst")
    tar = tar_of(env)
    assert tar_bytes(tmp_path / "plain.tar.zst") == tar
    assert plain.size == (tmp_path / "plain.tar.zst").stat().st_size
    assert plain.sha256 == hashlib.sha256((tmp_path / "plain.tar.zst").read_bytes()).hexdigest()
    pack(env, tmp_path / "first.tar.zst", KnownFrames(store))
    known = KnownFrames(store)
    assert pack(env, tmp_path / "second.tar.zst", known).sha256 == plain.sha256
    assert known.taken == len(tar) - 1024


@pytest.mark.parametrize("facts", [{}, {"name_at": "x"}, {"name_at": 3}])
def test_a_frame_without_a_place_for_the_name_is_not_taken(
    tmp_path: Path, store: FrameStore, facts: dict[str, object]
) -> None:
    env = make_stack(tmp_path / "env")
    first = pack(env, tmp_path / "first.tar.zst", KnownFrames(store))
    for path in entries(store):
        with store.find(path.name) as found:
            data, told = b"".join(found.chunks()), dict(found.facts)
        if told.pop("name_at", None) is None:
            continue
        with store.new(path.name) as frame:
            frame.write(data)
            frame.commit(told | facts).close()
    known = KnownFrames(store)
    assert pack(env, tmp_path / "second.tar.zst", known).sha256 == first.sha256
    assert known.taken == frame_size(first, ".")


def test_a_large_file_is_known_whatever_the_layer_is_called(
    tmp_path: Path, store: FrameStore
) -> None:
    def layer(name: str) -> LayerEnvironment:
        files: dict[str, FileContent] = {f"lib/{name}.so": b"so" * (LARGE // 2), "lib/small": b"s"}
        env = make_layer(tmp_path / name, files, {"package": tuple(files)}, name=name)
        return replace(env, distributions=tuple(told(env)))

    pack(layer("framework-a"), tmp_path / "a.tar.zst", KnownFrames(store))
    known, other = KnownFrames(store), layer("framework-a_2")
    with opened(other.path) as read:
        found = pack(other, tmp_path / "b.tar.zst", known)
    assert read == {"lib/small"}
    assert known.taken == LARGE
    assert found.sha256 == pack(other, tmp_path / "c.tar.zst").sha256


@pytest.mark.parametrize("where", [0.0, 0.5, 0.999])
def test_a_damaged_frame_is_replaced_and_never_shipped(
    tmp_path: Path, store: FrameStore, where: float
) -> None:
    env = make_stack(tmp_path / "env")
    expected = pack(env, tmp_path / "first.tar.zst", KnownFrames(store)).sha256
    sound = {path: path.read_bytes() for path in entries(store)}
    for path, content in sound.items():
        damaged = bytearray(content)
        damaged[int(len(damaged) * where)] ^= 1
        path.write_bytes(damaged)
    known = KnownFrames(store)
    assert pack(env, tmp_path / "second.tar.zst", known).sha256 == expected
    assert known.taken == 0
    assert {path: path.read_bytes() for path in entries(store)} == sound


def test_a_frame_for_another_part_is_not_taken(tmp_path: Path, store: FrameStore) -> None:
    """Whoever could write to the cache: what does not even have the size is not believed."""
    env = make_stack(tmp_path / "env")
    expected = pack(env, tmp_path / "first.tar.zst", KnownFrames(store)).sha256
    for path in entries(store):
        with store.new(path.name) as frame:
            frame.write(b"something else")
            frame.commit({"tar_size": 1}).close()
    known = KnownFrames(store)
    assert pack(env, tmp_path / "second.tar.zst", known).sha256 == expected
    assert known.taken == 0


def test_another_level_is_another_frame(tmp_path: Path, store: FrameStore) -> None:
    env = make_stack(tmp_path / "env")
    pack(env, tmp_path / "first.tar.zst", KnownFrames(store), level=3)
    known = KnownFrames(store)
    found = pack(env, tmp_path / "second.tar.zst", known, level=4)
    assert (known.taken, found.codec["level"]) == (0, 4)


FULL = """
import sys
from pathlib import Path
sys.path[:0] = {path!r}
from test_frames import FrameStore, KnownFrames, make_stack, pack
from venvlayers.report import LineReporter
env, cache, place = map(Path, sys.argv[1:])
try:
    (cache / "filler").write_bytes(bytes(300_000))
except OSError:
    pass
reporter = LineReporter(lambda kind, text: print(kind, text))
known = KnownFrames(FrameStore(cache / "frames"), reporter)
print(pack(make_stack(env), place, known).sha256)
print(list(cache.rglob("partial/*")))
"""


def test_without_room_for_frames_the_archive_is_made_all_the_same(tmp_path: Path) -> None:
    needs_mounts()
    cache = tmp_path / "cache"
    cache.mkdir()
    program = FULL.format(path=[str(Path(__file__).parent), *sys.path])
    arguments = [str(tmp_path / "env"), str(cache), str(tmp_path / "a.tar.zst")]
    command = [*small(cache, "200k"), sys.executable, "-c", program, *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    expected = pack(make_stack(tmp_path / "env"), tmp_path / "b.tar.zst").sha256
    assert run.stdout.splitlines() == [
        f"Kind.WARNING compressed frames are not kept in {cache}/frames: No space left on device",
        expected,
        "[]",
    ]


def test_a_failure_leaves_no_frame_of_what_was_not_packed(
    tmp_path: Path, store: FrameStore
) -> None:
    env = make_stack(tmp_path / "env")
    altered = env.path / "site" / "package2" / "b.py"
    altered.write_bytes(altered.read_bytes()[::-1])
    with pytest.raises(PublishError, match=r"site/package2/b\.py is not what was installed"):
        pack(env, tmp_path / "a.tar.zst", KnownFrames(store))
    assert not list((store.directory / "v1").glob("partial/*"))
    before = len(entries(store))
    env = make_stack(tmp_path / "env")
    known = KnownFrames(store)
    assert pack(env, tmp_path / "a.tar.zst", known).sha256 == pack(env, tmp_path / "b").sha256
    assert 0 < before < ENTRIES
    assert known.taken
    assert len(entries(store)) == ENTRIES
