"""Metrics of a finished run on a split; looks at the test split are counted."""

from absl import flags

from tlkeras.cli import parsing

USAGE = "tlkeras evaluate --workdir=RUN [--split=validation|test|train]"
FLAG_NAMES = ("split",)


def define_flags(argv: list[str]) -> None:
    """Defines the command's flags."""
    parsing.define_run_flag()
    flags.DEFINE_string("split", "validation", "validation, test or train.")


def main(arguments: list[str]) -> int:
    """Evaluates and prints a table."""
    from pathlib import Path

    from tlkeras.console import printable
    from tlkeras.data.dataset import SPLITS
    from tlkeras.evaluation.evaluate import read_test_looks
    from tlkeras.evaluation.run import load_run
    from tlkeras.report.text import format_evaluation
    from tlkeras.tables import lookup

    directory = parsing.require_workdir()
    split = parsing.FLAGS.split
    lookup(dict.fromkeys(SPLITS), split, what="split")
    metrics = load_run(directory).evaluate(split)
    print(printable(format_evaluation(split, metrics)))
    if split == "test":
        looks = len(read_test_looks(Path(directory)))
        print(f"looks at the test split so far: {looks}")
    return 0
