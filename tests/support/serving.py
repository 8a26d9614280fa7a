"""What the servers of tests have in common: the loopback interface, a thread for each request.

A client may hang up at any time: tests kill programs, and uv leaves a download when another one
has failed. That is no error of a server. Any other exception is, and belongs to the test that has
the server: printed from a thread, as `socketserver` does it, it would be in the output of
whichever test runs at that moment.
"""

from __future__ import annotations

import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer


class LocalServer(socketserver.ThreadingMixIn, HTTPServer):
    """A server on a port of its own, which serves from when it is made until it is stopped.

    Attributes:
        errors: What its handlers raised.
    """

    daemon_threads = True  # a client that keeps its connection must not keep the test

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self.errors: list[Exception] = []
        super().__init__(("127.0.0.1", 0), handler)
        # Short polling: the default makes every stop() wait for half a second.
        serve = {"poll_interval": 0.01}
        self._thread = threading.Thread(target=self.serve_forever, kwargs=serve)

    def server_bind(self) -> None:
        # HTTPServer's own asks the resolver for this address's name, which can take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep what a handler raised, unless it is that its client is gone."""
        error = sys.exception()
        assert isinstance(error, Exception)
        if not isinstance(error, ConnectionError):
            self.errors.append(error)

    def start(self) -> None:
        """Serve from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving; the port refuses connections from now on. May be called again.

        Raises:
            ExceptionGroup: Handlers raised.
        """
        if self._thread.is_alive():
            self.shutdown()
            self._thread.join()
            self.server_close()
        if self.errors:
            errors, self.errors = self.errors, []
            raise ExceptionGroup("a test's server failed", errors)
