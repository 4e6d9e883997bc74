"""Everything that can be known to be wrong before a run: `tlkeras check`."""

from pathlib import Path

from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.checks.regularization import check_regularization
from tlkeras.checks.result import CheckResult
from tlkeras.checks.suite import Suite
from tlkeras.config.validate import require_one_process
from tlkeras.console import Console
from tlkeras.optim.losses import mean_loss
from tlkeras.studies.code_checks import run_code_checks
from tlkeras.studies.phase_checks import run_phase_checks
from tlkeras.training.first_checks import fitted_phases, run_cheap_checks
from tlkeras.training.opening import open_run
from tlkeras.training.start import start_run


def run_preflight(
    config: ConfigDict, directory: Path | str, *, console: Console | None = None
) -> list[CheckResult]:
    """Runs every check on a fresh model, and writes `checks.json`.

    Args:
        config: As for `train_and_evaluate`.
        directory: Of the run that is to come, or of one that there is; nothing
            but `checks.json`, and what describes the data, is written there.
        console: For progress; None is quiet.

    Returns:
        The results, in order; none is raised.

    Raises:
        InputError: For unusable input, or the directory of another config.
    """
    console = console or Console(quiet=True)
    require_one_process(config, "check")
    with open_run(config, directory) as (config, directory):
        return _run_checks(config, directory, console)


def _run_checks(
    config: ConfigDict, directory: Path, console: Console
) -> list[CheckResult]:
    run = start_run(config, directory, console)
    suite = Suite(directory / workdir.CHECKS, console, run.dataset.fingerprint)
    logits = run_cheap_checks(suite, run)
    train = run.dataset.splits["train"]
    loss = mean_loss(
        train.targets[: len(logits)], logits, run.classifier.head.loss
    )
    suite.run(
        lambda: check_regularization(
            run.classifier,
            loss,
            l1=config.model.head_l1,
            l2=config.model.head_l2,
        )
    )
    run_code_checks(suite, run)
    for phase in fitted_phases(run):
        run_phase_checks(suite, phase, run)
    suite.write()
    return suite.results
