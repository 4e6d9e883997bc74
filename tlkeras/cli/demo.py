"""A page on this machine: try a model, review the images of its run."""

from absl import flags

from tlkeras.cli import parsing

USAGE = (
    "tlkeras demo --workdir=RUN | --model=export/models/NAME|FILE.tflite "
    "[--port=8600] [--quiet]"
)
EXAMPLES = (
    "--workdir=RUN",
    "--model=export/models/photos",
    "--model=export/models/photos/tflite/1/float32.tflite --port=0",
)
FLAG_NAMES = ("model", "port")
STARTS_ALONE = True  # it imports the frameworks itself, where it needs them


def define_flags(argv: list[str]) -> None:
    """Defines the command's flags."""
    parsing.define_run_flag()
    flags.DEFINE_string(
        "model",
        None,
        "Instead of a run: a folder of a model's versions, one version, or a "
        ".tflite file.",
    )
    flags.DEFINE_integer(
        "port", 8600, "Port of 127.0.0.1 to listen on; 0 = any free one."
    )
    flags.DEFINE_boolean("quiet", False, "Print the address only.")


def main(arguments: list[str]) -> int:
    """Shows the page until it is interrupted."""
    from tlkeras.demo.server import LOOPBACK, make_demo_server
    from tlkeras.local_server import serve_until_interrupted

    app = _build_app()
    with make_demo_server(app, parsing.FLAGS.port) as server:
        port = server.server_address[1]
        print(
            f"http://{LOOPBACK}:{port}\n"
            "For this machine's browser alone. Ctrl-C ends it.",
            flush=True,
        )
        serve_until_interrupted(server)
    return 0


def _build_app():  # type: ignore[no-untyped-def]
    from pathlib import Path

    from tlkeras.console import Console
    from tlkeras.demo.routes import DemoApp
    from tlkeras.errors import InputError
    from tlkeras.startup import import_frameworks

    given = parsing.FLAGS
    if given.model and given.workdir:
        raise InputError(
            "Both --workdir and --model are given; expected a run or an "
            "exported model: leave one out."
        )
    if given.model:
        import_frameworks()
        from tlkeras.demo.tried_export import TriedExport

        return DemoApp(TriedExport(Path(given.model)))
    from tlkeras.demo.review_session import ReviewSession
    from tlkeras.demo.tried_run import TriedRun

    directory = Path(parsing.require_workdir())
    console = Console(quiet=given.quiet)
    subject = TriedRun(directory, console)
    return DemoApp(subject, ReviewSession(directory, subject, console))
