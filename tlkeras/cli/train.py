"""Train a classifier, or go on with an unfinished run."""

from tlkeras.cli import parsing

USAGE = (
    "tlkeras train --data=SOURCE [--config=FILE] "
    "[--config.section.field=value ...] [--workdir=DIR] [--quiet]"
)
EXAMPLES = (
    "--data=photos",
    "--data=photos --config.preset=fast",
    "--config=configs/fine_tune_all.py --data=photos --workdir=runs/all",
)


def define_flags(argv: list[str]) -> None:
    """Defines the command's flags."""
    parsing.define_config_flags(argv)


def helps_as() -> str:
    """Returns which process of `runtime.devices=workers` helps; else ""."""
    from tlkeras.training.worker_place import read_place

    if parsing.resolve_config().runtime.devices != "workers":
        return ""
    place = read_place()
    return "" if place.is_chief else f"process {place.index}"


def main(arguments: list[str]) -> int:
    """Trains and prints the result; 1 if a phase diverged."""
    import sys
    from pathlib import Path

    from tlkeras.console import Console
    from tlkeras.evaluation.records import RunResult
    from tlkeras.remote_directory import address_of
    from tlkeras.report.text import format_diagnosis, format_result
    from tlkeras.startup import BEGUN
    from tlkeras.training.trainer import train_and_evaluate

    config = parsing.resolve_config()
    directory = Path(parsing.resolve_workdir(config))
    console = Console(quiet=parsing.FLAGS.quiet)
    found = train_and_evaluate(config, directory, console=console, begun=BEGUN)
    if not found:
        place = address_of(directory)
        console.result(f"this process has helped; the chief has '{place}'")
        return 0
    result = RunResult.from_dict(found)
    if config.report.enabled:
        from tlkeras.report.page import write_report

        write_report(
            directory,
            card={
                "license": config.report.license,
                "language": config.report.language,
            },
        )
    if findings := format_diagnosis(directory):
        console.result(findings)
    console.result(format_result(result, directory))
    diverged = [row for row in result.phases if row.stopped]
    for row in diverged:
        print(
            f"tlkeras: the phase '{row.phase}' diverged, {row.stopped}; "
            "the best weights before are kept: lower --config.phases."
            f"{row.phase}.learning_rate.",
            file=sys.stderr,
        )
    return 1 if diverged else 0
