"""Where in an image a run sees its classes: overlays and heatmaps.json."""

from absl import flags

from tlkeras.cli import parsing

USAGE = (
    "tlkeras heatmap --workdir=RUN [--method=dense|windows] [--size=PIXELS] "
    "[--scales=1,1.4,2] [--classes=top|NAME,...] [--output=DIR] [--quiet] "
    "IMAGE_OR_FOLDER ... | --split=validation (the pointing test)"
)
EXAMPLES = (
    "--workdir=RUN photos/cat",
    "--workdir=RUN --method=windows --classes=cat,dog a.jpg",
    "--workdir=RUN --split=validation",
)
FLAG_NAMES = ("method", "size", "scales", "classes", "output", "split")
TAKES_ARGUMENTS = True


def define_flags(argv: list[str]) -> None:
    """Defines the command's flags."""
    parsing.define_run_flag()
    flags.DEFINE_string("method", "dense", "dense, or windows that slide.")
    flags.DEFINE_integer(
        "size",
        None,
        "Side of the image for dense, pixels, a multiple of the network's "
        "stride; default: the run's own.",
    )
    flags.DEFINE_list(
        "scales",
        None,
        "Of windows: their side is the image's shorter one over each of these; "
        "default: 1,1.4,2.",
    )
    flags.DEFINE_list(
        "classes", ["top"], "Classes to show; top = each image's own answer."
    )
    flags.DEFINE_string(
        "output", None, "Folder to write to; default: heatmaps/ in the run."
    )
    flags.DEFINE_string(
        "split",
        None,
        "Runs the mosaic pointing test on validation, test or train instead.",
    )
    flags.DEFINE_boolean("quiet", False, "Print the result only.")


def main(arguments: list[str]) -> int:
    """Writes overlays and `heatmaps.json`, or `pointing.json`.

    1 if an image could not be read.
    """
    from pathlib import Path

    from tlkeras import workdir
    from tlkeras.console import Console
    from tlkeras.evaluation.run import load_run

    given = parsing.FLAGS
    run = parsing.require_workdir()
    directory = Path(given.output or Path(run) / workdir.HEATMAP_FOLDER)
    console = Console(quiet=given.quiet)
    if given.split is not None:
        return _point(arguments, directory, console)
    from tlkeras.data.folder import list_inputs
    from tlkeras.studies.heatmaps import format_heatmaps, write_heatmaps

    settings = _read_settings()
    paths = list_inputs(arguments)
    result = write_heatmaps(
        load_run(run), paths, directory, settings, console=console
    )
    console.result(f"{format_heatmaps(result)}\nwritten: {directory}")
    return 1 if any(row["error"] for row in result["images"]) else 0


def _read_settings():  # type: ignore[no-untyped-def]
    from tlkeras.errors import InputError
    from tlkeras.studies.mappers import HeatmapSettings

    given = parsing.FLAGS
    names = [] if given.classes == ["top"] else given.classes
    rest = {}
    if given.scales is not None:
        if given.method == "dense":
            raise InputError(
                "--scales has no effect on --method=dense; expected it with "
                "windows only: leave it out, or choose --size."
            )
        try:
            rest["scales"] = tuple(map(float, given.scales))
        except ValueError:
            raise InputError(
                f"--scales={','.join(given.scales)} is no list of numbers; "
                "expected such as --scales=1,1.4,2."
            ) from None
    return HeatmapSettings(
        given.method, size=given.size, classes=tuple(names), **rest
    )


def _point(arguments, directory, console) -> int:  # type: ignore[no-untyped-def]
    from tlkeras.data.dataset import SPLITS
    from tlkeras.errors import InputError
    from tlkeras.evaluation.evaluate import count_test_look
    from tlkeras.evaluation.run import load_run
    from tlkeras.studies.mosaics import format_pointing, run_pointing
    from tlkeras.tables import lookup

    given = parsing.FLAGS
    lookup(dict.fromkeys(SPLITS), given.split, what="split")
    if arguments:
        raise InputError(
            f"Both --split={given.split} and '{arguments[0]}' are given; "
            "expected images, or the split for the pointing test: leave one "
            "out."
        )
    run = load_run(parsing.require_workdir())
    if given.split == "test":
        count_test_look(run.directory, "heatmap")
    result = run_pointing(run, given.split, directory, console=console)
    console.result(f"{format_pointing(result)}\nwritten: {directory}")
    return 0
