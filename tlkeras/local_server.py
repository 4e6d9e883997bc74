"""An HTTP server of the standard library that one command runs."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tlkeras.errors import InputError


def bind_server(
    kind: type[ThreadingHTTPServer],
    host: str,
    port: int,
    handler: type[BaseHTTPRequestHandler],
) -> ThreadingHTTPServer:
    """Binds a server; `serve_until_interrupted` answers.

    Args:
        kind: Of the server.
        host: To listen on.
        port: 0 takes a free one.
        handler: Answers the requests.

    Raises:
        InputError: If the port cannot be had.
    """
    try:
        return kind((host, port), handler)
    except (OSError, OverflowError) as error:
        raise InputError(
            f"Port {port} of {host} cannot be had ({error}); expected a free "
            "one: choose another --port, or 0 for any."
        ) from None


def serve_until_interrupted(server: ThreadingHTTPServer) -> None:
    """Answers until Ctrl-C, which is how such a command ends."""
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print()
