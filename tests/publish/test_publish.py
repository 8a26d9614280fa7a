from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.compare import assert_same_archives
from support.layers import make_layer, make_runtime
from venvlayers.build.model import LayerEnvironment
from venvlayers.errors import PublishError
from venvlayers.files import sha256_file
from venvlayers.platforms import PLATFORMS
from venvlayers.publish.contents import LayerContents
from venvlayers.publish.format import WrittenArchive
from venvlayers.publish.manifest import listed_entries
from venvlayers.publish.outputs import Outputs, clean, published_before, published_outputs
from venvlayers.publish.publish import Kept, publish
from venvlayers.publish.zstd import ZstdTar
from venvlayers.report import Kind, LineReporter, silent
from venvlayers.spec.kinds import LayerKind

as_root = pytest.mark.skipif(
    hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everywhere"
)


@pytest.fixture
def layers(tmp_path: Path) -> list[LayerEnvironment]:
    return [make_runtime(tmp_path / "runtime"), make_layer(tmp_path / "app")]


@pytest.fixture
def outputs(tmp_path: Path) -> Outputs:
    return Outputs(
        directory=tmp_path / "dist",
        platform=PLATFORMS["linux_x86_64"],
        tagged=False,
        format=ZstdTar(),
        state_file=tmp_path / "state" / "published.json",
    )


def files(directory: Path) -> dict[str, str]:
    """Return every file with its digest."""
    return {
        path.relative_to(directory).as_posix(): sha256_file(path)
        for path in directory.rglob("*")
        if path.is_file()
    }


def publish_twice(
    layers: list[LayerEnvironment], outputs: Outputs, change: Callable[[Path], object]
) -> list[bool]:
    """Publish, change the application's archive, publish again; return what was reused."""
    _runtime, app = publish(layers, outputs, reporter=silent())
    expected = files(outputs.directory)
    change(app.archive)
    again = publish(layers, outputs, reporter=silent())
    assert files(outputs.directory) == expected
    return [layer.reused for layer in again]


def test_what_lies_there_afterwards(layers: list[LayerEnvironment], outputs: Outputs) -> None:
    published = publish(layers, outputs, reporter=silent())
    assert set(files(outputs.directory)) == {
        *("cpython-3.12.tar.zst", "app-demo.tar.zst", "__venvstacks__/venvstacks.json"),
        "__venvstacks__/env_metadata/cpython-3.12.json",
        "__venvstacks__/env_metadata/app-demo.json",
        "SHA256SUMS",
    }
    manifest = json.loads(outputs.manifest.read_text("utf-8"))["layers"]
    assert manifest["runtimes"] == [published[0].metadata]
    assert manifest["applications"] == [published[1].metadata]
    for layer in published:
        hashes = layer.metadata["archive_hashes"]
        assert sha256_file(layer.archive) == f"sha256:{hashes['sha256']}"
        assert layer.archive.stat().st_size == layer.metadata["archive_size"]


def verified(outputs: Outputs, *names: str) -> list[str]:
    """Return what ``sha256sum -c`` finds to be right."""
    command = ["sha256sum", "--check", "--strict", *names]
    done = subprocess.run(
        command, cwd=outputs.directory, stdout=subprocess.PIPE, encoding="utf-8", check=True
    )
    return [line.removesuffix(": OK") for line in done.stdout.splitlines()]


def test_checksums_are_for_sha256sum(layers: list[LayerEnvironment], outputs: Outputs) -> None:
    publish(layers, outputs, reporter=silent())
    publish(layers, replace(outputs, tagged=True), reporter=silent())
    untagged = ["app-demo.tar.zst", "cpython-3.12.tar.zst"]
    assert verified(outputs, "SHA256SUMS") == untagged
    tagged = [name.replace(".tar", "-linux_x86_64.tar") for name in untagged]
    assert verified(outputs, "SHA256SUMS", "SHA256SUMS-linux_x86_64") == [*untagged, *tagged]
    assert b"\r" not in (outputs.directory / "SHA256SUMS").read_bytes()


