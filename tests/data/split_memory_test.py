import json
import shutil

import pytest

from tlkeras.config import get_config
from tlkeras.console import Console
from tlkeras.data.load import load_configured, load_dataset


def copy_photos(photo_folder, target, rows):
    for name in ("china", "flower"):
        (target / name).mkdir(exist_ok=True)
        for path in sorted((photo_folder / name).iterdir())[rows]:
            shutil.copy(path, target / name)


def places(dataset):
    return {
        path: split
        for split, members in dataset.splits.items()
        for path in members.paths
    }


@pytest.fixture
def grown(tmp_path, photo_folder):
    """A folder that had six images in an earlier run; returns its moves too."""
    copy_photos(photo_folder, tmp_path, slice(3))
    moved = load_dataset(str(tmp_path)).ledger.moved
    copy_photos(photo_folder, tmp_path, slice(3, None))
    return str(tmp_path), moved


def test_a_rescued_file_is_remembered_between_runs(grown):
    source, moved = grown
    assert moved
    where = places(load_dataset(source))
    assert all(where[path] == split for path, split in moved)


def test_what_the_memory_changed_is_named(grown):
    source, moved = grown
    dataset = load_dataset(source)
    remembered = dataset.ledger.remembered
    assert remembered
    assert set(remembered) <= set(moved)
    alone = places(load_dataset(source, split_memory=False))
    where = places(dataset)
    assert set(remembered) == {
        (path, split) for path, split in where.items() if alone[path] != split
    }
    sentence = dataset.ledger.describe_memory()
    for path, split in remembered:
        assert f"{path} ({split})" in sentence
    assert "--config.data.split_memory=False" in sentence
    stored = json.loads(json.dumps(dataset.ledger.as_dict()))
    assert [tuple(row) for row in stored["remembered"]] == remembered


def test_a_memory_that_changes_nothing_is_not_mentioned(tmp_path, photo_folder):
    copy_photos(photo_folder, tmp_path, slice(3))
    first, second = (load_dataset(str(tmp_path)) for _ in range(2))
    assert first.ledger.moved
    assert places(first) == places(second)
    for dataset in (first, second):
        assert dataset.ledger.describe_memory() == ""
        assert "remembered" not in dataset.ledger.as_dict()


def test_without_memory_a_split_is_that_of_another_machine(grown, monkeypatch):
    source, _ = grown
    config = get_config()
    config.data.source = source
    with_memory = places(load_configured(config))
    config.data.split_memory = False
    without = load_configured(config)
    assert places(without) != with_memory
    assert without.ledger.describe_memory() == ""
    with monkeypatch.context() as other_machine:
        other_machine.setenv("TLKERAS_CACHE", f"{source}/empty_cache")
        assert places(load_dataset(source)) == places(without)


def test_a_run_without_memory_leaves_none(tmp_path, photo_folder):
    copy_photos(photo_folder, tmp_path, slice(3))
    source = str(tmp_path)
    assert load_dataset(source, split_memory=False).ledger.moved
    copy_photos(photo_folder, tmp_path, slice(3, None))
    assert load_dataset(source).ledger.moved == []


def test_a_run_says_what_the_memory_changed(
    grown, small_config, tmp_path_factory, capsys
):
    from tlkeras.training.trainer import train_and_evaluate

    source, _ = grown
    small_config.data.source = source
    small_config.phases.fine_tune.epochs = 0
    small_config.report.enabled = False
    directory = tmp_path_factory.mktemp("run")
    train_and_evaluate(small_config, directory, console=Console())
    ledger = json.loads((directory / "ledger.json").read_text())
    (line,) = [
        line
        for line in capsys.readouterr().out.splitlines()
        if "memory of an earlier run" in line
    ]
    for path, split in ledger["remembered"]:
        assert f"{path} ({split})" in line
