"""Write the page of a run again, from the files in its directory."""

from tlkeras.cli import parsing

USAGE = "tlkeras report --workdir=RUN"


def define_flags(argv: list[str]) -> None:
    """Defines the command's flags."""
    parsing.define_run_flag()


def main(arguments: list[str]) -> int:
    """Writes `report.html` and prints its path."""
    from pathlib import Path

    from tlkeras.report.page import write_report

    print(write_report(Path(parsing.require_workdir())))
    return 0
