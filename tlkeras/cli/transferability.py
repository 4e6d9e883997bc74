"""How transferable the features of each depth are: AnB, AnB+, BnB, BnB+."""

from absl import flags

from tlkeras.cli import parsing

USAGE = (
    "tlkeras transferability [--data=SOURCE] [--config=FILE] "
    "[--config.section.field=value ...] [--workdir=DIR] [--quick] "
    "[--source=RUN|WEIGHTS | --split_file=CSV] [--splits=N] [--cuts=LAYER,...] "
    "[--epochs=10] [--batch_size=64] [--learning_rate=0.004] [--quiet]"
)
EXAMPLES = (
    "--quick",
    "--data=photos --splits=3",
    "--source=letters --data=digits",
)
FLAG_NAMES = (
    "quick",
    "source",
    "split_file",
    "splits",
    "cuts",
    "epochs",
    "batch_size",
    "learning_rate",
)
FLAG_RANGES = {
    "splits": (1, 1000),
    "epochs": (1, 10000),
    "batch_size": (1, 65536),
    "learning_rate": (1e-8, 10.0),
}


def define_flags(argv: list[str]) -> None:
    """Defines the command's flags."""
    from tlkeras.config import transferability

    parsing.define_config_flags(argv, default=transferability.__file__)
    flags.DEFINE_boolean(
        "quick", False, "Frozen kinds only; a later run adds the others."
    )
    flags.DEFINE_string(
        "source",
        "",
        "What A is: imagenet, letters, a weights file or a run; default the "
        "other half of the classes.",
    )
    flags.DEFINE_string(
        "split_file", "", "CSV class,half with two named halves of classes."
    )
    flags.DEFINE_integer(
        "splits",
        None,
        "Divisions into halves, two pairs each; with --source, seeds. Default "
        "2, with --source 4.",
    )
    flags.DEFINE_list(
        "cuts", [], "Layers that end a block; default ends of stages."
    )
    flags.DEFINE_integer("epochs", 10, "Of each training.")
    flags.DEFINE_integer("batch_size", 64, "Images.")
    flags.DEFINE_float("learning_rate", 4e-3, "Peak of a cosine, of AdamW.")


def main(arguments: list[str]) -> int:
    """Trains what is missing and prints the table."""
    from pathlib import Path

    from tlkeras import workdir
    from tlkeras.console import Console
    from tlkeras.errors import InputError
    from tlkeras.studies.transfer_plot import plot_transferability
    from tlkeras.studies.transfer_protocol import StudyOptions
    from tlkeras.studies.transfer_training import StudySettings
    from tlkeras.studies.transferability import (
        format_transferability,
        run_transferability,
    )

    given = parsing.FLAGS
    for name, (low, high) in FLAG_RANGES.items():
        value = getattr(given, name)
        if value is not None and not low <= value <= high:
            raise InputError(
                f"--{name}={value} is out of range; expected {low} .. {high}."
            )
    config = parsing.resolve_config()
    directory = Path(parsing.resolve_workdir(config, root="transferability"))
    result = run_transferability(
        config,
        directory,
        options=StudyOptions(
            given.splits,
            tuple(given.cuts),
            given.quick,
            given.source,
            given.split_file,
        ),
        settings=StudySettings(
            given.epochs, given.batch_size, given.learning_rate
        ),
        console=(console := Console(quiet=given.quiet)),
    )
    plot_transferability(result, directory / workdir.TRANSFERABILITY_PLOT)
    console.result(f"{format_transferability(result)}\nwritten: {directory}")
    return 0