@pytest.mark.parametrize("damage", [None, "", "0  app-demo.tar.zst\n", "\udcff"])
def test_checksums_are_mended(
    layers: list[LayerEnvironment], outputs: Outputs, damage: str | None
) -> None:
    publish(layers, outputs, reporter=silent())
    place = outputs.directory / "SHA256SUMS"
    before = place.read_bytes()
    place.unlink()
    if damage is not None:
        place.write_bytes(damage.encode("utf-8", "surrogateescape"))
    assert published_before(outputs) == {}
    assert all(layer.reused for layer in publish(layers, outputs, reporter=silent()))
    assert place.read_bytes() == before
    assert set(published_before(outputs)) == {layer.env_name for layer in layers}


def test_checksums_go_with_the_last_layer(layers: list[LayerEnvironment], outputs: Outputs) -> None:
    publish(layers, outputs, reporter=silent())
    publish([], outputs, reporter=silent())
    assert set(files(outputs.directory)) == {"__venvstacks__/venvstacks.json"}


def test_checksums_of_somebody_else_are_not_cleaned(
    layers: list[LayerEnvironment], outputs: Outputs
) -> None:
    publish(layers, outputs, reporter=silent())
    place = outputs.directory / "SHA256SUMS"
    place.write_text(place.read_text("utf-8") + f"{0:064x}  mine\n", "utf-8")
    clean(outputs.directory)
    assert set(files(outputs.directory)) == {"SHA256SUMS"}


def test_tagged_names_have_the_platform(layers: list[LayerEnvironment], outputs: Outputs) -> None:
    publish(layers, replace(outputs, tagged=True), reporter=silent())
    assert set(files(outputs.directory)) == {
        *("cpython-3.12-linux_x86_64.tar.zst", "app-demo-linux_x86_64.tar.zst"),
        "__venvstacks__/venvstacks-linux_x86_64.json",
        "__venvstacks__/env_metadata/cpython-3.12-linux_x86_64.json",
        "__venvstacks__/env_metadata/app-demo-linux_x86_64.json",
        "SHA256SUMS-linux_x86_64",
    }


def test_published_files_have_no_build_keys(
    layers: list[LayerEnvironment], outputs: Outputs, tmp_path: Path
) -> None:
    publish(layers, outputs, reporter=silent())
    text = outputs.manifest.read_text("utf-8")
    assert "sha256:one" not in text
    assert str(tmp_path) not in text
    assert "sha256:one" in outputs.state_file.read_text("utf-8")


def test_what_is_in_place_is_not_packed_again(
    layers: list[LayerEnvironment], outputs: Outputs
) -> None:
    publish(layers, outputs, reporter=silent())
    times = {path: path.stat().st_mtime_ns for path in outputs.directory.rglob("*.*")}
    said: list[tuple[Kind, str]] = []
    again = publish(layers, outputs, reporter=LineReporter(lambda *message: said.append(message)))
    assert [layer.reused for layer in again] == [True, True]
    assert {path: path.stat().st_mtime_ns for path in outputs.directory.rglob("*.*")} == times
    assert [text.split(":")[0] for kind, text in said if kind is Kind.STEP] == [
        "keeping cpython-3.12",
        "keeping app-demo",
    ]


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def damage(path: Path) -> None:
    times = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


CHANGES = [truncate, damage, Path.unlink]


@pytest.mark.parametrize("change", CHANGES)
def test_x24_an_archive_that_is_not_what_it_was_is_packed_again(
    layers: list[LayerEnvironment], outputs: Outputs, change: Callable[[Path], object]
) -> None:
    assert publish_twice(layers, outputs, change) == [True, False]


def test_metadata_and_manifest_are_mended(layers: list[LayerEnvironment], outputs: Outputs) -> None:
    def change(archive: Path) -> None:
        outputs.manifest.write_text("{", "utf-8")
        next(archive.parent.rglob("app-demo.json")).unlink()

    assert publish_twice(layers, outputs, change) == [True, True]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 1}', '{"version": 2}'])
@pytest.mark.parametrize("more", ["", '"archives": {"app-demo.tar.zst": {}}'])
def test_a_damaged_state_only_costs_time(
    layers: list[LayerEnvironment], outputs: Outputs, content: str, more: str
) -> None:
    publish(layers, outputs, reporter=silent())
    outputs.state_file.write_text(content.replace("2}", f"2, {more}}}" if more else "2}"), "utf-8")
    assert not any(layer.reused for layer in publish(layers, outputs, reporter=silent()))


