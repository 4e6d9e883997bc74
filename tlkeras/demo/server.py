"""An HTTP server of the page, for this machine's own browser alone.

Whatever page a browser shows may send requests to 127.0.0.1, under a name of
its own that resolves there (DNS rebinding) or across origins (CSRF). So the
Host header must name this machine, and what changes something must come from
the page's own origin.
"""

import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tlkeras.demo.routes import DemoApp, Reply, reply_json
from tlkeras.demo.uploads import MAX_UPLOAD_BYTES, RefusalError
from tlkeras.errors import InputError, quote
from tlkeras.local_server import bind_server

LOOPBACK = "127.0.0.1"
# Any port: an SSH tunnel may end at another one.
OWN_HOST = re.compile(r"(127\.0\.0\.1|localhost)(:\d{1,5})?")
IDLE_SECONDS = 60  # without a byte, after which a connection is closed
MAX_LENGTH_DIGITS = 12
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; "
        "img-src 'self' data: blob:; media-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self)",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "tlkeras", ""
    timeout = IDLE_SECONDS
    app: DemoApp

    def do_GET(self) -> None:
        # What follows unread would be taken for the next request.
        self.close_connection |= "Content-Length" in self.headers
        self.close_connection |= "Transfer-Encoding" in self.headers
        self._respond()

    def do_POST(self) -> None:
        self._respond()

    def _respond(self) -> None:
        try:
            reply = self._answer()
        except RefusalError as refusal:
            # A body may be left unread.
            self.close_connection = True
            reply = reply_json({"error": str(refusal)}, refusal.code)
        except InputError as error:
            reply = reply_json({"error": str(error)}, 400)
        except OSError as error:
            text = f"The system says: {quote(error.strerror or error)}."
            reply = reply_json({"error": text}, 500)
        except Exception as error:  # the server outlives any of them
            text = f"{type(error).__name__}: {quote(error)}"
            reply = reply_json({"error": text}, 500)
        self._send(reply)

    def _answer(self) -> Reply:
        self._require_own()
        url = urlsplit(self.path)
        if self.command == "POST":
            return self.app.post(url.path, self._read_body())
        return self.app.get(url.path, dict(parse_qsl(url.query)))

    def _require_own(self) -> None:
        """Refuses what another site makes a browser send.

        Raises:
            RefusalError: 403.
        """
        host = self.headers.get("Host", "")
        if not OWN_HOST.fullmatch(host):
            raise RefusalError(403, f"This page is at http://{LOOPBACK} alone.")
        origin = self.headers.get("Origin")
        is_ours = origin == f"http://{host}"
        is_foreign = not is_ours and (
            origin is not None or self.command == "POST"
        )
        site = self.headers.get("Sec-Fetch-Site")
        # A link may lead here; what the page asks for is its own.
        is_link = self.headers.get("Sec-Fetch-Mode") == "navigate" and (
            self.command,
            self.path,
        ) == ("GET", "/")
        is_foreign |= site in ("cross-site", "same-site") and not is_link
        if is_foreign:
            raise RefusalError(403, "This page takes its own requests alone.")

    def _read_body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or "Transfer-Encoding" in self.headers:
            raise RefusalError(411, "Expected a body with Content-Length.")
        is_short = len(length) <= MAX_LENGTH_DIGITS
        if not is_short or int(length) > MAX_UPLOAD_BYTES:
            raise RefusalError(
                413,
                f"The file is larger than {MAX_UPLOAD_BYTES // 1024**2} MiB; "
                "expected a smaller image.",
            )
        return self.rfile.read(int(length))

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.code)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        kept = "private, max-age=3600" if reply.is_kept else "no-store"
        self.send_header("Cache-Control", kept)
        self.send_header("Content-Type", reply.kind)
        self.send_header("Content-Length", str(len(reply.content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(reply.content)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing of every request."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Else a second server would take the same port on some systems.
    allow_reuse_port = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Passes over a browser that has left; says what else went wrong."""
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError | TimeoutError):
            print(f"{client_address}: {error!r}", file=sys.stderr)


def make_demo_server(app: DemoApp, port: int) -> ThreadingHTTPServer:
    """Binds a server to this machine's own address.

    Args:
        app: Answers the requests.
        port: 0 takes a free one.

    Raises:
        InputError: If the port cannot be had.
    """
    handler = type("Handler", (_Handler,), {"app": app})
    return bind_server(_Server, LOOPBACK, port, handler)
