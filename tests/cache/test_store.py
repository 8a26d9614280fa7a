"""The store of compressed frames: what it gives is what was written, or nothing."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import signal
import stat
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from support.mounts import needs_mounts, read_only, small
from venvlayers.cache import entry, held, writer
from venvlayers.cache.place import frame_cache
from venvlayers.cache.store import FrameStore, user_frames
from venvlayers.errors import SelectionError

KEY = hashlib.sha256(b"a frame").hexdigest()
FACTS = {"digest": "sha256:äöü", "size": 12345, "more": [1, None, {"x": 1.5}]}
SMALL = b"some compressed bytes"
LARGE = random.Random(6).randbytes((3 << 20) + 17)


@pytest.fixture
def store(tmp_path: Path) -> FrameStore:
    return FrameStore(tmp_path / "cache" / "frames")


def key(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def put(store: FrameStore, name: str, payload: bytes, facts: Mapping[str, Any] = FACTS) -> None:
    with store.new(name) as new:
        new.write(payload)
        new.commit(facts).close()


def get(store: FrameStore, name: str) -> bytes | None:
    frame = store.find(name)
    if frame is None:
        return None
    with frame:
        return b"".join(frame.chunks())


def place(store: FrameStore, name: str = KEY) -> Path:
    return store.directory / "v1" / name[:2] / name


def partial_files(store: FrameStore) -> list[Path]:
    return list((store.directory / "v1" / "partial").glob("*"))


def run(program: str, *arguments: str | Path, wrapper: tuple[str, ...] = ()) -> str:
    """Run a program of Python in a process of its own, and return what it prints."""
    command = [*wrapper, sys.executable, "-c", PRELUDE + program, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


PRELUDE = """
import errno, hashlib, random, sys
from pathlib import Path
from venvlayers.cache.store import FrameStore
store = FrameStore(Path(sys.argv[1]))
"""


# What is written is found.


@pytest.mark.parametrize("payload", [b"", SMALL, bytes(entry.PIECE), LARGE], ids=len)
def test_what_was_written_is_found(store: FrameStore, payload: bytes) -> None:
    assert store.find(KEY) is None
    new = store.new(KEY)
    for begin in range(0, len(payload), 300_000):
        new.write(payload[begin : begin + 300_000])
    assert store.find(KEY) is None
    written = new.commit(FACTS)
    found = store.find(KEY)
    assert found is not None
    for frame in (written, found):
        assert (frame.facts, frame.size) == (FACTS, len(payload))
        assert frame.sha256 == hashlib.sha256(payload).hexdigest()
        for _again in range(2):
            pieces = list(frame.chunks())
            assert b"".join(pieces) == payload
            assert max(map(len, pieces), default=0) <= 1 << 20
        frame.close()
        frame.close()
    assert partial_files(store) == []


def test_what_is_not_committed_is_not_there(store: FrameStore) -> None:
    for payload in (SMALL, LARGE):
        with store.new(KEY) as new:
            new.write(payload)
        new.discard()
        for call in (lambda new=new: new.write(b""), lambda new=new: new.commit({})):
            with pytest.raises(ValueError, match="committed or discarded"):
                call()
    assert store.find(KEY) is None
    assert partial_files(store) == []


def test_a_frame_is_committed_once(store: FrameStore) -> None:
    new = store.new(KEY)
    new.write(LARGE)
    frame = new.commit({})
    new.discard()
    with pytest.raises(ValueError, match="committed or discarded"):
        new.commit({})
    assert b"".join(frame.chunks()) == LARGE
    frame.close()
    with pytest.raises(ValueError, match="closed file"):
        next(frame.chunks())


@pytest.mark.parametrize("facts", [{"a": "x" * 70_000}, {"a": b"bytes"}], ids=["long", "bytes"])
def test_facts_are_a_little_json(store: FrameStore, facts: dict[str, Any]) -> None:
    new = store.new(KEY)
    new.write(LARGE)
    with pytest.raises((ValueError, TypeError)):
        new.commit(facts)
    assert store.find(KEY) is None
    assert partial_files(store) == []


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "ab", KEY + "/.."])
def test_a_key_is_a_digest(store: FrameStore, name: str) -> None:
    for call in (store.find, store.new):
        with pytest.raises(ValueError, match="digest in hexadecimal"):
            call(name)


def test_the_cache_is_its_owners_alone(store: FrameStore) -> None:
    put(store, KEY, LARGE)
    made = [store.directory.parent, store.directory, *store.directory.rglob("*/")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o700}
    assert stat.S_IMODE(place(store).stat().st_mode) == 0o600
    assert (store.directory / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172")


def test_a_cache_that_was_moved_serves(store: FrameStore, tmp_path: Path) -> None:
    """Between runs of a CI service it is packed and restored, elsewhere."""
    put(store, KEY, LARGE)
    moved = tmp_path / "elsewhere"
    subprocess.run(["cp", "-r", store.directory, moved], check=True)
    assert get(FrameStore(moved), KEY) == LARGE


def test_a_large_frame_is_never_in_memory(store: FrameStore) -> None:
    piece = random.Random(1).randbytes(1 << 20)
    tracemalloc.start()
    try:
        with store.new(KEY) as new:
            for _number in range(64):
                new.write(piece)
            new.commit({}).close()
        with store.find(KEY) or pytest.fail("not found") as frame:
            assert frame.size == sum(map(len, frame.chunks())) == 64 << 20
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6 << 20


# What is damaged is not.


def test_a_change_of_any_bit_shows(store: FrameStore) -> None:
    put(store, KEY, SMALL)
    good = place(store).read_bytes()
    for position in range(len(good)):
        for bit in range(8):
            bad = bytearray(good)
            bad[position] ^= 1 << bit
            place(store).write_bytes(bad)
            assert store.find(KEY) is None, (position, bit)
    put(store, KEY, SMALL)
    assert get(store, KEY) == SMALL


def test_a_change_of_a_large_entry_shows(store: FrameStore) -> None:
    put(store, KEY, LARGE)
    good = place(store).read_bytes()
    positions = [0, 1 << 20, len(LARGE) - 1, *range(len(LARGE), len(good), 7)]
    for position in positions:
        bad = bytearray(good)
        bad[position] ^= 4
        place(store).write_bytes(bad)
        assert store.find(KEY) is None, position
        assert not place(store).exists()


def test_an_entry_that_is_cut_or_grew_shows(store: FrameStore) -> None:
    for payload in (SMALL, LARGE):
        put(store, KEY, payload)
        good = place(store).read_bytes()
        lengths = [*range(0, len(good), max(1, len(good) // 50)), len(good) - 1]
        others = [good[:length] for length in lengths]
        others += [good[1:], b"x" + good, good + b"x", good + good, b"", bytes(len(good))]
        for bad in others:
            place(store).write_bytes(bad)
            assert store.find(KEY) is None
            assert not place(store).exists()


def test_what_others_put_there_is_not_used(store: FrameStore) -> None:
    put(store, KEY, SMALL)
    other = key(1)
    place(store, other).parent.mkdir(exist_ok=True)
    place(store, other).write_bytes(place(store).read_bytes())
    assert store.find(other) is None  # that of another key
    assert not place(store, other).exists()
    place(store, other).mkdir()
    assert store.find(other) is None
    new = store.new(other)
    with pytest.raises(IsADirectoryError):
        new.commit({})
    assert partial_files(store) == []


@pytest.mark.parametrize(
    "text",
    [b"{", b"\xff", b"[]", b"{}", b"[" * 50_000, b'{"facts": 1, "key": 1, "sha256": 1, "size": 1}'],
    ids=lambda text: text[:10],
)
def test_a_description_that_proves_itself_and_says_nothing(store: FrameStore, text: bytes) -> None:
    put(store, KEY, SMALL)
    told = text + entry._HEAD.pack(entry._MAGIC, entry._VERSION, len(text))
    place(store).write_bytes(SMALL + told + hashlib.sha256(told).digest())
    assert store.find(KEY) is None
    assert not place(store).exists()


@pytest.mark.parametrize("payload", [SMALL, LARGE], ids=len)
def test_an_entry_of_a_later_format_stays(store: FrameStore, payload: bytes) -> None:
    put(store, KEY, payload)
    later = bytearray(place(store).read_bytes())
    later[-37] = 2
    assert later[-44:-36] == b"venvfrm\x02"
    place(store).write_bytes(later)
    assert store.find(KEY) is None
    assert place(store).read_bytes() == later
    future = store.directory / "v2" / "ab" / KEY
    future.parent.mkdir(parents=True)
    future.write_bytes(payload)
    FrameStore(store.directory, limit=0).prune()
    assert future.exists()


def test_a_frame_that_is_cut_while_it_is_read(store: FrameStore) -> None:
    put(store, KEY, LARGE)
    with store.find(KEY) or pytest.fail("not found") as frame:
        os.truncate(place(store), 1000)
        with pytest.raises(OSError, match="shorter than it was"):
            list(frame.chunks())


# Several at once.


def test_threads_find_the_same_frames(store: FrameStore) -> None:
    payloads = {key(number): LARGE[: 700_000 * number] for number in range(4)}
    for name, payload in payloads.items():
        put(store, name, payload)
    place(store, key(3)).write_bytes(b"damaged")
    with ThreadPoolExecutor(8) as pool:
        names = [*payloads] * 25
        for name, found in zip(names, pool.map(lambda name: get(store, name), names), strict=True):
            assert found == (None if name == key(3) else payloads[name])


CROWD = """
numbers = random.Random(int(sys.argv[2]))
store.limit = 4_000_000
payloads = [random.Random(n).randbytes(n * 97_000) for n in range(16)]
found = 0
for turn in range(int(sys.argv[3])):
    number = numbers.randrange(16)
    key = hashlib.sha256(str(number).encode()).hexdigest()
    with store.find(key) or store.new(key) as frame:
        if hasattr(frame, "commit"):
            payload = memoryview(payloads[number])
            for begin in range(0, len(payload), 1 << 18):
                frame.write(payload[begin:begin + (1 << 18)])
            frame = frame.commit({"number": number})
        else:
            found += 1
        if numbers.random() < 0.3:
            store.prune()
        assert frame.facts == {"number": number}
        assert b"".join(frame.chunks()) == payloads[number]
        frame.close()
