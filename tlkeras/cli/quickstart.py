"""The embedded default: printed letters become handwritten digits."""

from absl import flags

from tlkeras.cli import parsing

USAGE = "tlkeras quickstart [--seeds=1] [--workdir=DIR] [--quiet]"
EXAMPLES = ("", "--seeds=5", "--workdir=runs/first")
FLAG_NAMES = ("seeds",)


def define_flags(argv: list[str]) -> None:
    """Defines the command's flags."""
    flags.DEFINE_integer("seeds", 1, "Divisions of the digits; 5 for a table.")
    flags.DEFINE_string("workdir", "runs/quickstart", "Directory of the runs.")
    flags.DEFINE_boolean("quiet", False, "Print the result only.")


def main(arguments: list[str]) -> int:
    """Measures the recipe and its controls, and prints the figures."""
    import time
    from pathlib import Path

    from tlkeras.console import Console
    from tlkeras.errors import InputError
    from tlkeras.report.page import write_report
    from tlkeras.studies.quickstart import (
        CHOSEN,
        format_figures,
        run_quickstart,
    )

    given = parsing.FLAGS
    if given.seeds < 1:
        raise InputError(
            f"--seeds={given.seeds} is out of range; expected at least 1."
        )
    started, directory = time.perf_counter(), Path(given.workdir)
    console = Console(quiet=given.quiet)
    figures = run_quickstart(given.seeds, directory, console=console)
    page = write_report(directory / "seed_0" / CHOSEN.replace(" ", "_"))
    console.result(format_figures(figures))
    console.result(f"{time.perf_counter() - started:.0f} s\nreport: {page}")
    return 0
