"""Metrics of a finished run on a split; looks at the test split are counted."""

from absl import flags

from tlkeras.cli import parsing

USAGE = (
    "tlkeras evaluate --workdir=RUN [--split=validation|test|train] "
    "[--tta=none|flip|scales|flip+scales]"
)
EXAMPLES = (
    "--workdir=RUN",
    "--workdir=RUN --tta=flip+scales",
    "--workdir=RUN --split=test",
)
FLAG_NAMES = ("split", "tta")
STARTS_ALONE = True  # it imports the frameworks itself, where it needs them


def define_flags(argv: list[str]) -> None:
    """Defines the command's flags."""
    parsing.define_run_flag()
    flags.DEFINE_string("split", "validation", "validation, test or train.")
    flags.DEFINE_string(
        "tta",
        "none",
        "Test-time views to compare with the plain images: none, flip, scales "
        "or flip+scales.",
    )


def main(arguments: list[str]) -> int:
    """Evaluates and prints a table."""
    from pathlib import Path

    from tlkeras.console import printable
    from tlkeras.data.dataset import SPLITS
    from tlkeras.evaluation.evaluate import read_test_looks
    from tlkeras.evaluation.light_run import load_lightest
    from tlkeras.report.text import format_evaluation
    from tlkeras.startup import import_frameworks
    from tlkeras.tables import lookup

    directory = parsing.require_workdir()
    split, tta = parsing.FLAGS.split, parsing.FLAGS.tta
    lookup(dict.fromkeys(SPLITS), split, what="split")
    if tta == parsing.FLAGS["tta"].default:
        run = load_lightest(Path(directory), has_many=True)
        print(printable(format_evaluation(split, run.evaluate(split))))
    else:
        import_frameworks()
        from tlkeras.evaluation.run import load_run
        from tlkeras.evaluation.view_comparison import (
            evaluate_views,
            format_views,
        )

        metrics, record = evaluate_views(load_run(directory), split, tta)
        print(printable(format_evaluation(split, metrics)))
        print(f"\n{format_views(record)}")
    if split == "test":
        looks = len(read_test_looks(Path(directory)))
        print(f"looks at the test split so far: {looks}")
    return 0