print(found)
"""


def test_processes_write_find_and_prune_the_same_frames(store: FrameStore) -> None:
    """Each sees whole frames or none, and none of them fails."""
    command = [sys.executable, "-c", PRELUDE + CROWD, store.directory]
    crowd = [
        subprocess.Popen([*command, str(seed), "150"], stdout=subprocess.PIPE) for seed in range(4)
    ]
    found = [int(process.communicate()[0]) for process in crowd]
    assert [process.returncode for process in crowd] == [0, 0, 0, 0]
    assert min(found) > 0
    store.limit = 4_000_000
    pruned = store.prune()
    assert pruned.size <= store.limit
    assert pruned.leftovers == 0
    assert partial_files(store) == []
    assert store.usage() == (pruned.kept, pruned.size)
    for number in range(16):
        assert get(store, key(number)) in (None, random.Random(number).randbytes(number * 97_000))


WRITE_HALF = """
new = store.new(sys.argv[2])
new.write(bytes(3 << 20))
print("written", flush=True)
sys.stdin.read()
"""


def test_what_a_killed_process_left_is_removed_and_never_found(store: FrameStore) -> None:
    command = [sys.executable, "-c", PRELUDE + WRITE_HALF, store.directory, KEY]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        (half,) = partial_files(store)
        assert FrameStore(store.directory, limit=0).prune().leftovers == 0
        assert half.exists()  # a running process holds it
        process.send_signal(signal.SIGKILL)
    assert half.exists()
    assert store.find(KEY) is None
    pruned = store.prune()
    assert (pruned.leftovers, pruned.freed, pruned.frames) == (1, 3 << 20, 0)
    assert partial_files(store) == []
    assert store.find(KEY) is None


def test_a_frame_stays_readable_when_it_is_pruned(store: FrameStore) -> None:
    new = store.new(KEY)
    new.write(LARGE)
    frames = [new.commit({}), store.find(KEY)]
    run("store.limit = 0; assert store.prune().frames == 1", store.directory)
    assert not place(store).exists()
    for frame in frames:
        assert frame is not None
        assert b"".join(frame.chunks()) == LARGE
        frame.close()


# A bound on the size.


def test_the_least_recently_used_frames_go_first(store: FrameStore) -> None:
    for number in range(6):
        put(store, key(number), SMALL)
        os.utime(place(store, key(number)), (1000 + number, 1000 + number))
    each = place(store, key(0)).stat().st_size
    assert get(store, key(1)) == SMALL  # used just now
    store.limit = 3 * each
    pruned = store.prune()
    assert (pruned.frames, pruned.freed) == (3, 3 * each)
    assert (pruned.kept, pruned.size) == (3, 3 * each)
    left = [number for number in range(6) if place(store, key(number)).exists()]
    assert left == [1, 4, 5]
    assert store.prune().frames == 0


def test_a_long_run_stays_near_the_bound(tmp_path: Path) -> None:
    store = FrameStore(tmp_path, limit=8_000_000)
    for number in range(200):
        put(store, key(number), LARGE[:200_000])
        assert store.usage()[1] <= store.limit * 9 / 8 + 201_000
    assert store.usage()[0] >= 35
    assert get(store, key(199)) is not None
    assert get(store, key(0)) is None


def test_many_short_runs_stay_near_the_bound(tmp_path: Path) -> None:
    """None of which writes much, or comes to an end at which it could clear up."""
    for number in range(40):
        store = FrameStore(tmp_path, limit=2_000_000)
        put(store, key(number), LARGE[:200_000])
        assert store.usage()[1] <= store.limit
    assert store.usage()[0] == 9


def test_what_is_no_frame_is_neither_counted_nor_removed(store: FrameStore) -> None:
    put(store, KEY, SMALL)
    root = store.directory / "v1"
    (root / "notes.txt").write_text("mine")
    (root / KEY[:2] / "notes.txt").write_text("mine")
    (root / KEY[:2] / key(1)).symlink_to(root / "notes.txt")
    (root / "partial" / "directory").mkdir()
    store.limit = 0
    pruned = store.prune()
    assert (pruned.frames, pruned.kept, pruned.leftovers) == (1, 0, 0)
    assert (root / "notes.txt").exists()
    assert (root / KEY[:2] / "notes.txt").exists()
    assert (root / KEY[:2] / key(1)).is_symlink()


def test_there_is_nothing_to_prune(store: FrameStore) -> None:
    pruned = store.prune()
    assert (pruned.frames, pruned.freed, pruned.kept, pruned.size) == (0, 0, 0, 0)
    assert not store.directory.exists()


# File systems that are full, or read-only.

FILL = """
import os
done = 0
for number in range(99):
    key = hashlib.sha256(str(number).encode()).hexdigest()
    payload = os.urandom(number % 2 and 1_900_000 or 900_000)
    try:
        new = store.new(key)
        for begin in range(0, len(payload), 70_000):
            new.write(payload[begin:begin + 70_000])
        new.commit({}).close()
    except OSError as error:
        assert error.errno == errno.ENOSPC, error
        assert store.find(key) is None
        break
    done += 1
