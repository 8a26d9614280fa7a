"""A package index that takes uploads, on the loopback interface, and remembers them.

It speaks what twine and Hatch send: a form with a file, as the package index's own
upload interface has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler

import pytest

from support.serving import LocalServer


class Uploads:
    """What was uploaded.

    Attributes:
        files: Content by file name.
    """

    def __init__(self, port: int) -> None:
        self.files: dict[str, bytes] = {}
        self.url = f"http://127.0.0.1:{port}/legacy/"
        """What a program that uploads is given."""


class _Server(LocalServer):
    uploads: Uploads


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        form = message_from_bytes(
            f"Content-Type: {self.headers['Content-Type']}\n\n".encode() + body
        )
        for part in form.walk():
            if name := part.get_filename():
                content = part.get_payload(decode=True)
                assert isinstance(content, bytes)
                self.server.uploads.files[name] = content
        self._answer(HTTPStatus.OK)

    def do_GET(self) -> None:
        """Say that there is no such project yet."""
        self._answer(HTTPStatus.NOT_FOUND)

    def _answer(self, status: HTTPStatus) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def uploads() -> Iterator[Uploads]:
    """Give an index to upload to, with nothing in it."""
    server = _Server(_Handler)
    server.uploads = Uploads(server.server_port)
    server.start()
    yield server.uploads
    server.stop()
