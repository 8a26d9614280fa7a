"""The tools of the tests do what tests rely on."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from contextlib import closing
from http.client import HTTPConnection, RemoteDisconnected
from http.server import BaseHTTPRequestHandler
from importlib.metadata import distribution
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from uv import find_uv_bin

from support.hatch import Hatch
from support.index import Index
from support.projects import RUNNING_PYTHON, Project
from support.serving import LocalServer
from support.wheels import make_wheel, repack


def uv_install(index: Index, target: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    options = ["--no-config", "--default-index", index.url, "--target", str(target)]
    return subprocess.run(
        [find_uv_bin(), "pip", "install", *options, *arguments],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_a_wheel_is_the_same_bytes_wherever_it_is_made(tmp_path: Path) -> None:
    one = make_wheel(tmp_path / "one", "Some.Name", "2.0", scripts={"run": "#!python\n"})
    two = make_wheel(tmp_path / "two", "Some.Name", "2.0", scripts={"run": "#!python\n"})
    assert one.name == "some_name-2.0-py3-none-any.whl"
    assert one.read_bytes() == two.read_bytes()


def test_uv_installs_what_the_index_offers(index: Index, tmp_path: Path) -> None:
    index.add("lower", modules={"lower/__init__.py": "value = 1\n", "lower/data.bin": b"\x00"})
    index.add("upper", requires=["lower"], entry_points={"upper": "upper:main"})
    index.add("upper", "2.0", uploaded="2030-01-01T00:00:00Z")
    completed = uv_install(index, tmp_path, "--exclude-newer", "2025-01-01T00:00:00Z", "upper")
    assert completed.returncode == 0, completed.stderr
    assert (tmp_path / "lower" / "data.bin").read_bytes() == b"\x00"
    assert (tmp_path / "upper.py").read_text() == '__version__ = "1.0"\n'
    assert "/simple/upper/" in index.requests


@pytest.mark.parametrize("how", ["fails", "stopped"])
def test_an_index_can_be_out_of_order(index: Index, tmp_path: Path, how: str) -> None:
    index.add("lower")
    if how == "stopped":
        index.stop()
    else:
        index.fail = 500
    assert uv_install(index, tmp_path, "lower").returncode != 0
    assert not (tmp_path / "lower.py").exists()


def test_an_installed_distribution_becomes_a_wheel_again(index: Index, tmp_path: Path) -> None:
    wheel = repack(distribution("packaging"), index.directory)
    completed = uv_install(index, tmp_path, f"packaging=={distribution('packaging').version}")
    assert wheel.name.endswith("-py3-none-any.whl")
    assert completed.returncode == 0, completed.stderr
    assert (tmp_path / "packaging" / "py.typed").exists()


def test_a_project_runs_on_the_python_of_the_tests(small_project: Project) -> None:
    stack = small_project.stack()
    assert stack["runtime_source"] == "local"
    assert stack["runtimes"][0]["python_implementation"] == RUNNING_PYTHON
    assert (small_project.root / "top.py").is_file()


def test_nothing_from_outside_reaches_a_test() -> None:
    steering = [name for name in os.environ if name.startswith(("UV_", "PIP_", "HATCH_"))]
    assert sorted(steering) == ["UV_CACHE_DIR", "UV_HTTP_RETRIES"]


@pytest.mark.hatch
def test_hatch_builds_without_a_network(hatch: Hatch, small_project: Project) -> None:
    small_project.write("demo.py", "")
    hatch("build", "-t", "wheel", cwd=small_project.root)
    assert [path.name for path in small_project.dist.iterdir()] == ["demo-1.0-py2.py3-none-any.whl"]


def test_a_client_may_hang_up(index: Index, capsys: pytest.CaptureFixture[str]) -> None:
    """What a server's thread printed would be in the output of some other test."""
    before = set(threading.enumerate())
    wheel = index.add("large", modules={"large/data.bin": os.urandom(5_000_000)})
    host = urlsplit(index.url)
    with socket.create_connection((host.hostname, host.port)) as client:
        # Closed with something unread, a connection is reset.
        client.sendall(f"GET /files/{wheel.name} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        assert client.recv(1)
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
    index.stop()
    assert capsys.readouterr().err == ""


class Failing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        raise ValueError("no answer")


def test_a_server_that_fails_fails_its_test(capsys: pytest.CaptureFixture[str]) -> None:
    server = LocalServer(Failing)
    server.start()
    with closing(HTTPConnection("127.0.0.1", server.server_port)) as client:
        client.request("GET", "/")
        with pytest.raises(RemoteDisconnected):
            client.getresponse()
    with pytest.raises(ExceptionGroup, match="a test's server failed") as caught:
        server.stop()
    assert caught.group_contains(ValueError, match="no answer")
    server.stop()
    assert capsys.readouterr().err == ""
