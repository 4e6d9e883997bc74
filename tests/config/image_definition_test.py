"""What goes on keeps the image definition that it began with."""

import json
import shutil
from pathlib import Path

import pytest

from tlkeras import workdir
from tlkeras.config import get_config
from tlkeras.config.auto_epochs import as_before
from tlkeras.config.hashing import config_hash
from tlkeras.config.run_directory import (
    follow_run,
    open_run_directory,
    own_run_directory,
    read_config,
)
from tlkeras.errors import InputError
from tlkeras.tuning.store.search_directory import follow_search

RECORDED = Path(__file__).parent.parent / "recorded"
RUNS = ("run", "unfinished_run", "search/tuned")
SEARCHES = ("search", "unfinished_search")


def version_of(config):
    return config.data.image_definition


@pytest.mark.parametrize("name", RUNS)
def test_a_recorded_run_has_the_first_definition(name):
    assert version_of(read_config(RECORDED / name)) == 1


def test_a_recorded_run_goes_on_with_the_first(tmp_path):
    for name in ("run", "unfinished_run"):
        directory = shutil.copytree(RECORDED / name, tmp_path / name)
        assert version_of(follow_run(get_config(), directory)) == 1


def test_a_directory_of_one_s_own_says_which_definition_it_has(tmp_path):
    given = get_config()
    for _ in range(2):
        with own_run_directory(tmp_path / "run", given) as (config, directory):
            assert version_of(config) == 2
            stored = json.loads((directory / workdir.CONFIG).read_text())
            assert stored["data"]["image_definition"] == 2
            (directory / workdir.CHECKPOINTS / workdir.STATE).touch()
    stored["data"]["image_definition"] = 1
    (directory / workdir.CONFIG).write_text(json.dumps(stored))
    with own_run_directory(directory, given) as (config, _):
        assert version_of(config) == 1
    given.data.image_definition = 2
    with (
        pytest.raises(InputError, match=r"image_definition=2, but .* 1; exp"),
        own_run_directory(directory, given),
    ):
        pass


@pytest.mark.parametrize("name", SEARCHES)
def test_a_recorded_search_goes_on_with_the_first(name):
    assert version_of(follow_search(get_config(), RECORDED / name)) == 1


def test_a_run_that_begins_has_the_newest_and_states_it(tmp_path):
    given = get_config()
    config = follow_run(given, tmp_path / "run")
    assert version_of(config) == 2
    assert version_of(given) is None
    open_run_directory(tmp_path / "run", config)
    assert version_of(read_config(tmp_path / "run")) == 2
    assert version_of(follow_search(given, tmp_path / "none")) == 2


@pytest.mark.parametrize(
    ("follow", "name"), [(follow_run, "run"), (follow_search, "search")]
)
def test_another_definition_than_the_directory_s_is_refused(follow, name):
    config = as_before(get_config())
    config.data.image_definition = 2
    with pytest.raises(InputError, match=r"image_definition=2, but .* 1; exp"):
        follow(config, RECORDED / name)
    config.data.image_definition = 1
    assert follow(config, RECORDED / name) is config


def test_a_directory_keeps_its_name_and_a_geometry_has_another():
    config = get_config()
    plain = config_hash(config)
    config.data.image_definition = 1
    assert config_hash(config) == plain
    config.data.geometry = "letterbox"
    assert config_hash(config) != plain


def test_larger_images_than_the_limit_of_today_stay_in_older_runs():
    stored = json.loads((RECORDED / "run" / workdir.CONFIG).read_text())
    assert "max_pixels" not in stored["data"]
    limit = read_config(RECORDED / "run").data.max_pixels
    assert limit > get_config().data.max_pixels
