"""Find the learning rate of a phase by a range test."""

from absl import flags

from tlkeras.cli import parsing

USAGE = (
    "tlkeras find_lr --data=SOURCE [--phase=NAME] [--rule=auto] "
    "[--config=FILE] [--config.section.field=value ...] [--workdir=DIR] "
    "[--low=1e-7] [--high=10] [--num_steps=100] [--quiet]"
)
EXAMPLES = (
    "--data=photos",
    "--data=photos --phase=linear_probe",
    "--data=photos --low=1e-6 --high=1 --num_steps=200",
)
FLAG_NAMES = ("phase", "rule", "low", "high", "num_steps")


def define_flags(argv: list[str]) -> None:
    """Defines the command's flags."""
    parsing.define_config_flags(argv)
    flags.DEFINE_string(
        "phase", "", "Phase to test; default: the last one that is fitted."
    )
    flags.DEFINE_string(
        "rule",
        "auto",
        "How the rate is read off: valley, steepest, minimum (a tenth of the "
        "rate at the lowest loss), slide, edge (the highest that does no "
        "harm), or auto: minimum for a fresh head, edge for fitted weights.",
    )
    flags.DEFINE_float("low", 1e-7, "First rate.")
    flags.DEFINE_float("high", 10.0, "Last rate.")
    flags.DEFINE_integer("num_steps", 100, "Batches, one rate each.")


def main(arguments: list[str]) -> int:
    """Tests, draws, and prints the rate as a flag to paste."""
    from pathlib import Path

    from tlkeras import workdir
    from tlkeras.console import Console
    from tlkeras.studies.lr_finder_plot import plot_learning_rates
    from tlkeras.studies.lr_search import find_phase_rates
    from tlkeras.training.learning_rates import format_learning_rates

    config = parsing.resolve_config()
    directory = Path(parsing.resolve_workdir(config))
    console = Console(quiet=parsing.FLAGS.quiet)
    found = find_phase_rates(
        config,
        directory,
        phase=parsing.FLAGS.phase,
        rule=parsing.FLAGS.rule,
        lowest=parsing.FLAGS.low,
        highest=parsing.FLAGS.high,
        num_steps=parsing.FLAGS.num_steps,
        console=console,
    )
    plot_learning_rates(found, directory / workdir.LR_FINDER_PLOT)
    console.result(
        f"{format_learning_rates(found)}\n"
        f"--config.phases.{found.phase}.learning_rate="
        f"{found.learning_rate:.2g}\n"
        f"{len(found.rates)} steps in {found.seconds:.1f} s; written: "
        f"{directory / workdir.LR_FINDER}, {workdir.LR_FINDER_PLOT}"
    )
    return 0
