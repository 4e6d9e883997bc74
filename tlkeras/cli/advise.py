"""Which recipe a data set asks for: size x similarity, with evidence."""

from absl import flags

from tlkeras.cli import parsing

USAGE = (
    "tlkeras advise --data=SOURCE [--measure] [--max_images=5000] [--folds=3] "
    "[--config=FILE] [--config.section.field=value ...] [--workdir=DIR] "
    "[--quiet]"
)
EXAMPLES = (
    "--data=photos",
    "--data=photos --measure",
    "--data=photos --config.model.backbone=VGG16 --max_images=1000",
)
FLAG_NAMES = ("measure", "max_images", "folds")


def define_flags(argv: list[str]) -> None:
    """Defines the command's flags."""
    parsing.define_config_flags(argv)
    flags.DEFINE_boolean(
        "measure",
        False,
        "Train the recipes for a short while on the same folds; the same "
        "command goes on where it was stopped.",
    )
    flags.DEFINE_integer(
        "max_images", 5000, "Images of train + validation to use at most."
    )
    flags.DEFINE_integer("folds", 3, "Of every cross-validation, 2 .. 20.")


def main(arguments: list[str]) -> int:
    """Advises, draws, and prints sentences and flags to paste."""
    from pathlib import Path

    from tlkeras.console import Console
    from tlkeras.studies.advice_plot import ADVICE_PLOT, plot_advice
    from tlkeras.studies.advice_text import format_advice
    from tlkeras.studies.advise import advise

    parsing.require_range("folds", 2, 20)
    parsing.require_range("max_images", 20, 10**9)
    config = parsing.resolve_config()
    directory = Path(parsing.resolve_workdir(config, root="advice"))
    console = Console(quiet=parsing.FLAGS.quiet)
    result = advise(
        config,
        directory,
        measure=parsing.FLAGS.measure,
        num_folds=parsing.FLAGS.folds,
        max_images=parsing.FLAGS.max_images,
        console=console,
    )
    plot_advice(result, directory / ADVICE_PLOT)
    console.result(f"{format_advice(result)}\nwritten: {directory}")
    return 0
