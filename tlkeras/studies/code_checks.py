"""The checks that need the codes of images: labels, and copies."""

from tlkeras import workdir
from tlkeras.checks.suite import Suite
from tlkeras.studies.copy_checks import run_copy_checks
from tlkeras.studies.label_checks import run_label_checks
from tlkeras.studies.split_codes import build_top_prefix, compute_split_codes
from tlkeras.studies.suspect_labels import write_suspect_labels
from tlkeras.training.context import RunContext


def run_code_checks(suite: Suite, run: RunContext) -> None:
    """Runs what needs codes; they are cached for the run to come.

    Args:
        suite: Collects the results; `suspect_labels.csv` and
            `near_duplicates.csv` are written beside its file.
        run: With a fresh head.
    """
    dataset, config = run.dataset, run.config
    prefix = build_top_prefix(run.classifier, dataset, config, run.console)
    run_label_checks(suite, run, prefix)
    found = compute_split_codes(prefix, dataset, config.seed)
    run_copy_checks(suite, found.splits, found.codes, found.num_left)
    suite.run(
        lambda: write_suspect_labels(
            suite.path.with_name(workdir.SUSPECT_LABELS),
            *found.join_doubted(),
            dataset.class_names,
            seed=config.seed,
        )
    )
