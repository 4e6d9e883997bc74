"""A search that commit 9c8c122 began and one that it finished, as they are.

`search_of_9c8c122/` holds the directory of a search on codes that was killed
after three trials; `finished.json` is what that commit made of it, and
`compared.json` the result of another one.
"""

import json
import shutil
from pathlib import Path

import pytest

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


def test_a_killed_search_goes_on_with_the_same_trials(earlier):
    """Same proposals in both stages, for the same scores.

    Values agree to 1e-12: another processor may differ in the last bits.
    """
    directory, plan = earlier
    assert open_search_directory(directory, plan) == directory
    stored = workdir.read_json(directory / "finished.json")
    wanted = SearchResult.from_dict(stored).trials
    known = read_outcomes(store_of(directory))
    assert 0 < len(known) < len(wanted)
    ran = []

    def run(asked):
        for one in asked:
            ran.append(one.trial.trial_id)
            (outcome,) = (o for o in wanted if o.values == close(one.values))
            yield one, outcome

    search(
        build_oracle(plan, directory),
        run,
        store_of(directory),
        batch_size=100,
        default_epochs=plan.epochs,
        watcher=LiveTable(Console(quiet=True), [], None, None),
    )
    found = read_outcomes(store_of(directory))
    assert [o.as_row() for o in found] == [close(o.as_row()) for o in wanted]
    assert not set(ran) & {o.trial_id for o in known}
