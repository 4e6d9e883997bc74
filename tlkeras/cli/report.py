"""Write the page and the model card of a run again, from its files."""

from absl import flags

from tlkeras.cli import parsing

USAGE = (
    "tlkeras report --workdir=RUN [--output=DIR] [--license=NAME] "
    "[--language=CODE]"
)
EXAMPLES = (
    "--workdir=RUN",
    "--workdir=RUN --output=page",
    "--workdir=RUN --license=apache-2.0 --language=en",
)
FLAG_NAMES = ("output", "license", "language")


def define_flags(argv: list[str]) -> None:
    """Defines the command's flags."""
    parsing.define_run_flag()
    flags.DEFINE_string(
        "output",
        None,
        "Folder for report.html and MODEL_CARD.md; default: the run's own.",
    )
    flags.DEFINE_string(
        "license",
        None,
        "The model's licence as model hubs name it, for MODEL_CARD.md; "
        "default: the run's report.license.",
    )
    flags.DEFINE_string(
        "language",
        None,
        "Of the class names, for MODEL_CARD.md; default: the run's "
        "report.language.",
    )


def main(arguments: list[str]) -> int:
    """Writes `report.html` and `MODEL_CARD.md`, and prints the page's path."""
    from pathlib import Path

    from tlkeras.report.page import write_report

    stated = {name: parsing.FLAGS[name].value for name in FLAG_NAMES[1:]}
    page = write_report(
        Path(parsing.require_workdir()),
        output=parsing.FLAGS.output,
        card={name: value for name, value in stated.items() if value},
    )
    print(page)
    return 0
