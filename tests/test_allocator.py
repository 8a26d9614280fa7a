"""What publishing tells glibc; how much memory that saves is for `nox -s bench` to say."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from venvlayers.allocator import give_back_large_blocks, save_memory

# Blocks of less than what gets a mapping of its own; each thread waits until all have theirs.
ARENAS = """
import ctypes, sys, threading
from venvlayers.allocator import save_memory
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.fopen.restype = ctypes.c_void_p
done = save_memory({environ!r})
all_have_some = threading.Barrier(9)
def take():
    libc.malloc(ctypes.c_size_t(50_000))
    all_have_some.wait(timeout=30)
threads = [threading.Thread(target=take) for _ in range(8)]
for thread in threads:
    thread.start()
libc.fclose.argtypes = libc.malloc_info.argtypes = None
out = ctypes.c_void_p(libc.fopen({place!r}.encode(), b"w"))
libc.malloc_info(0, out)
libc.fclose(out)
all_have_some.wait(timeout=30)
print(done, open({place!r}).read().count("<heap nr="))
"""

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="has another C library")


def arenas(place: str, environ: Mapping[str, str]) -> tuple[bool, int]:
    """Return whether it was limited, and how many arenas a process of nine threads has then."""
    program = ARENAS.format(environ=dict(environ), place=place)
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    done, count = run.stdout.decode().split()
    return done == "True", int(count)


@glibc
def test_threads_share_two_arenas(tmp_path_factory: pytest.TempPathFactory) -> None:
    place = str(tmp_path_factory.mktemp("arenas") / "info.xml")
    assert arenas(place, {}) == (True, 2)


@glibc
@pytest.mark.parametrize(
    "environ",
    [{"MALLOC_ARENA_MAX": "8"}, {"GLIBC_TUNABLES": "glibc.malloc.arena_max=8"}],
    ids=lambda environ: next(iter(environ)),
)
def test_who_said_how_many_has_so_many(
    tmp_path_factory: pytest.TempPathFactory, environ: dict[str, str]
) -> None:
    place = str(tmp_path_factory.mktemp("arenas") / "info.xml")
    done, count = arenas(place, environ)
    assert not done
    assert count > 2


@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch, system: str) -> None:
    monkeypatch.setattr(sys, "platform", system)
    assert not save_memory({})
    assert not give_back_large_blocks({})


# Once a block that had a mapping of its own was freed, those of its size are in a heap.
LARGE = """
import ctypes
from venvlayers.allocator import give_back_large_blocks
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
done = give_back_large_blocks({environ!r})
libc.free(ctypes.c_void_p(libc.malloc(ctypes.c_size_t(20_000_000))))
libc.malloc(ctypes.c_size_t(10_000_000))
libc.fopen.restype = ctypes.c_void_p
libc.fclose.argtypes = libc.malloc_info.argtypes = None
out = ctypes.c_void_p(libc.fopen({place!r}.encode(), b"w"))
libc.malloc_info(0, out)
libc.fclose(out)
told = open({place!r}).read().rpartition('<total type="mmap"')[2]
print(done, int(told.partition('size="')[2].partition('"')[0]) >= 10_000_000)
"""


@glibc
@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, True),
        ({"MALLOC_MMAP_THRESHOLD_": "1000"}, False),
        ({"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=1000"}, False),
    ],
)
def test_large_blocks_are_given_back(
    tmp_path: Path, environ: dict[str, str], *, expected: bool
) -> None:
    program = LARGE.format(environ=environ, place=str(tmp_path / "info.xml"))
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert run.stdout.decode().split() == [str(expected)] * 2
