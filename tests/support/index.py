"""A package index on this machine: the simple API over a directory of distributions.

It speaks both forms of the API (PEP 503, PEP 691), with hashes, core metadata
(PEP 658), yanking (PEP 592) and upload times (PEP 700), remembers what it was
asked, and can be told to fail.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import re
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

from support.serving import LocalServer
from support.wheels import Content, make_wheel

_PATIENCE = 20
"""Seconds that a request waits for others that it is to meet; uv waits for 30."""

_JSON = "application/vnd.pypi.simple.v1+json"
_HTML = "text/html; charset=utf-8"
UPLOADED = "2024-01-01T00:00:00Z"
"""When files were uploaded, unless a test says otherwise."""


class Index:
    """A package index that a thread serves on a port of its own.

    Attributes:
        directory: The files that it offers; more can be put there at any time.
        requests: The path of every request so far; tests may clear it.
        fail: A status to answer everything with, or None.
        upload_times: Times by file name, for those that are not `UPLOADED`.
        yanked: Reasons by file name.
        caching: How long its files may be kept, as ``Cache-Control`` has it.
        met: For each meeting that was called, whether everybody came.
        credentials: A user and a password that every request has to have, or None.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.requests: list[str] = []
        self.fail: int | None = None
        self.credentials: tuple[str, str] | None = None
        self.upload_times: dict[str, str] = {}
        self.yanked: dict[str, str] = {}
        self.caching = "max-age=3600"
        self.met: list[bool] = []
        self._meetings: dict[str, threading.Barrier] = {}
        directory.mkdir(parents=True, exist_ok=True)
        self._server = _Server(_Handler)
        self._server.index = self
        self._server.start()

    @property
    def url(self) -> str:
        """What an installer is given as the index."""
        return f"http://127.0.0.1:{self._server.server_port}/simple/"

    def uv_table(self) -> dict[str, Any]:
        """Return the ``[tool.uv]`` table that makes this the only index."""
        return {"index": [{"name": "test", "url": self.url, "default": True}]}

    def add(
        self,
        name: str,
        version: str = "1.0",
        *,
        requires: Iterable[str] = (),
        modules: Mapping[str, Content] | None = None,
        tag: str = "py3-none-any",
        uploaded: str = UPLOADED,
        **more: Any,
    ) -> Path:
        """Make a wheel in the index; arguments as for `make_wheel`."""
        wheel = make_wheel(
            self.directory, name, version, requires=requires, modules=modules, tag=tag, **more
        )
        self.upload_times[wheel.name] = uploaded
        return wheel

    def add_sdist(self, name: str, version: str = "1.0", *, setup: str = "") -> Path:
        """Make a source distribution in the index, of the kind whose metadata takes a build.

        Args:
            name: The distribution's name.
            version: Its version.
            setup: What its ``setup.py`` begins with.
        """
        stem = f"{name.replace('-', '_')}-{version}"
        script = f"{setup}from setuptools import setup\nsetup(name={name!r}, version={version!r})\n"
        path = self.directory / f"{stem}.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            member = tarfile.TarInfo(f"{stem}/setup.py")
            member.size = len(script)
            archive.addfile(member, io.BytesIO(script.encode()))
        return path

    def meet(self, *projects: str) -> None:
        """Let the first request for each of *projects* wait until there is one for all of them.

        Who asks for one after the other waits in vain, and `met` tells.
        """
        number = len(self.met)
        self.met.append(False)

        def note() -> None:
            self.met[number] = True

        barrier = threading.Barrier(len(projects), action=note, timeout=_PATIENCE)
        self._meetings |= dict.fromkeys(projects, barrier)

    def wait_for(self, *projects: str) -> None:
        """Wait until there was a request for each of *projects*."""
        deadline = time.monotonic() + _PATIENCE
        wanted = {f"/simple/{project}/" for project in projects}
        while not wanted <= set(self.requests):
            assert time.monotonic() < deadline, f"nobody asked for {wanted - set(self.requests)}"
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop serving; the port refuses connections from now on. May be called again."""
        self._server.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def answer(self, path: str, *, as_json: bool) -> tuple[int, str, bytes]:
        """Return status, content type and body for a request."""
        self.requests.append(path)
        if self.fail is not None:
            return self.fail, "text/plain", b"told to fail"
        match path.strip("/").split("/"):
            case ["simple"]:
                return self._projects(as_json=as_json)
            case ["simple", project]:
                if meeting := self._meetings.pop(project, None):
                    with suppress(threading.BrokenBarrierError):
                        meeting.wait()
                return self._project(project, as_json=as_json)
            case ["files", name]:
                return self._file(unquote(name))
        return _not_found()

    def _projects(self, *, as_json: bool) -> tuple[int, str, bytes]:
        names = sorted({_project_of(wheel) for wheel in self._wheels()})
        if as_json:
            projects = [{"name": name} for name in names]
            return _json({"meta": {"api-version": "1.1"}, "projects": projects})
        return _html(f'<a href="{name}/">{name}</a>' for name in names)

    def _project(self, project: str, *, as_json: bool) -> tuple[int, str, bytes]:
        wheels = [wheel for wheel in self._wheels() if _project_of(wheel) == project]
        if not wheels:
            return _not_found()
        if not as_json:
            return _html(self._link(wheel) for wheel in wheels)
        versions = sorted({_version_of(wheel) for wheel in wheels})
        return _json(
            {
                "meta": {"api-version": "1.1"},
                "name": project,
                "versions": versions,
                "files": [self._entry(wheel) for wheel in wheels],
            }
        )

    def _entry(self, wheel: Path) -> dict[str, Any]:
        entry = {
            "filename": wheel.name,
            "url": f"/files/{wheel.name}",
            "hashes": {"sha256": _sha256(wheel.read_bytes())},
            "size": wheel.stat().st_size,
            "upload-time": self.upload_times.get(wheel.name, UPLOADED),
            "yanked": self.yanked.get(wheel.name, False),
        }
        if wheel.suffix != ".whl":
            return entry
        metadata = _metadata(wheel)
        entry["core-metadata"] = {"sha256": _sha256(metadata)}
        if requires_python := _requires_python(metadata):
            entry["requires-python"] = requires_python
        return entry

    def _link(self, wheel: Path) -> str:
        entry = self._entry(wheel)
        attributes = {}
        if "core-metadata" in entry:
            attributes["data-core-metadata"] = f"sha256={entry['core-metadata']['sha256']}"
        if "requires-python" in entry:
            attributes["data-requires-python"] = entry["requires-python"]
        if wheel.name in self.yanked:
            attributes["data-yanked"] = self.yanked[wheel.name]
        text = "".join(f' {key}="{html.escape(value)}"' for key, value in attributes.items())
        href = f"{entry['url']}#sha256={entry['hashes']['sha256']}"
        return f'<a href="{href}"{text}>{wheel.name}</a>'

    def _file(self, name: str) -> tuple[int, str, bytes]:
        wheel = self.directory / name.removesuffix(".metadata")
        if wheel not in self._wheels():
            return _not_found()
        if name.endswith(".metadata"):
            return HTTPStatus.OK, "text/plain", _metadata(wheel)
        return HTTPStatus.OK, "application/zip", wheel.read_bytes()

    def _wheels(self) -> list[Path]:
        return sorted([*self.directory.glob("*.whl"), *self.directory.glob("*.tar.gz")])


class _Server(LocalServer):
    index: Index


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._respond(with_body=True)

    def do_HEAD(self) -> None:
        self._respond(with_body=False)

    def _is_refused(self, credentials: tuple[str, str] | None) -> bool:
        if credentials is None:
            return False
        expected = base64.b64encode(":".join(credentials).encode()).decode()
        return self.headers.get("Authorization") != f"Basic {expected}"

    def _respond(self, *, with_body: bool) -> None:
        accepted = self.headers.get("Accept", "")
        status, kind, body = self.server.index.answer(self.path, as_json=_JSON in accepted)
        if self._is_refused(self.server.index.credentials):
            status, kind, body = 401, _HTML, b"who are you?"
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="packages"')
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        # uv trusts a page for ten minutes unless told otherwise; tests add wheels at any time.
        is_page = kind in {_JSON, _HTML}
        caching = "no-cache" if is_page else self.server.index.caching
        self.send_header("Cache-Control", caching)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing: `Index.requests` has it."""


def _project_of(wheel: Path) -> str:
    return re.sub(r"[-_.]+", "-", wheel.name.split("-")[0]).lower()


def _version_of(wheel: Path) -> str:
    return wheel.name.removesuffix(".tar.gz").split("-")[1]


def _metadata(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return archive.read(name)


def _requires_python(metadata: bytes) -> str | None:
    match = re.search(r"^Requires-Python: (.+)$", metadata.decode(), re.MULTILINE)
    return match[1] if match else None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _json(value: Any) -> tuple[int, str, bytes]:
    return HTTPStatus.OK, _JSON, json.dumps(value).encode()


def _html(links: Iterable[str]) -> tuple[int, str, bytes]:
    body = "".join(f"{link}<br>\n" for link in links)
    return HTTPStatus.OK, _HTML, f"<!DOCTYPE html><html><body>\n{body}</body></html>".encode()


def _not_found() -> tuple[int, str, bytes]:
    return HTTPStatus.NOT_FOUND, "text/plain", b"not here"
