"""Having the project's own build backend make its wheel, and reading what it made.

The backend is the one program that runs while layers are made which is not ours or uv's:
what it makes is the user's, as the sources are. uv gives it an environment of its own, and
we an environment without what Hatch, which may be running this, tells its builders.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tomli_w
from packaging.metadata import RawMetadata, parse_email

from venvlayers.errors import BuildError
from venvlayers.files import os_reason, private_directory, replace_directory, sha256_json
from venvlayers.project.model import ProjectPlace, ProjectWheel
from venvlayers.project.record import write_record
from venvlayers.project.sources import SourceFile, Sources, read_sources
from venvlayers.spec.names import normalised
from venvlayers.uv import Uv, UvFailure, unheeded_sources

_TIME = 1_580_601_600
"""The time that backends take for now (reproducible-builds.org): 2020-02-02, as hatchling does.

Not the lock's: the wheel of the same sources is to be the same after locking again.
"""

_SETUPTOOLS = """\
[build]
build_base = {0}/build
[egg_info]
egg_base = {0}
"""
"""Where setuptools puts what it makes on the way. In the project it would find it again next
time, with modules that were removed since (``DIST_EXTRA_CONFIG``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelMaker:
    """What building a wheel works with.

    Attributes:
        uv: It makes the backend's environment, and calls the backend.
        work_dir: Where private directories are made; on the file system of the store.
        settings: uv's settings for that, usable from any directory.
    """

    uv: Uv
    work_dir: Path
    settings: Mapping[str, Any]


def build_wheel(place: ProjectPlace, maker: WheelMaker) -> ProjectWheel:
    """Have the wheel made, put it into the project's store, and record it.

    Raises:
        BuildError: The backend fails, or makes something else.
    """
    try:
        with private_directory(maker.work_dir) as private:
            wheel, sources = _settled(place, maker, private)
            new = private / "store"
            new.mkdir()
            wheel.path.rename(new / wheel.path.name)
            replace_directory(new, place.store)
            kept = replace(wheel, path=place.store / wheel.path.name)
            write_record(place, sources, kept, _roots(sources.files, kept.path))
            return kept
    except OSError as error:
        raise BuildError(f"the wheel of {place.name} cannot be made: {os_reason(error)}") from error


def _settled(place: ProjectPlace, maker: WheelMaker, private: Path) -> tuple[ProjectWheel, Sources]:
    """Return a wheel, and the sources as they are after making it.

    A build hook may write sources (a module with the version), and somebody may edit them
    meanwhile: the wheel is of what was there before, so it is made once more, which changes
    nothing in the first case. A hook that never gives the same twice is not waited for.
    """
    before = read_sources(place)
    wheel = _made(place, maker, private / "first")
    after = _sources_after(place, before, wheel)
    if after.files != before.files and _changed(before, after):
        wheel = _made(place, maker, private / "second")
        after = _sources_after(place, after, wheel)
    return wheel, after


def _changed(before: Sources, after: Sources) -> bool:
    hashes = [
        {path: file.hash for path, file in sources.files.items()} for sources in (before, after)
    ]
    return hashes[0] != hashes[1]


def _sources_after(place: ProjectPlace, before: Sources, wheel: ProjectWheel) -> Sources:
    files = read_sources(place, known=before.known)
    with zipfile.ZipFile(wheel.path) as archive:
        generated = sorted(_generated(place.root, files.files, archive.namelist()))
    return read_sources(place, known=files.known, generated=generated)


def _roots(sources: Mapping[str, SourceFile], wheel: Path) -> list[str]:
    """Return the directories of the project that the wheel's modules were taken from.

    For each package the one with most of its files, as there may be copies of some.
    """
    by_name: dict[str, list[tuple[str, str]]] = {}
    for path, file in sources.items():
        by_name.setdefault(path.rpartition("/")[2], []).append((path, file.hash))
    votes: dict[str, Counter[str]] = {}
    with zipfile.ZipFile(wheel) as archive:
        for path, digest, _executable in _rows(archive):
            for source, content in by_name.get(path.rpartition("/")[2], ()):
                if f"/{source}".endswith(f"/{path}") and content == f"sha256:{digest}":
                    package = votes.setdefault(path.partition("/")[0], Counter())
                    package[source.removesuffix(path)] += 1
    return sorted({max(tops, key=lambda top: (tops[top], -len(top))) for tops in votes.values()})


def _generated(root: Path, sources: Iterable[str], names: Sequence[str]) -> Iterator[str]:
    """Yield the files of the project that got into the wheel and are no sources: ignored ones.

    They are looked for where the others are: a wheel has ``pkg/a.py`` from ``src/pkg/a.py``.
    """
    known = set(sources)
    shipped = set(names)
    tops = {""}
    for path in known:
        for position in (index + 1 for index, letter in enumerate(path) if letter == "/"):
            if path[position:] in shipped:
                tops.add(path[:position])
    for name in shipped:
        for path in (f"{top}{name}" for top in tops):
            if path not in known and (root / path).is_file():
                yield path


def _made(place: ProjectPlace, maker: WheelMaker, directory: Path) -> ProjectWheel:
    """Have a wheel made in *directory*."""
    out = directory / "wheel"
    out.mkdir(parents=True)
    aside = directory / "aside"
    aside.mkdir()
    config, settings = directory / "setuptools.cfg", directory / "uv.toml"
    config.write_text(_SETUPTOOLS.format(aside), "utf-8")
    settings.write_text(tomli_w.dumps(maker.settings), "utf-8")
    variables = {
        "DIST_EXTRA_CONFIG": os.fspath(config),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "SOURCE_DATE_EPOCH": os.environ.get("SOURCE_DATE_EPOCH") or str(_TIME),
    }
    try:
        maker.uv.build_wheel(
            place.root,
            out,
            settings=settings,
            variables=variables,
        )
    except UvFailure as failure:
        raise BuildError(
            f"the wheel of {place.name} cannot be built by the project's build backend",
            details=failure.output,
            hint=unheeded_sources() or f"`uv build --wheel` in {place.root} should show the same",
        ) from failure
    (made,) = out.glob("*.whl")
    return read_wheel(made, place.name)


def read_wheel(path: Path, project: str) -> ProjectWheel:
    """Return the wheel in *path* as a value.

    Raises:
        BuildError: It is none of *project*, or cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            metadata = _metadata(archive)
            rows = sorted(_rows(archive))
            version = metadata["version"]
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise BuildError(f"{path.name}, of the project's build backend, is no wheel") from error
    if normalised(metadata.get("name", "")) != project:
        raise BuildError(
            f"the project's build backend made {path.name}, which is not {project}",
            hint="[project] in pyproject.toml names what is to be made",
        )
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    code = [row for row in rows if not _describes(row[0])]
    return ProjectWheel(
        path=path,
        name=project,
        version=version,
        sha256=digest,
        content_hash=sha256_json(rows),
        code_hash=sha256_json([version, code]),
        requires=tuple(metadata.get("requires_dist", ())),
        extras=tuple(sorted(normalised(name) for name in metadata.get("provides_extra", ()))),
        requires_python=metadata.get("requires_python"),
    )


def _metadata(archive: zipfile.ZipFile) -> RawMetadata:
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    return parse_email(archive.read(name))[0]


def _rows(archive: zipfile.ZipFile) -> Iterator[tuple[str, str, bool]]:
    """Yield path, hash and executable bit of what a wheel installs; its `RECORD` follows."""
    for member in archive.infolist():
        if not member.is_dir() and not member.filename.endswith(".dist-info/RECORD"):
            digest = hashlib.sha256(archive.read(member)).hexdigest()
            yield member.filename, digest, bool(member.external_attr >> 16 & 0o100)


def _describes(path: str) -> bool:
    """Tell whether a file of a wheel describes it, and does nothing."""
    directory, _, name = path.partition("/")
    return directory.endswith(".dist-info") and name != "entry_points.txt"
