"""Linear classifiers on every depth of a backbone, cross-validated."""

from absl import flags

from tlkeras.cli import parsing

USAGE = (
    "tlkeras probe --data=SOURCE [--config=FILE] "
    "[--config.section.field=value ...] [--workdir=DIR] [--folds=3] "
    "[--max_images=5000] [--train_per_class=30 [--splits=5]] "
    "[--augmented_copies=16] [--quiet]"
)
EXAMPLES = (
    "--data=photos",
    "--data=photos --train_per_class=30 --splits=5",
    "--data=photos --augmented_copies=16 --max_images=1000",
)
FLAG_NAMES = (
    "folds",
    "max_images",
    "train_per_class",
    "splits",
    "augmented_copies",
)


def define_flags(argv: list[str]) -> None:
    """Defines the command's flags."""
    parsing.define_config_flags(argv)
    flags.DEFINE_integer("folds", 3, "Folds of the cross-validation, 2 .. 20.")
    flags.DEFINE_integer(
        "max_images", 5000, "Images of train + validation to use at most."
    )
    flags.DEFINE_integer(
        "train_per_class",
        None,
        "Measure as the papers do too: so many training images of each class, "
        "2 or more, the rest held out.",
    )
    flags.DEFINE_integer("splits", 5, "Random splits of that, 2 .. 100.")
    flags.DEFINE_integer(
        "augmented_copies",
        1,
        "Measure on so many copies of each image too, scores summed: 6 = the "
        "whole image, its corners and centre, 8 = and two rotations, 16 = and "
        "the mirror of each.",
    )


def main(arguments: list[str]) -> int:
    """Probes and prints the table."""
    from pathlib import Path

    from tlkeras.console import Console
    from tlkeras.studies.linear_probe import (
        PROBE_PLOT,
        run_linear_probe,
    )
    from tlkeras.studies.probe_plot import plot_probe
    from tlkeras.studies.probe_text import format_probe

    parsing.require_range("folds", 2, 20)
    parsing.require_range("max_images", 20, 10**9)
    parsing.require_range("splits", 2, 100)
    if parsing.FLAGS.train_per_class is not None:
        parsing.require_range("train_per_class", 2, 10**6)
    config = parsing.resolve_config()
    directory = Path(parsing.resolve_workdir(config, root="probes"))
    console = Console(quiet=parsing.FLAGS.quiet)
    result = run_linear_probe(
        config,
        directory,
        num_folds=parsing.FLAGS.folds,
        max_images=parsing.FLAGS.max_images,
        train_per_class=parsing.FLAGS.train_per_class,
        num_splits=parsing.FLAGS.splits,
        augmented_copies=parsing.FLAGS.augmented_copies,
        console=console,
    )
    plot_probe(result, directory / PROBE_PLOT)
    console.result(f"{format_probe(result)}\nwritten: {directory}")
    return 0
