"""An HTTP server over `rest.answer`, for `tlkeras serve_check`."""

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tlkeras.errors import quote
from tlkeras.exporters.rest import ServedVersions, answer
from tlkeras.exporters.rest_values import Json, RequestError
from tlkeras.local_server import bind_server

MAX_REQUEST_BYTES = 256 * 1024**2
MAX_LENGTH_DIGITS = 12
IDLE_SECONDS = 30  # without a byte, after which a connection is closed
# More at once would only take turns, each slower.
AT_ONCE = threading.BoundedSemaphore(os.cpu_count() or 1)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    served: ServedVersions

    def do_GET(self) -> None:
        # What follows unread would be taken for the next request.
        self.close_connection |= "Content-Length" in self.headers
        self.close_connection |= "Transfer-Encoding" in self.headers
        self._answer(b"")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length")
        if length is None or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            text = "Expected a body with Content-Length, not in chunks"
            self._send(411, {"error": text})
            return
        is_short = length.isdecimal() and len(length) <= MAX_LENGTH_DIGITS
        size = int(length) if is_short else MAX_REQUEST_BYTES + 1
        if size > MAX_REQUEST_BYTES:
            self.close_connection = True
            text = f"Request of {quote(length)} bytes is too large"
            self._send(413, {"error": text})
            return
        self._answer(self.rfile.read(size))

    def _answer(self, body: bytes) -> None:
        try:
            with AT_ONCE:
                found = answer(self.served, self.command, self.path, body)
        except RequestError as error:
            self._send(error.code, {"error": str(error)})
        except Exception as error:  # the connection outlives any of them
            self._send(
                500, {"error": f"{type(error).__name__}: {quote(error)}"}
            )
        else:
            self._send(200, found)

    def _send(self, code: int, value: Json) -> None:
        content = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing of every request."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512  # connections that wait to be accepted

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says in one line that a client has left, or what went wrong."""
        error = sys.exc_info()[1]
        print(f"{client_address}: {error!r}", file=sys.stderr)


def make_server(
    served: ServedVersions, *, host: str, port: int
) -> ThreadingHTTPServer:
    """Binds a server.

    Args:
        served: The model.
        host: To listen on.
        port: 0 takes a free one.

    Raises:
        InputError: If the port cannot be had.
    """
    handler = type("Handler", (_Handler,), {"served": served})
    return bind_server(_Server, host, port, handler)