@pytest.mark.parametrize(
    "change",
    [
        {"key": "sha256:other"},
        {"deployed_name": "app-demo@2"},
    ],
)
def test_another_layer_is_packed_anew(
    layers: list[LayerEnvironment], outputs: Outputs, change: dict[str, Any]
) -> None:
    publish(layers, outputs, reporter=silent())
    again = publish([layers[0], replace(layers[1], **change)], outputs, reporter=silent())
    assert [layer.reused for layer in again] == [True, False]


@pytest.mark.parametrize("change", [{"level": 1}, {"timestamp": 7}])
def test_another_way_to_pack_is_noticed(
    layers: list[LayerEnvironment], outputs: Outputs, change: dict[str, Any]
) -> None:
    publish(layers, outputs, reporter=silent())
    again = publish(layers, replace(outputs, **change), reporter=silent())
    assert [layer.reused for layer in again] == [False, False]


def test_metadata_that_changes_alone_is_written(
    layers: list[LayerEnvironment], outputs: Outputs
) -> None:
    publish(layers, outputs, reporter=silent())
    changed = replace(layers[1], requirements_hash="sha256:new")
    (_runtime, app) = publish([layers[0], changed], outputs, reporter=silent())
    assert app.reused
    assert "sha256:new" in outputs.manifest.read_text("utf-8")


def test_x19_superseded_outputs_are_removed(
    layers: list[LayerEnvironment], outputs: Outputs
) -> None:
    versioned = replace(layers[1], deployed_name="app-demo@1")
    publish([layers[0], versioned], outputs, reporter=silent())
    (outputs.directory / "app-demo@0.tar.zst").write_bytes(b"not listed")
    publish(
        [layers[0], replace(versioned, deployed_name="app-demo@2", lock_version=2)],
        outputs,
        reporter=silent(),
    )
    assert sorted(path.name for path in outputs.directory.glob("*.zst")) == [
        *("app-demo@0.tar.zst", "app-demo@2.tar.zst", "cpython-3.12.tar.zst"),
    ]


def test_a_layer_that_is_left_out_leaves_nothing(
    layers: list[LayerEnvironment], outputs: Outputs
) -> None:
    publish(layers, outputs, reporter=silent())
    publish(layers[:1], outputs, reporter=silent())
    assert not [name for name in files(outputs.directory) if "app-demo" in name]


def test_a_kept_layer_stays(layers: list[LayerEnvironment], outputs: Outputs) -> None:
    publish(layers, outputs, reporter=silent())
    before = files(outputs.directory)
    kept = Kept(kind=LayerKind.RUNTIME, env_name="cpython-3.12", platform=PLATFORMS["linux_x86_64"])
    published = publish([kept, layers[1]], outputs, reporter=silent())
    assert [layer.reused for layer in published] == [True, True]
    assert files(outputs.directory) == before
    assert all(layer.reused for layer in publish(layers, outputs, reporter=silent()))


@pytest.mark.parametrize("change", CHANGES)
def test_a_kept_layer_without_its_archive_is_warned_of(
    layers: list[LayerEnvironment], outputs: Outputs, change: Callable[[Path], object]
) -> None:
    publish(layers, outputs, reporter=silent())
    change(outputs.directory / "cpython-3.12.tar.zst")
    said: list[tuple[Kind, str]] = []
    kept = Kept(kind=LayerKind.RUNTIME, env_name="cpython-3.12", platform=PLATFORMS["linux_x86_64"])
    reporter = LineReporter(lambda *message: said.append(message))
    published = publish([kept, layers[1]], outputs, reporter=reporter)
    assert [layer.env_name for layer in published] == ["app-demo"]
    assert [text for kind, text in said if kind is Kind.WARNING and "cpython-3.12" in text]


def test_a_kept_layer_for_another_platform_leaves_an_untagged_manifest(
    layers: list[LayerEnvironment], outputs: Outputs
) -> None:
    publish(layers, outputs, reporter=silent())
    said: list[tuple[Kind, str]] = []
    kept = Kept(kind=LayerKind.RUNTIME, env_name="cpython-3.12", platform=PLATFORMS["win_arm64"])
    elsewhere = replace(outputs, platform=PLATFORMS["win_arm64"])
    reporter = LineReporter(lambda *message: said.append(message))
    published = publish([kept], elsewhere, reporter=reporter)
    assert published == ()
    what = f"cpython-3.12 leaves the manifest: cpython-3.12.tar.zst is for {outputs.platform}"
    assert (Kind.WARNING, what) in said