assert [*store.directory.glob("v1/partial/*")] == []
for number in range(done):
    store.find(hashlib.sha256(str(number).encode()).hexdigest()).close()
print(done, store.usage()[0])
"""


@pytest.mark.parametrize("size", ["5m", "6m"])
def test_x28_a_full_file_system(store: FrameStore, size: str) -> None:
    """What was stored stays, nothing is left of what could not be, and the error says why."""
    needs_mounts()
    store.directory.mkdir(parents=True)
    done, kept = run(FILL, store.directory, wrapper=small(store.directory, size)).split()
    assert int(done) == int(kept) > 1


READ_ONLY = """
for key in sys.argv[2:]:
    with store.find(key) as frame:
        assert sum(map(len, frame.chunks())) == frame.size
for size in (10, 2_000_000):
    new = store.new("0123456789abcdef")
    try:
        new.write(bytes(size))
        new.commit({})
    except OSError as error:
        assert error.errno == errno.EROFS, error
    else:
        raise AssertionError
store.limit = 0
print(store.prune())
"""


def test_a_read_only_cache_serves(store: FrameStore) -> None:
    needs_mounts()
    put(store, KEY, SMALL)
    put(store, key(1), LARGE)
    printed = run(READ_ONLY, store.directory, KEY, key(1), wrapper=read_only(store.directory))
    assert printed.startswith("Pruned(frames=0, freed=0, leftovers=0, kept=2,")
    assert get(store, KEY) == SMALL


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for directory in (tmp_path / "file", tmp_path / "file" / "frames"):
        store = FrameStore(directory)
        assert store.find(KEY) is None
        assert store.prune().kept == 0
        with pytest.raises(OSError, match="file"):
            put(store, KEY, SMALL)


# Systems that differ.


@pytest.mark.parametrize("payload", [SMALL, LARGE], ids=len)
def test_where_open_files_cannot_be_renamed(
    store: FrameStore, monkeypatch: pytest.MonkeyPatch, payload: bytes
) -> None:
    """As on Windows, where the entry that is there cannot be replaced while it is read, either."""
    monkeypatch.setattr(writer, "RENAMES_OPEN_FILES", False)
    put(store, KEY, payload)
    assert get(store, KEY) == payload

    def refuse(self: Path, target: Path) -> Path:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(target))

    monkeypatch.setattr(Path, "replace", refuse)
    put(store, KEY, payload)
    assert get(store, KEY) == payload
    with pytest.raises(OSError, match="removed by another process"):
        put(store, key(1), payload)
    assert partial_files(store) == []


def test_without_locks_an_old_file_is_a_leftover(
    store: FrameStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some network file systems have none."""

    def refuse(_file: object, _operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(pytest.importorskip("fcntl"), "flock", refuse)
    put(store, KEY, LARGE)
    new = store.new(KEY)
    new.write(LARGE)
    (half,) = partial_files(store)
    assert store.prune().leftovers == 0
    os.utime(half, (0, 0))
    assert store.prune().leftovers == 1
    new.discard()


def test_a_new_file_that_was_taken_for_a_leftover(
    store: FrameStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process can see it before it is held."""
    make, made = tempfile.mkstemp, []

    def make_and_lose(**where: Any) -> tuple[int, str]:
        handle, name = make(**where)
        made.append(name)
        if len(made) == 1:
            assert held.remove_leftover(Path(name))
        return handle, name

    put(store, key(1), SMALL)
    monkeypatch.setattr(tempfile, "mkstemp", make_and_lose)
    put(store, KEY, SMALL)
    assert len(made) == 2
    assert get(store, KEY) == SMALL


# The user's.


def test_the_users_store(monkeypatch: pytest.MonkeyPatch) -> None:
    store = user_frames()
    assert store is not None
    assert (store.directory, store.limit) == (frame_cache(), 5_000_000_000)
    monkeypatch.setenv("VENVSTACKS_CACHE_SIZE", "1.5 GiB")
    store = user_frames()
    assert store is not None
    assert store.limit == 3 << 29
    monkeypatch.setenv("VENVSTACKS_CACHE_SIZE", "0")
    assert user_frames() is None
    monkeypatch.setenv("VENVSTACKS_CACHE_SIZE", "much")
    with pytest.raises(SelectionError, match="VENVSTACKS_CACHE_SIZE must be a size, not 'much'"):
        user_frames()
