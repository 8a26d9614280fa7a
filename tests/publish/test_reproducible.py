"""Equal contents give equal archives, whoever packs them, where, when and how (X6, X33)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from support.compare import assert_same_archives, tar_bytes
from support.layers import SMALL_FILES, FileContent, Link, make_layer, write_files
from venvlayers.build.model import LayerEnvironment
from venvlayers.publish.contents import plan_contents
from venvlayers.publish.format import EPOCH
from venvlayers.publish.frames import KnownFrames
from venvlayers.publish.zstd import ZstdTar


def pack(environment: LayerEnvironment, place: Path, *, level: int = 9, epoch: int = EPOCH) -> Path:
    ZstdTar().write(
        plan_contents(environment, epoch),
        place,
        level=level,
        advance=lambda _amount: None,
        frames=KnownFrames(),
    )
    return place


PROGRAM = """
import os, sys
from pathlib import Path
sys.path[:0] = {path!r}
os.umask({umask})
from support.layers import SMALL_FILES, make_layer
from test_reproducible import pack
names = sorted(SMALL_FILES, reverse={reverse})
env = make_layer(Path("env"), {{name: SMALL_FILES[name] for name in names}}, {owners!r})
pack(env, Path({place!r}))
"""


def pack_elsewhere(
    directory: Path, place: Path, *, umask: int, reverse: bool, **variables: str
) -> Path:
    """Make and pack the small layer in a process of its own."""
    directory.mkdir()
    path = [str(Path(__file__).parent), *sys.path]
    owners = {"beta": ("site/beta.py",), "alpha": ("site/alpha/__init__.py",)}
    program = PROGRAM.format(
        path=path, umask=umask, reverse=reverse, owners=owners, place=str(place)
    )
    environment = {**os.environ, **variables}
    subprocess.run([sys.executable, "-c", program], check=True, cwd=directory, env=environment)
    return place


def test_x33_neither_machine_nor_user_can_be_seen(tmp_path: Path) -> None:
    first = pack_elsewhere(
        tmp_path / "here",
        tmp_path / "first.tar.zst",
        umask=0o022,
        reverse=False,
        TZ="UTC",
        PYTHONHASHSEED="1",
        LC_ALL="C.UTF-8",
    )
    second = pack_elsewhere(
        tmp_path / "a longer place \u00e4",
        tmp_path / "second.tar.zst",
        umask=0o077,
        reverse=True,
        TZ="Asia/Kathmandu",
        PYTHONHASHSEED="2",
        LC_ALL="C",
    )
    assert_same_archives(first, second)


def test_x6_neither_times_nor_modes_nor_bytecode_matter(tmp_path: Path) -> None:
    first = pack(make_layer(tmp_path / "first"), tmp_path / "first.tar.zst")
    env = make_layer(tmp_path / "second")
    write_files(env.path, {"site/__pycache__/beta.cpython-312.pyc": b"x", "__pycache__/y": b"y"})
    for path in [env.path, *env.path.rglob("*")]:
        if not path.is_symlink():
            os.utime(path, (1, 1))
            path.chmod(0o700 if path.is_dir() or path.name == "tool" else 0o600)
    assert_same_archives(first, pack(env, tmp_path / "second.tar.zst"))


def test_the_system_s_listing_order_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = make_layer(tmp_path / "env")
    first = pack(env, tmp_path / "first.tar.zst")
    scandir = os.scandir

    class Backwards:
        def __init__(self, path: str) -> None:
            self._listing = scandir(path)

        def __enter__(self) -> list[os.DirEntry[str]]:
            with self._listing:
                return list(self._listing)[::-1]

        def __exit__(self, *_exc: object) -> None:
            pass

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", Backwards)
        second = pack(env, tmp_path / "second.tar.zst")
    assert_same_archives(first, second)


def test_a_comparison_says_where_the_difference_is(tmp_path: Path) -> None:
    env = make_layer(tmp_path / "env")
    first = pack(env, tmp_path / "first.tar.zst", epoch=0)
    beta = bytearray((env.path / "site" / "beta.py").read_bytes())
    beta[7] = ord("#")
    (env.path / "site" / "beta.py").write_bytes(beta)
    second = pack(env, tmp_path / "second.tar.zst", epoch=0)
    with pytest.raises(AssertionError, match=r"content of 'app-demo/site/beta.py' at 7: "):
        assert_same_archives(first, second)


def test_a_comparison_says_which_header_differs(tmp_path: Path) -> None:
    env = make_layer(tmp_path / "env")
    first = pack(env, tmp_path / "first.tar.zst")
    (env.path / "site" / "beta.py").chmod(0o755)
    with pytest.raises(AssertionError, match=r"header of 'app-demo/site/beta.py' at \d+: "):
        assert_same_archives(first, pack(env, tmp_path / "second.tar.zst"))


def test_a_comparison_says_that_only_the_compression_differs(tmp_path: Path) -> None:
    env = make_layer(tmp_path / "env", {"a": bytes(range(256)) * 200})
    first = pack(env, tmp_path / "first.tar.zst")
    second = pack(env, tmp_path / "second.tar.zst", level=1)
    with pytest.raises(AssertionError, match="hold the same tar, and differ at byte"):
        assert_same_archives(first, second)


def test_a_comparison_says_when_one_is_shorter(tmp_path: Path) -> None:
    first = pack(make_layer(tmp_path / "env"), tmp_path / "first.tar.zst")
    (tmp_path / "short.tar").write_bytes(tar_bytes(first)[:-700])
    with pytest.raises(AssertionError, match="archives differ"):
        assert_same_archives(first, tmp_path / "short.tar")


@pytest.mark.skipif(not (shutil.which("tar") and shutil.which("zstd")), reason="needs tar, zstd")
@pytest.mark.parametrize("way", ["tar", "pipe"])
def test_ordinary_tools_unpack_it(tmp_path: Path, way: str) -> None:
    long: dict[str, FileContent] = {f"{'long ' * 15}/{'name' * 50}": b"long", "l": Link("t" * 150)}
    env = make_layer(tmp_path / "env", SMALL_FILES | long)
    archive = pack(env, tmp_path / "a.tar.zst")
    out = tmp_path / "out"
    out.mkdir()
    commands = {
        "tar": f"tar -C '{out}' --use-compress-program=zstd -xf '{archive}'",
        "pipe": f"zstd -dc '{archive}' | tar -C '{out}' -xf -",
    }
    subprocess.run(commands[way], shell=True, check=True)
    found = {path.relative_to(out / "app-demo") for path in (out / "app-demo").rglob("*")}
    assert found == {path.relative_to(env.path) for path in env.path.rglob("*")}
    assert (out / "app-demo" / "site" / "beta.py").read_bytes() == SMALL_FILES["site/beta.py"]
    assert os.access(out / "app-demo" / "bin" / "tool", os.X_OK)


def test_tarfile_reads_it_back(tmp_path: Path) -> None:
    archive = pack(make_layer(tmp_path / "env"), tmp_path / "a.tar.zst")
    (tmp_path / "a.tar").write_bytes(tar_bytes(archive))
    with tarfile.open(tmp_path / "a.tar") as tar:
        assert "app-demo/site/gr\u00fc\u00df gott.txt" in tar.getnames()
