"""One network from several runs of one recipe: the average of their weights.

Serving it costs what one run costs, and it does not depend on the luck of a
seed.

Reference:
    Wortsman et al., Model soups: averaging weights of multiple fine-tuned
    models improves accuracy without increasing inference time, 2022, recipe 1
    (the greedy soup).
"""

import dataclasses
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from tlkeras import workdir
from tlkeras.config.run_directory import own_run_directory
from tlkeras.console import Console
from tlkeras.data.dataset import Dataset
from tlkeras.devices import installed_versions
from tlkeras.errors import InputError
from tlkeras.evaluation.records import TEST, VALIDATION, SplitScore
from tlkeras.evaluation.run import Run
from tlkeras.studies.soup_answers import (
    Answers,
    answer,
    average_scores,
    compare,
    score_ensemble,
)
from tlkeras.studies.soup_average import pour
from tlkeras.studies.soup_members import Member, read_members
from tlkeras.studies.soup_record import (
    SoupRecord,
    SoupRow,
    describe_metrics,
)

MEAN = "the mean of the runs"
# Of the first run; they tell of the recipe, which all runs share.
KEPT_FILES = (
    workdir.LEDGER,
    workdir.SPLIT,
    workdir.REVIEWED,
    workdir.HISTORY,
    workdir.CHECKS,
)


def make_soup(
    directories: Sequence[str | Path],
    output: str | Path,
    *,
    console: Console | None = None,
) -> SoupRecord:
    """Averages the weights of runs that differ in their seed alone.

    Begins with the best run on validation; each other one, best first, goes
    into the average if validation does not get worse by it. Statistics of
    BatchNormalization that trained are computed again from training images.
    The soup of one run is that run.

    Args:
        directories: Of finished runs with one config, split and start.
        output: The soup's own run directory, which every command reads; if it
            is finished, it is only read.
        console: For people; None is quiet.

    Returns:
        What `soup.json` holds.

    Raises:
        InputError: If the runs cannot be averaged, or `output` holds something
            else.
    """
    console = console or Console(quiet=True)
    given, output = [Path(directory) for directory in directories], Path(output)
    if output.resolve() in [directory.resolve() for directory in given]:
        raise InputError(
            f"--output={output} is one of the runs; expected a directory of "
            "its own: choose another one."
        )
    members = read_members(given)
    first = members[0].run
    with own_run_directory(output, first.config) as (_, directory):
        if (directory / workdir.RESULT).exists():
            return _read_finished(directory, given)
        workdir.remove_leftovers(directory)
        return _make(
            members, dataclasses.replace(first, directory=directory), console
        )


def _read_finished(directory: Path, given: Sequence[Path]) -> SoupRecord:
    """Returns the record of a finished soup of the same runs."""
    path = directory / workdir.SOUP
    if path.exists():
        with workdir.reading(path):
            record = SoupRecord.from_dict(workdir.read_json(path))
        if {row.run for row in record.runs} == set(map(str, given)):
            return record
    raise InputError(
        f"'{directory}' holds another run or soup; expected a new directory, "
        "or the soup of the same runs: choose another --output."
    )


def _make(members: Sequence[Member], soup: Run, console: Console) -> SoupRecord:
    """Makes a soup in the model of the first member, and writes its files.

    Args:
        members: Runs that may be averaged.
        soup: The first member's run, in the directory of the soup.
        console: For people.
    """
    started = time.perf_counter()
    # The first run's directory has the split.
    dataset = members[0].run.load_dataset("validation")
    answers = []
    for member in members:
        answers.append(answer(member.run, dataset))
        console.line(
            f"{member.name}: seed {member.seed}, "
            f"{describe_metrics(answers[-1].metrics)}"
        )
    soup, record = _choose(members, answers, soup, dataset, console)
    workdir.write_json(soup.directory / workdir.SOUP, record.as_dict())
    _write_run(soup, members, dataset, started)
    return record


def _choose(
    members: Sequence[Member],
    answers: Sequence[Answers],
    soup: Run,
    dataset: Dataset,
    console: Console,
) -> tuple[Run, SoupRecord]:
    """Returns the greedy soup, and what is to be said of it."""
    order = sorted(
        range(len(members)), key=lambda i: answers[i].rank, reverse=True
    )
    best, *others = order
    chosen, served = [members[best]], answers[best]
    rows = {best: SoupRow.of(members[best], answers[best], None, is_in=True)}
    poured: list[Member] = []  # what is in the model
    for i in others:
        poured = [*chosen, members[i]]
        soup, tried = pour(poured, soup, dataset)
        paired = compare(served.scores, tried.scores, "the soup so far", soup)
        # As in the paper: what does not harm goes in.
        is_in = paired.difference >= 0
        if is_in:
            chosen, served = poured, tried
        rows[i] = SoupRow.of(members[i], answers[i], paired, is_in=is_in)
        console.line(
            f"with {members[i].name}: {paired.describe()}: "
            f"{'goes in' if is_in else 'stays out'}"
        )
    if poured is not chosen:
        soup, served = pour(chosen, soup, dataset)
    mean = average_scores(answers)
    ensemble = score_ensemble(answers, dataset, soup.loss)
    return soup, SoupRecord(
        runs=tuple(rows[i] for i in range(len(members))),
        metrics=served.metrics,
        mean_of_runs=float(mean.mean()),
        against_best=compare(
            answers[best].scores, served.scores, members[best].name, soup
        ),
        against_mean=compare(mean, served.scores, MEAN, soup),
        ensemble=compare(mean, ensemble, MEAN, soup),
    )


def _write_run(
    soup: Run, members: Sequence[Member], dataset: Dataset, started: float
) -> None:
    """Writes what every run directory holds, `result.json` last."""
    first = members[0].run.directory
    for name in KEPT_FILES:
        if (first / name).exists():
            with workdir.replacing(soup.directory / name) as temporary:
                shutil.copyfile(first / name, temporary)
    with workdir.replacing(soup.directory / workdir.MODEL) as temporary:
        soup.model.save(temporary)
    splits = {VALIDATION: "validation"}
    if soup.config.evaluation.test_at_end and "test" in dataset.splits:
        splits[TEST] = "test"
    scores = {}
    for prefix, split in splits.items():
        metrics = soup.evaluate(split, command="soup")
        scores[prefix] = SplitScore.from_dict(metrics, soup.result.metric)
    trained = sum(member.run.result.seconds["total"] for member in members)
    total = trained + time.perf_counter() - started
    result = dataclasses.replace(
        soup.result,
        scores=scores,
        seconds={"features": 0.0, "total": round(total, 3)},
        versions=installed_versions(),
    )
    workdir.write_json(soup.directory / workdir.RESULT, result.as_dict())
