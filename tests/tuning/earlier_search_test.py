"""A search that commit 9c8c122 began and one that it finished, as they are.

`search_of_9c8c122/` holds the directory of a search on codes that was killed
after three trials; `finished.json` is what that commit made of it, and
`compared.json` the result of another one.
"""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from keras_tuner.src.backend import io

from tlkeras import workdir
from tlkeras.console import Console
from tlkeras.tuning.page.live_table import LiveTable
from tlkeras.tuning.plan import make_plan
from tlkeras.tuning.search import search
from tlkeras.tuning.store.oracles import build_oracle
from tlkeras.tuning.store.search_directory import (
    open_search_directory,
    read_finished,
)
from tlkeras.tuning.store.search_result import SearchResult
from tlkeras.tuning.trials.outcome import read_outcomes, store_of

EARLIER = Path(__file__).parent / "search_of_9c8c122"


@pytest.fixture
def earlier(tmp_path):
    """A copy of the directory, and the plan that its config file makes."""
    directory = shutil.copytree(EARLIER, tmp_path / "search")
    scope = {}
    exec((directory / workdir.GIVEN_CONFIG).read_text(), scope)
    return directory, make_plan(scope["get_config"](), {})


@pytest.mark.parametrize("name", ["finished.json", "compared.json"])
def test_a_result_is_written_as_it_was(name, tmp_path):
    stored = workdir.read_json(EARLIER / name)
    result = SearchResult.from_dict(stored)
    workdir.write_json(tmp_path / name, result.as_dict())
    assert (tmp_path / name).read_text() == (EARLIER / name).read_text()
    assert (result.comparison is None) == ("comparison" not in stored)


def test_outcomes_are_written_as_they_were():
    for path in EARLIER.rglob(workdir.OUTCOME):
        (outcome,) = (
            o
            for o in read_outcomes(store_of(EARLIER))
            if f"trial_{o.trial_id}" == path.parent.name
        )
        assert json.dumps(outcome.as_dict()) == path.read_text()


def test_a_finished_search_is_still_read(earlier):
    directory, plan = earlier
    shutil.copy(directory / "finished.json", directory / workdir.TUNING)
    assert len(read_finished(directory, plan).trials) == 14


def close(row):
    """What equals a row of text and numbers whose numbers agree to 1e-12."""
    return {
        name: pytest.approx(value, rel=1e-12, abs=0, nan_ok=True)
        if isinstance(value, float)
        else value
        for name, value in row.items()
    }


def finish(directory, plan, recorded):
    """Runs a search to its end with recorded scores; returns who ran, rows.

    Trials that were not recorded get the first one's score.
    """
    ran = []

    def run(asked):
        for one in asked:
            ran.append(one.trial.trial_id)
            known = [o for o in recorded if close(o.values) == one.values]
            (outcome,) = known or [
                dataclasses.replace(recorded[0], values=one.values)
            ]
            yield one, outcome

    search(
        build_oracle(plan, directory),
        run,
        store_of(directory),
        batch_size=100,
        default_epochs=plan.epochs,
        watcher=LiveTable(Console(quiet=True), [], None, None),
    )
    return ran, [o.as_row() for o in read_outcomes(store_of(directory))]


@pytest.mark.parametrize("backwards", [False, True])
def test_a_killed_search_goes_on_with_the_same_trials(
    earlier, tmp_path, monkeypatch, backwards
):
    """Same proposals as of a whole search, in any order of the folder.

    Five trials of the first stage have one score, four of them shrink the
    ranges. Values agree to 1e-12: processors differ in the last bits.
    """
    listed = io.glob
    monkeypatch.setattr(
        io, "glob", lambda pattern: sorted(listed(pattern), reverse=backwards)
    )
    directory, plan = earlier
    assert open_search_directory(directory, plan) == directory
    stored = workdir.read_json(directory / "finished.json")
    recorded = SearchResult.from_dict(stored).trials
    known = {o.trial_id for o in read_outcomes(store_of(directory))}
    assert 0 < len(known) < 10
    ran, rows = finish(directory, plan, recorded)
    assert not known & set(ran)
    coarse = [o.as_row() for o in recorded if o.stage == 1]
    assert rows[: len(coarse)] == [close(row) for row in coarse]
    _, whole = finish(tmp_path / "whole", plan, recorded)
    assert rows == [close(row) for row in whole]
    assert len(rows) == 14
