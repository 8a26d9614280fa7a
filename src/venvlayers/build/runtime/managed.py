"""Runtime layers from python-build-standalone and PyPy, fetched and verified by uv.

What it offers is uv's knowledge; how a layer must look is `normalise.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from venvlayers.build.runtime.source import RuntimeContext
from venvlayers.cache.place import download_cache
from venvlayers.errors import PythonUnavailableError
from venvlayers.files import private_directory
from venvlayers.lock.model import PythonPin
from venvlayers.platforms import Platform, PythonVersion, host_platform
from venvlayers.report import Kind
from venvlayers.spec.model import PythonRequest
from venvlayers.uv import MIRRORS, ManagedPython, UvFailure, managed_key

_Offers = Mapping[Platform, tuple[ManagedPython, ...]]

_NEAREST = 6

_MAKERS = {"cpython": "python-build-standalone", "pypy": "uv's list of PyPys"}


class ManagedSource:
    """The runtime source ``managed``."""

    name = "managed"

    def find(
        self, request: PythonRequest, platforms: tuple[Platform, ...], context: RuntimeContext
    ) -> PythonPin:
        """Return the newest release that *request* admits and all of *platforms* have.

        Platforms for which there is no such Python at all are left out, with a warning:
        a layer for all platforms may ask for a release that is older than one of them. For
        the platform of this machine it is fetched, to be sure that it can be; uv keeps the
        archive for `materialize`.

        Raises:
            PythonUnavailableError: There is none, not for this machine either if it is one
                of *platforms*, or it cannot be fetched.
        """
        here = _this_platform()
        offers = _offers(request.implementation, platforms, context)
        lacking = _lacking(request, offers)
        if here in lacking or len(lacking) == len(offers):
            raise _not_offered(request, offers)
        serving = {name: some for name, some in offers.items() if name not in lacking}
        pin = self._newest(request, serving)
        if lacking:
            context.reporter.say(Kind.WARNING, _left_out(request, lacking))
        if here in platforms:
            with private_directory(context.work_dir) as directory:
                _fetch(pin, here, directory, context)
        return pin

    def fingerprint(self, pin: PythonPin, platform: Platform, context: RuntimeContext) -> str:
        """Return a text that names the build; uv verifies that it never changes."""
        del context
        return f"managed:{pin.version}:{pin.build}:{platform}"

    def materialize(
        self, pin: PythonPin, platform: Platform, destination: Path, context: RuntimeContext
    ) -> None:
        """Fill *destination* with the pinned build for *platform*.

        Raises:
            PythonUnavailableError: It cannot be fetched.
            BuildError: It is not an interpreter as we know it.
        """
        # Not where it is only asked for its fingerprint.
        from venvlayers.build.runtime.normalise import Shape, normalise  # noqa: PLC0415
        from venvlayers.build.runtime.origin import Origin  # noqa: PLC0415
        from venvlayers.build.runtime.relocate import require_no_trace  # noqa: PLC0415

        with private_directory(context.work_dir) as directory:
            root = _fetch(pin, platform, directory, context)
            origin = Origin.of([root])
            normalise(Shape(root, platform, pin.interpreter), origin)
            require_no_trace(root, origin.own)
            destination.parent.mkdir(parents=True, exist_ok=True)
            root.rename(destination)

    def _newest(self, request: PythonRequest, offers: _Offers) -> PythonPin:
        # Of one version, platforms could have different builds; a pin has room for one.
        common = set.intersection(
            *({(offer.version, offer.build) for offer in some} for some in offers.values())
        )
        admitted = [offer for offer in common if request.version.admits(offer[0])]
        if not admitted:
            raise _not_offered(request, offers)
        version, build = max(admitted, key=lambda offer: offer[0])
        return PythonPin(
            implementation=request.implementation, version=version, source=self.name, build=build
        )


def _lacking(request: PythonRequest, offers: _Offers) -> list[Platform]:
    """Return the platforms for which there is nothing that *request* admits."""
    return [
        platform
        for platform, some in offers.items()
        if not any(request.version.admits(offer.version) for offer in some)
    ]


def _left_out(request: PythonRequest, lacking: Iterable[Platform]) -> str:
    listed = ", ".join(platform.name for platform in lacking)
    return (
        f"{_MAKERS[request.implementation]} has no {request} for {listed}, so the runtime cannot"
        " be built there.\nAsk for a newer Python, or leave that out of `platforms`."
    )


def _this_platform() -> Platform | None:
    try:
        return host_platform()
    except LookupError:
        return None  # layers for known platforms can be made on any machine


def _offers(
    implementation: str, platforms: tuple[Platform, ...], context: RuntimeContext
) -> _Offers:
    try:
        return context.uv.managed_pythons_by_platform(platforms, implementation)
    except UvFailure as failure:
        raise PythonUnavailableError(
            "uv's list of Pythons cannot be read", details=failure.output
        ) from failure


def _fetch(pin: PythonPin, platform: Platform, directory: Path, context: RuntimeContext) -> Path:
    context.reporter.say(Kind.DETAIL, f"fetching {pin} for {platform}")
    try:
        return context.uv.install_python(
            managed_key(pin.implementation, pin.version, platform),
            directory,
            build=pin.build,
            retries=context.retries,
            cache=download_cache(),
        )
    except UvFailure as failure:
        raise _not_fetched(pin, platform, failure, context) from failure


def _not_fetched(
    pin: PythonPin, platform: Platform, failure: UvFailure, context: RuntimeContext
) -> PythonUnavailableError:
    known = _offers(pin.implementation, (platform,), context)[platform]
    offered = [one for one in known if one.version == pin.version]
    if pin.build in {one.build for one in offered}:
        return PythonUnavailableError(
            f"{pin} for {platform} cannot be fetched",
            details=failure.output,
            hint=f"see to the connection, name a mirror in {MIRRORS[pin.implementation]}, or set"
            ' `runtime-source = "local"`',
        )
    instead = f" (it has build {offered[0].build})" if offered else ""
    return PythonUnavailableError(
        f"this uv does not know build {pin.build} of {pin} for {platform}{instead}",
        details=failure.output,
        hint="use the version of uv that the layer was locked with, or lock it again",
    )


def _not_offered(request: PythonRequest, offers: _Offers) -> PythonUnavailableError:
    """Say which platforms lack it, and what comes nearest."""
    lacking = _lacking(request, offers)
    if 0 < len(lacking) < len(offers):
        listed = ", ".join(platform.name for platform in lacking)
        return PythonUnavailableError(
            f"{_MAKERS[request.implementation]} has no {request} for {listed}",
            hint="ask for a newer Python, or leave that platform out",
        )
    common = set.intersection(*({one.version for one in some} for some in offers.values()))
    nearest = ", ".join(map(str, _nearest(request.version, common))) or "none at all"
    return PythonUnavailableError(
        f"{_MAKERS[request.implementation]} has no {request}; the nearest that it has: {nearest}",
        hint="newer releases come with a newer uv: `python -m pip install --upgrade uv`",
    )


def _nearest(wanted: PythonVersion, versions: Iterable[PythonVersion]) -> list[PythonVersion]:
    """Return a few of *versions*: of the same series if there are, else the newest of others."""
    ascending = sorted(versions)
    near = [one for one in ascending if one.series == wanted.series]
    near = near or list({one.series: one for one in ascending}.values())

    def distance(one: PythonVersion) -> tuple[int, int]:
        return abs(one.minor - wanted.minor), abs((one.patch or 0) - (wanted.patch or 0))

    return sorted(sorted(near, key=distance)[:_NEAREST])
