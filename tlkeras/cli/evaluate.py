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
    from tlkeras.evaluation.run import load_run
    from tlkeras.evaluation.test_time import NONE
    from tlkeras.evaluation.view_comparison import evaluate_views, format_views
    from tlkeras.report.text import format_evaluation
    from tlkeras.tables import lookup

    directory = parsing.require_workdir()
    split, tta = parsing.FLAGS.split, parsing.FLAGS.tta
    lookup(dict.fromkeys(SPLITS), split, what="split")
    run = load_run(directory)
    if tta == NONE:
        print(printable(format_evaluation(split, run.evaluate(split))))
    else:
        metrics, record = evaluate_views(run, split, tta)
        print(printable(format_evaluation(split, metrics)))
        print(f"\n{format_views(record)}")
    if split == "test":
        looks = len(read_test_looks(Path(directory)))
        print(f"looks at the test split so far: {looks}")
    return 0
