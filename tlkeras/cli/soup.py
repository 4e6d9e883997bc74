"""One network from several runs: the average of their weights."""

from absl import flags

from tlkeras.cli import parsing

USAGE = "tlkeras soup --workdir=RUN,RUN,... --output=DIR [--quiet]"
EXAMPLES = (
    "--workdir=RUN-0,RUN-1,RUN-2 --output=SOUP",
    "--workdir=RUN-0,RUN-1 --output=SOUP --quiet",
    "--workdir=SOUP,RUN-3 --output=LARGER",
)
FLAG_NAMES = ("output",)
OUTPUT_IS_A_RUN = True


def define_flags(argv: list[str]) -> None:
    """Defines the command's flags."""
    flags.DEFINE_list(
        "workdir", [], "Directories of finished runs that differ in the seed."
    )
    flags.DEFINE_string("output", None, "Run directory of the soup.")
    flags.DEFINE_boolean("quiet", False, "Print the result only.")


def main(arguments: list[str]) -> int:
    """Averages, and prints what it is worth."""
    from tlkeras.console import Console
    from tlkeras.errors import InputError
    from tlkeras.studies.soup import make_soup
    from tlkeras.studies.soup_record import format_soup

    given = parsing.FLAGS
    if not given.output:
        raise InputError(
            "No directory for the soup is given; expected --output=DIR."
        )
    console = Console(quiet=given.quiet)
    record = make_soup(given.workdir, given.output, console=console)
    console.result(f"{format_soup(record)}\nwritten: {given.output}")
    return 0
