from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import pytest

from support.layers import make_layer
from venvlayers.build.model import LayerEnvironment
from venvlayers.errors import BuildError, PublishError
from venvlayers.platforms import PLATFORMS
from venvlayers.publish import publish as publishing
from venvlayers.publish.contents import LayerContents, plan_contents
from venvlayers.publish.format import WrittenArchive
from venvlayers.publish.outputs import Outputs
from venvlayers.publish.packing import Packing
from venvlayers.publish.publish import publish
from venvlayers.publish.zstd import ZstdTar
from venvlayers.report import silent

PATIENCE = 30  # seconds; what waits so long waits for ever
NAMES = ("one", "two", "three", "four")


@pytest.fixture
def layers(tmp_path: Path) -> list[LayerEnvironment]:
    return [make_layer(tmp_path / name, name=f"app-{name}") for name in NAMES]


def outputs(tmp_path: Path, format_: ZstdTar | None = None) -> Outputs:
    return Outputs(
        directory=tmp_path / "dist",
        platform=PLATFORMS["linux_x86_64"],
        tagged=False,
        format=format_ or ZstdTar(),
        state_file=tmp_path / "state" / "published.json",
    )


class Held(ZstdTar):
    """Goes on packing each layer when it is told that it may."""

    def __init__(self) -> None:
        super().__init__()
        self.packing: list[str] = []
        self.may_go_on = threading.Event()

    def write(self, contents: LayerContents, place: Path, **more: Any) -> WrittenArchive:
        self.packing.append(contents.layer)
        assert self.may_go_on.wait(PATIENCE)
        return super().write(contents, place, **more)


def test_the_next_layer_is_planned_while_one_is_packed(
    tmp_path: Path, layers: list[LayerEnvironment], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held()
    planned: list[str] = []

    def plan(layer: LayerEnvironment, epoch: int) -> LayerContents:
        planned.append(layer.env_name)
        if len(planned) == 2:  # comes to this only if it is not packed first
            held.may_go_on.set()
        return plan_contents(layer, epoch)

    monkeypatch.setattr(publishing, "plan_contents", plan)
    published = publish(layers, outputs(tmp_path, held), reporter=silent())
    assert [layer.env_name for layer in published] == [f"app-{name}" for name in NAMES]
    assert held.packing == planned


def test_layers_that_are_built_later_do_not_hold_up_packing(
    tmp_path: Path, layers: list[LayerEnvironment]
) -> None:
    held = Held()
    held.may_go_on.set()

    def built() -> Iterator[LayerEnvironment]:
        yield layers[0]
        begun = time.monotonic()
        while not held.packing and time.monotonic() < begun + PATIENCE:
            time.sleep(0.01)
        assert held.packing == ["app-one"]
        yield layers[1]

    assert len(publish(built(), outputs(tmp_path, held), reporter=silent())) == 2


def test_no_more_is_planned_than_waits_for_one(
    tmp_path: Path, layers: list[LayerEnvironment], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is planned of a layer of 50,000 files takes some 30 MB."""
    packed: list[str] = []
    ahead: list[int] = []

    def plan(layer: LayerEnvironment, epoch: int) -> LayerContents:
        time.sleep(0.05)
        ahead.append(NAMES.index(layer.env_name.removeprefix("app-")) - len(packed))
        return plan_contents(layer, epoch)

    class Slow(ZstdTar):
        def write(self, contents: LayerContents, place: Path, **more: Any) -> WrittenArchive:
            time.sleep(0.2)
            packed.append(contents.layer)
            return super().write(contents, place, **more)

    monkeypatch.setattr(publishing, "plan_contents", plan)
    publish(layers, outputs(tmp_path, Slow()), reporter=silent())
    assert max(ahead) <= 1


def test_the_first_failure_ends_it(tmp_path: Path, layers: list[LayerEnvironment]) -> None:
    class Failing(ZstdTar):
        def write(self, contents: LayerContents, place: Path, **more: Any) -> WrittenArchive:
            if contents.layer == "app-two":
                raise PublishError("no")
            return super().write(contents, place, **more)

    with pytest.raises(PublishError, match="no"):
        publish(layers, outputs(tmp_path, Failing()), reporter=silent())
    assert list((tmp_path / "dist").iterdir()) == []


@pytest.mark.parametrize("failure", [BuildError("not built"), KeyboardInterrupt()])
def test_packing_ends_when_something_else_fails(
    tmp_path: Path, layers: list[LayerEnvironment], failure: BaseException
) -> None:
    """A layer that cannot be built, or Ctrl-C: nothing is packed any more, and nothing stays."""
    ended: list[BaseException] = []
    is_packing = threading.Event()

    class Endless(ZstdTar):
        def write(
            self, contents: LayerContents, place: Path, *, advance: Callable[[int], None], **_: Any
        ) -> WrittenArchive:
            is_packing.set()
            begun = time.monotonic()
            try:
                while time.monotonic() < begun + PATIENCE:
                    advance(1)
            except CancelledError as error:
                ended.append(error)
                raise
            raise AssertionError("nobody ended it")

    def built() -> Iterator[LayerEnvironment]:
        yield layers[0]
        assert is_packing.wait(PATIENCE)
        raise failure

    with pytest.raises(type(failure)):
        publish(built(), outputs(tmp_path, Endless()), reporter=silent())
    assert len(ended) == 1
    assert list((tmp_path / "dist").iterdir()) == []


def test_leaving_waits_also_if_ctrl_c_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from venvlayers import threads  # noqa: PLC0415

    waited: list[int] = []
    done = threading.Event()
    wait = threads.wait

    def wait_or_be_interrupted(work: Any) -> Any:
        waited.append(len(work))
        if len(waited) < 3:
            raise KeyboardInterrupt
        done.set()
        return wait(work)

    monkeypatch.setattr(threads, "wait", wait_or_be_interrupted)
    finished: list[bool] = []
    with Packing() as packing:
        packing.add(lambda: finished.append(done.wait(PATIENCE)))
    assert waited == [1, 1, 1]
    assert finished == [True]


def test_what_has_not_begun_is_dropped() -> None:
    begun: list[str] = []
    is_packing, may_end = threading.Event(), threading.Event()

    def pack() -> None:
        begun.append("first")
        is_packing.set()
        assert may_end.wait(PATIENCE)

    with Packing() as packing:
        packing.add(pack)
        packing.add(lambda: begun.append("second"))
        assert is_packing.wait(PATIENCE)
        threading.Timer(0.1, may_end.set).start()
    assert begun == ["first"]
