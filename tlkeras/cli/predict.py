"""Label images with a finished run: CSV or JSON on standard output."""

from absl import flags

from tlkeras.cli import parsing

USAGE = (
    "tlkeras predict --workdir=RUN [--format=csv|json] "
    "[--tta=none|flip|scales|flip+scales] "
    "IMAGE_OR_FOLDER ... | - (paths on standard input)"
)
EXAMPLES = (
    "--workdir=RUN a.jpg b.png",
    "--workdir=RUN --format=json photos",
    "--workdir=RUN -",
)
FLAG_NAMES = ("format", "tta")
TAKES_ARGUMENTS = True
ONLY_READS = True
STARTS_ALONE = True  # it imports the frameworks itself, where it needs them


def define_flags(argv: list[str]) -> None:
    """Defines the command's flags."""
    parsing.define_run_flag()
    flags.DEFINE_string("format", "csv", "csv, or json with all probabilities.")
    flags.DEFINE_string(
        "tta",
        "none",
        "Test-time views of an image whose probabilities are averaged: none, "
        "flip, scales or flip+scales.",
    )


def main(arguments: list[str]) -> int:
    """Predicts and prints; 1 if a file could not be read.

    The argument `-` stands for paths on standard input, one a line.
    """
    import sys
    from collections.abc import Iterable
    from pathlib import Path

    from tlkeras.data.folder import list_inputs
    from tlkeras.evaluation.light_run import load_lightest
    from tlkeras.report.predictions import PREDICTION_WRITERS
    from tlkeras.startup import import_frameworks
    from tlkeras.tables import lookup

    write = lookup(PREDICTION_WRITERS, parsing.FLAGS.format, what="format")
    if arguments == ["-"]:
        lines = (line.rstrip("\r\n") for line in sys.stdin)
        paths: Iterable[str | Path] = filter(None, lines)
    else:
        paths = list_inputs(arguments)
    directory, tta = Path(parsing.require_workdir()), parsing.FLAGS.tta
    if tta == parsing.FLAGS["tta"].default:
        run = load_lightest(directory)
        predictions = run.predict(paths)
    else:
        import_frameworks()
        from tlkeras.evaluation.run import load_run

        run = load_run(directory)
        predictions = run.predict(paths, tta=tta)
    return 1 if write(predictions, run.class_names, sys.stdout) else 0
