"""Preflight: everything that can be known to be wrong before a run."""

from tlkeras.cli import parsing

USAGE = (
    "tlkeras check --data=SOURCE [--config=FILE] "
    "[--config.section.field=value ...] [--workdir=DIR] [--quiet]"
)
EXAMPLES = (
    "--data=photos",
    "--data=photos --config.model.weights=none",
    "--config=configs/fine_tune_all.py --data=photos.csv",
)


def define_flags(argv: list[str]) -> None:
    """Defines the command's flags."""
    parsing.define_config_flags(argv)


def main(arguments: list[str]) -> int:
    """Checks, prints each result, and fails where a check does."""
    import time
    from pathlib import Path

    from tlkeras import workdir
    from tlkeras.checks.suite import format_counts, require_passed
    from tlkeras.console import Console
    from tlkeras.studies.preflight import run_preflight

    started = time.perf_counter()
    config = parsing.resolve_config()
    directory = Path(parsing.resolve_workdir(config))
    console = Console(quiet=parsing.FLAGS.quiet)
    results = run_preflight(config, directory, console=console)
    console.result(
        f"{format_counts(results)} in {time.perf_counter() - started:.1f} s; "
        f"written: {directory / workdir.CHECKS}"
    )
    require_passed(results, strict=config.checks.strict)
    return 0
