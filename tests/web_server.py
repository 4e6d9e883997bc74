"""A web server of a folder that does wrong what it is told to."""

import contextlib
import functools
import http.server
import socket
import struct
import threading
import time
from collections import defaultdict
from pathlib import Path


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files, or what stands next in the server's `faults` of a path."""

    def log_message(self, *_):
        """Says nothing."""

    def do_GET(self):
        self.server.requests[self.path] += 1
        faults = self.server.faults[self.path]
        fault = faults.pop(0) if faults else None
        if fault is None:
            super().do_GET()
        elif isinstance(fault, int):
            self.send_error(fault)
        elif fault == "slow":
            time.sleep(self.server.slow_seconds)
        elif fault == "reset":
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, linger
            )
            self.connection.close()
        else:
            assert fault == "half"
            content = Path(self.translate_path(self.path)).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True


class Server(http.server.ThreadingHTTPServer):
    """Counts requests, and leaves no traceback of those that are cut off."""

    def handle_error(self, *_):
        """Says nothing: faults are what it is for."""


@contextlib.contextmanager
def serving(folder):
    """Yields a server of a folder, with `url`, `faults` and `requests`."""
    handler = functools.partial(Handler, directory=str(folder))
    server = Server(("127.0.0.1", 0), handler)
    server.url = f"http://127.0.0.1:{server.server_port}"
    server.faults = defaultdict(list)  # path -> statuses and kinds, in order
    server.requests = defaultdict(int)
    server.slow_seconds = 1.0
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