@pytest.mark.parametrize(
    "damage",
    [
        {"layer_name": ["cpython-3.12"]},
        {"install_target": {}},
        {"runtime_layer": []},
        {"required_layers": 5},
        {"required_layers": [["framework"]]},
    ],
)
def test_an_entry_that_is_not_ours_counts_as_absent(
    layers: list[LayerEnvironment], outputs: Outputs, damage: dict[str, object]
) -> None:
    publish(layers, outputs, reporter=silent())
    document = json.loads(outputs.manifest.read_bytes())
    document["layers"]["runtimes"][0].update(damage)
    outputs.manifest.write_text(json.dumps(document), "utf-8")
    assert [entry["layer_name"] for _, entry in listed_entries(outputs.manifest)] == ["app-demo"]
    assert "cpython-3.12" not in published_before(outputs)
    kept = Kept(kind=LayerKind.RUNTIME, env_name="cpython-3.12", platform=PLATFORMS["linux_x86_64"])
    assert [layer.env_name for layer in publish([kept, layers[1]], outputs, reporter=silent())] == [
        "app-demo"
    ]


def test_published_before(layers: list[LayerEnvironment], outputs: Outputs) -> None:
    assert published_before(outputs) == {}
    published = publish(layers, outputs, reporter=silent())
    found = published_before(outputs)
    assert list(found) == ["cpython-3.12", "app-demo"]
    assert found["app-demo"].recipe == outputs.recipe(layers[1])
    layer = found["app-demo"].layer
    assert layer == replace(published[1], reused=True)
    damage(layer.archive)
    assert list(published_before(outputs)) == ["cpython-3.12"]
    next(outputs.directory.rglob("cpython-3.12.json")).write_bytes(b"\xff")
    assert published_before(outputs) == {}


class Failing(ZstdTar):
    """Writes half of the application, and fails."""

    def __init__(self, failure: BaseException) -> None:
        super().__init__()
        self.failure = failure

    def write(self, contents: LayerContents, place: Path, **more: Any) -> WrittenArchive:
        if contents.layer == "app-demo":
            place.write_bytes(b"half")
            raise self.failure
        return super().write(contents, place, **more)


