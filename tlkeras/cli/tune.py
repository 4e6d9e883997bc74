"""Search rates, strengths, heads, cutoffs and augmentation."""

from absl import flags

from tlkeras.cli import parsing

USAGE = (
    "tlkeras tune --data=SOURCE [--space=FIELD=LOW:HIGH[:log|linear|int] ...] "
    "[--space='FIELD=a|b|c' ...] [--config=FILE] "
    "[--config.section.field=value ...] [--workdir=DIR] [--quiet]"
)
EXAMPLES = (
    "--data=photos",
    "--data=photos --space=model.head_l2=1e-5:1e2:log",
    "--data=photos --space='phases.fine_tune.trainable_from=stage4|all' "
    "--config.tuning.num_trials=12",
)
FLAG_NAMES = ("space",)


def define_flags(argv: list[str]) -> None:
    """Defines the command's flags."""
    parsing.define_config_flags(argv)
    flags.DEFINE_multi_string(
        "space",
        [],
        "A field to search, FIELD=LOW:HIGH[:log|linear|int] or 'FIELD=a|b|c'; "
        "repeatable; none = a default space.",
    )


def helps_as() -> str:
    """Returns this worker's id; "" of a chief, or a search without one."""
    from tlkeras.tuning.address import read_address

    address = read_address()
    return "" if address is None or address.is_chief else address.tuner_id


def main(arguments: list[str]) -> int:
    """Searches and prints the trials; a worker works for its chief."""
    from pathlib import Path

    from tlkeras.console import Console
    from tlkeras.tuning.address import read_address, require_processes
    from tlkeras.tuning.plan import make_plan
    from tlkeras.tuning.space.texts import parse_space_flags
    from tlkeras.tuning.store.search_directory import default_search_directory

    config = parsing.resolve_config()
    address = read_address()
    if address is not None:
        require_processes(config)
    plan = make_plan(config, parse_space_flags(parsing.FLAGS.space))
    directory = Path(parsing.FLAGS.workdir or default_search_directory(plan))
    console = Console(quiet=parsing.FLAGS.quiet)
    if address is not None and not address.is_chief:
        from tlkeras.tuning.worker import work

        count = work(plan, directory, address)
        console.result(f"{address.tuner_id}: {count} trials")
        return 0
    from tlkeras.tuning.page.lines import format_trials
    from tlkeras.tuning.tune import tune

    result = tune(config, plan, directory, console=console)
    lines = format_trials(result.trials, result.best, result.space)
    console.result(f"{lines}\nwritten: {directory}")
    return 0
