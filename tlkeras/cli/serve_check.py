"""Answers TF Serving's REST JSON for an exported model, to try a client."""

from absl import flags

from tlkeras.cli import parsing

USAGE = "tlkeras serve_check --model=export/models/NAME [--port=8501]"
EXAMPLES = (
    "--model=export/models/photos",
    "--model=export/models/photos/2",
    "--model=export/models/photos --port=0",
)
FLAG_NAMES = ("model", "host", "port")
STARTS_ALONE = True  # it imports the frameworks itself, where it needs them


def define_flags(argv: list[str]) -> None:
    """Defines the command's flags."""
    flags.DEFINE_string(
        "model", None, "Folder of a model's versions, or one version."
    )
    flags.DEFINE_string("host", "127.0.0.1", "Address to listen on.")
    flags.DEFINE_integer("port", 8501, "Port to listen on; 0 = any free one.")


def main(arguments: list[str]) -> int:
    """Serves until it is interrupted."""
    from tlkeras.errors import InputError
    from tlkeras.exporters.rest import load_versions
    from tlkeras.exporters.rest_server import make_server
    from tlkeras.local_server import serve_until_interrupted

    given = parsing.FLAGS
    if not given.model:
        raise InputError(
            "No model is given; expected a folder as tlkeras export writes "
            "it: pass --model=DIR."
        )
    served = load_versions(given.model)
    with make_server(served, host=given.host, port=given.port) as server:
        port = server.server_address[1]
        versions = ", ".join(map(str, sorted(served.versions)))
        print(
            f"{served.name}, versions {versions}, at "
            f"http://{given.host}:{port}/v1/models/{served.name}\n"
            "For trying clients; production is TF Serving, see "
            "export/README.md. Ctrl-C ends it.",
            flush=True,
        )
        serve_until_interrupted(server)
    return 0