@pytest.mark.parametrize(
    ("failure", "seen"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt),
        (OSError(28, "No space left on device"), PublishError),
        (PublishError("x"), PublishError),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_failure_leaves_everything_as_it_was(
    layers: list[LayerEnvironment],
    outputs: Outputs,
    failure: BaseException,
    seen: type[BaseException],
    *,
    first: bool,
) -> None:
    if not first:
        publish(layers, outputs, reporter=silent())
    before = files(outputs.directory)
    changed = [replace(layer, key="sha256:other") for layer in layers]
    with pytest.raises(seen):
        publish(changed, replace(outputs, format=Failing(failure)), reporter=silent())
    assert files(outputs.directory) == before
    assert not list(outputs.directory.glob(".*"))


@pytest.mark.parametrize("step", range(6))
def test_a_failure_while_putting_in_place_is_undone(
    layers: list[LayerEnvironment], outputs: Outputs, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    publish(
        [*layers, make_layer(layers[0].path.parent / "old", name="app-old")],
        outputs,
        reporter=silent(),
    )
    before = files(outputs.directory)
    (layers[0].path / "more").write_bytes(b"more")
    (layers[1].path / "more").write_bytes(b"more")
    changed = [replace(layer, key="sha256:other") for layer in layers]
    real, unlink, steps = Path.replace, Path.unlink, iter(range(1000))

    def interrupted(path: Path, *more: Any, **options: Any) -> Any:
        if outputs.directory in path.parents and next(steps) == step:
            raise KeyboardInterrupt
        return real(path, *more) if more else unlink(path, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", interrupted)
        patched.setattr(Path, "unlink", interrupted)
        with pytest.raises(KeyboardInterrupt):
            publish(changed, outputs, reporter=silent())
    assert files(outputs.directory) == before
    assert not list(outputs.directory.glob(".*"))
    assert not any(layer.reused for layer in publish(changed, outputs, reporter=silent()))


def test_a_directory_in_the_way_is_not_touched(
    layers: list[LayerEnvironment], outputs: Outputs
) -> None:
    mine = outputs.directory / "app-demo.tar.zst" / "mine"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    with pytest.raises(PublishError, match=r"app-demo\.tar\.zst"):
        publish(layers, outputs, reporter=silent())
    assert files(outputs.directory) == files(mine.parent.parent)
    assert mine.read_bytes() == b"mine"
    assert list(files(outputs.directory)) == ["app-demo.tar.zst/mine"]


def test_without_hard_links_too(
    layers: list[LayerEnvironment], outputs: Outputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object) -> None:
        raise OSError(1, "Operation not permitted")

    publish(layers, outputs, reporter=silent())
    monkeypatch.setattr(os, "link", refuse)
    again = publish(
        [replace(layer, key="sha256:other") for layer in layers], outputs, reporter=silent()
    )
    assert not any(layer.reused for layer in again)
    assert len(files(outputs.directory)) == 6


def test_a_file_in_place_of_the_directory(layers: list[LayerEnvironment], outputs: Outputs) -> None:
    outputs.directory.write_bytes(b"")
    with pytest.raises(PublishError, match="dist") as failure:
        publish(layers, outputs, reporter=silent())
    assert failure.value.hint


@as_root
def test_a_directory_that_may_not_be_written(
    layers: list[LayerEnvironment], outputs: Outputs
) -> None:
    outputs.directory.mkdir(mode=0o500)
    with pytest.raises(PublishError, match="dist") as failure:
        publish(layers, outputs, reporter=silent())
    assert "may write" in (failure.value.hint or "")


RUN = """
import resource, sys, time
from dataclasses import replace
from pathlib import Path
sys.path[:0] = {path!r}
from support.layers import make_layer
from venvlayers.errors import PublishError
from venvlayers.platforms import PLATFORMS
from venvlayers.publish.outputs import Outputs
from venvlayers.publish.publish import publish
from venvlayers.publish.zstd import ZstdTar
from venvlayers.report import silent
root = Path({root!r})
content = {{"data": open("/dev/urandom", "rb").read(3_000_000)}}
outputs = Outputs(directory=root / "dist", platform=PLATFORMS["linux_x86_64"], tagged=False,
                  format=ZstdTar(), state_file=root / "state.json")
env = make_layer(root / "app", content, key="sha256:other")
{body}
"""

FULL = """
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
try:
    publish([env], outputs, reporter=silent())
except PublishError as error:
    print(error)
"""

KILLED = """
class Slow(ZstdTar):
    def write(self, contents, place, **more):
        place.write_bytes(b"half")
        (root / "half").touch()
        time.sleep(60)
publish([env], replace(outputs, format=Slow()), reporter=silent())
"""


def program(root: Path, body: str) -> list[str]:
    return [sys.executable, "-c", RUN.format(path=sys.path, root=str(root), body=body)]


def small_outputs(root: Path) -> Outputs:
    return Outputs(
        directory=root / "dist",
        platform=PLATFORMS["linux_x86_64"],
        tagged=False,
        format=ZstdTar(),
        state_file=root / "state.json",
    )


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits for a process")
def test_a_full_disk_says_what_to_do(tmp_path: Path) -> None:
    outputs = small_outputs(tmp_path)
    publish([make_layer(tmp_path / "app")], outputs, reporter=silent())
    before = files(outputs.directory)
    run = subprocess.run(program(tmp_path, FULL), capture_output=True, text=True, check=True)
    assert f"cannot publish to {outputs.directory}: File too large" in run.stdout
    assert "make room" in run.stdout
    assert files(outputs.directory) == before
    assert not list(outputs.directory.glob(".*"))


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_run_leaves_earlier_outputs_and_nothing_for_long(tmp_path: Path) -> None:
    outputs = small_outputs(tmp_path)
    publish([make_layer(tmp_path / "app")], outputs, reporter=silent())
    before = files(outputs.directory)
    with subprocess.Popen(program(tmp_path, KILLED)) as run:
        deadline = time.monotonic() + 60
        while not (tmp_path / "half").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        run.send_signal(signal.SIGKILL)
    private = {name for name in files(outputs.directory) if name.startswith(".")}
    assert private
    after = files(outputs.directory)
    assert {name: after[name] for name in after.keys() - private} == before
    (layer,) = publish([make_layer(tmp_path / "app")], outputs, reporter=silent())
    assert layer.reused
    assert files(outputs.directory) == before
    assert not list(outputs.directory.glob(".*"))


def test_the_same_bytes_in_another_directory(
    layers: list[LayerEnvironment], outputs: Outputs, tmp_path: Path
) -> None:
    first = publish(layers, outputs, reporter=silent())
    elsewhere = replace(outputs, directory=tmp_path / "else", state_file=tmp_path / "s.json")
    second = publish(layers, elsewhere, reporter=silent())
    for one, other in zip(first, second, strict=True):
        assert_same_archives(one.archive, other.archive)
        assert one.metadata == other.metadata


def test_progress_is_in_bytes_and_complete(
    layers: list[LayerEnvironment], outputs: Outputs
) -> None:
    totals: list[int] = []
    done: list[int] = []

    class Bar:
        def advance(self, amount: int) -> None:
            done.append(amount)

    class Counting(LineReporter):
        def progress(self, label: str, total: int) -> Any:
            totals.append(total)
            return nullcontext(Bar())

    publish(layers, outputs, reporter=Counting(lambda _kind, _text: None))
    assert sum(totals) == sum(done) > 0


def test_clean_removes_what_was_published_and_nothing_else(
    layers: list[LayerEnvironment], outputs: Outputs
) -> None:
    publish(layers, outputs, reporter=silent())
    publish(layers, replace(outputs, tagged=True), reporter=silent())
    mine = outputs.directory / "mine.tar.zst"
    mine.write_bytes(b"mine")
    listed = published_outputs(outputs.directory)
    assert len(listed) == len(files(outputs.directory)) - 1
    assert clean(outputs.directory) == listed
    assert list(outputs.directory.iterdir()) == [mine]
    assert clean(outputs.directory) == ()
    assert clean(outputs.directory / "missing") == ()


def test_clean_leaves_what_others_put_among_the_metadata(
    layers: list[LayerEnvironment], outputs: Outputs
) -> None:
    publish(layers, outputs, reporter=silent())
    mine = outputs.manifest.with_name("notes.txt")
    mine.write_bytes(b"mine")
    clean(outputs.directory)
    assert list(files(outputs.directory)) == ["__venvstacks__/notes.txt"]


@pytest.mark.parametrize(
    "entry",
    [
        {"layer_name": "../../victim", "install_target": "../victim", "archive_name": "../victim"},
        {"layer_name": "x", "install_target": "app", "archive_name": "VICTIM"},
        {"layer_name": "x", "install_target": "vic", "archive_name": "sub/victim"},
        {"layer_name": "x", "install_target": "sub", "archive_name": "sub"},
        {"layer_name": "..", "install_target": ".", "archive_name": ".."},
        {"layer_name": None, "install_target": 3, "archive_name": ["victim"]},
        {"layer_name": "x", "install_target": "victim", "archive_name": "victim\0"},
        {"layer_name": "x", "install_target": "link", "archive_name": "link"},
    ],
)
def test_hostile_manifests_remove_nothing(
    outputs: Outputs, tmp_path: Path, entry: dict[str, object]
) -> None:
    victims = [tmp_path / "victim", outputs.directory / "sub" / "victim", outputs.directory / "own"]
    for victim in [*victims, tmp_path / "victim.json"]:
        victim.parent.mkdir(parents=True, exist_ok=True)
        victim.write_bytes(b"mine")
    (outputs.directory / "link").symlink_to(victims[0])
    entry = {key: str(victims[0]) if value == "VICTIM" else value for key, value in entry.items()}
    outputs.manifest.parent.mkdir(parents=True)
    outputs.manifest.write_text(json.dumps({"layers": {"applications": [entry]}}), "utf-8")
    assert clean(outputs.directory) == (outputs.manifest,)
    assert all(victim.exists() for victim in [*victims, tmp_path / "victim.json"])


def test_a_linked_metadata_directory_is_not_followed(outputs: Outputs, tmp_path: Path) -> None:
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "venvstacks.json").write_text("{}", "utf-8")
    outputs.directory.mkdir()
    (outputs.directory / "__venvstacks__").symlink_to(tmp_path / "else")
    assert clean(outputs.directory) == ()
