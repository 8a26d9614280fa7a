"""`choose.py` with sources that have or lack what is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from support.interpreters import VERSION
from support.runtime_layers import Installed, Said
from venvlayers.build.runtime.choose import find_python
from venvlayers.build.runtime.local import LocalSource
from venvlayers.build.runtime.managed import ManagedSource
from venvlayers.build.runtime.source import RuntimeContext, RuntimeSource
from venvlayers.errors import PythonUnavailableError
from venvlayers.lock.model import PythonPin
from venvlayers.platforms import PLATFORMS, Platform, PythonVersion
from venvlayers.report import Kind
from venvlayers.spec.model import PythonRequest, RuntimeSourceChoice

AUTO, MANAGED, LOCAL = RuntimeSourceChoice
REQUEST = PythonRequest(implementation="cpython", version=PythonVersion(3, 12))
NO_NETWORK = PythonUnavailableError(
    "cpython@3.12.9 for linux_x86_64 cannot be fetched",
    details="error: Failed to install\n  cause: Request failed for\n    `https://a.example/x`\n"
    "  cause: no address\n    is known (from `https://a.example/x`)",
    hint="see to the connection",
)


class Fake:
    """A source that has one release, or an excuse."""

    def __init__(self, name: str, has: str | PythonUnavailableError) -> None:
        self.name = name
        self.has = has
        self.asked: list[RuntimeContext] = []

    def find(
        self, request: PythonRequest, platforms: tuple[Platform, ...], context: RuntimeContext
    ) -> PythonPin:
        self.asked.append(context)
        if isinstance(self.has, PythonUnavailableError):
            raise self.has
        version = PythonVersion.parse(self.has)
        return PythonPin(implementation="cpython", version=version, source=self.name)

    def fingerprint(self, pin: PythonPin, platform: Platform, context: RuntimeContext) -> str:
        raise NotImplementedError

    def materialize(
        self, pin: PythonPin, platform: Platform, destination: Path, context: RuntimeContext
    ) -> None:
        raise NotImplementedError


def choose(
    choice: RuntimeSourceChoice, managed: Fake, local: Fake, context: RuntimeContext
) -> PythonPin:
    sources = {"managed": managed, "local": local}
    return find_python(REQUEST, (), choice, sources, context)


def test_what_can_be_fetched_is_fetched_without_a_word(context: RuntimeContext, said: Said) -> None:
    managed, local = Fake("managed", "3.12.9"), Fake("local", "3.12.1")
    assert choose(AUTO, managed, local, context).source == "managed"
    assert local.asked == []
    assert managed.asked == [replace(context, retries=0)]
    assert said.messages == []


@pytest.mark.parametrize(
    ("failure", "retries"),
    [("503 Service Unavailable", [0, 1]), ("dns error: failed to lookup address", [0])],
)
def test_asks_again_only_where_there_is_a_network(
    failure: str, retries: list[int], context: RuntimeContext
) -> None:
    managed = Fake("managed", PythonUnavailableError("cannot be fetched", details=failure))
    assert choose(AUTO, managed, Fake("local", "3.12.1"), context).source == "local"
    assert [asked.retries for asked in managed.asked] == retries


def test_falling_back_says_what_happened_and_what_it_means(
    context: RuntimeContext, said: Said
) -> None:
    managed, local = Fake("managed", NO_NETWORK), Fake("local", "3.12.1")
    assert choose(AUTO, managed, local, context).source == "local"
    (warning,) = said.of(Kind.WARNING)
    first, second, third = warning.splitlines()
    assert first == "cpython@3.12.9 for linux_x86_64 cannot be fetched (no address is known)."
    assert "a copy of cpython@3.12.1 from this machine" in second
    assert "system libraries" in second
    assert '`runtime-source = "managed"`' in third


def test_what_the_copy_means_is_said_after_the_reason(
    installed: Installed,
    host: Platform,
    this_series: PythonRequest,
    context: RuntimeContext,
    said: Said,
) -> None:
    sources: dict[str, RuntimeSource] = {
        "managed": Fake("managed", NO_NETWORK),
        "local": LocalSource(installed.search),
    }
    find_python(this_series, tuple(PLATFORMS.values()), AUTO, sources, context)
    reason, meaning = said.of(Kind.WARNING)
    assert "cannot be fetched" in reason
    assert f"copied from this machine, and can only be built for {host}" in meaning


def test_insisting_asks_one_source_only(context: RuntimeContext, said: Said) -> None:
    managed, local = Fake("managed", NO_NETWORK), Fake("local", "3.12.1")
    with pytest.raises(PythonUnavailableError, match="cannot be fetched"):
        choose(MANAGED, managed, local, context)
    assert local.asked == []
    assert managed.asked == [context]
    assert choose(LOCAL, managed, local, context).source == "local"
    assert said.messages == []


def test_when_both_fail_both_reasons_are_told(context: RuntimeContext) -> None:
    missing = PythonUnavailableError("cpython@3.12 is not on this machine", details="passed over")
    with pytest.raises(PythonUnavailableError) as caught:
        choose(AUTO, Fake("managed", NO_NETWORK), Fake("local", missing), context)
    assert caught.value.message.splitlines() == [
        "cpython@3.12 is not to be had",
        "  - cpython@3.12.9 for linux_x86_64 cannot be fetched",
        "  - cpython@3.12 is not on this machine",
    ]
    assert "no address" in str(caught.value.details)
    assert "passed over" in str(caught.value.details)


def test_offline_the_real_sources_fall_back(
    installed: Installed,
    host: Platform,
    this_series: PythonRequest,
    context: RuntimeContext,
    said: Said,
) -> None:
    sources: dict[str, RuntimeSource] = {
        "managed": ManagedSource(),
        "local": LocalSource(installed.search),
    }
    pin = find_python(this_series, (host,), AUTO, sources, context)
    assert pin == PythonPin(implementation="cpython", version=VERSION, source="local")
    (warning,) = said.of(Kind.WARNING)
    assert "cannot be fetched (" in warning
    assert "http" not in warning
