"""A search from its command to its files, on photos in seconds."""

import copy
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tlkeras import workdir
from tlkeras.charts import CSS_COLORS
from tlkeras.config.config_file import write_config_file
from tlkeras.config.hashing import config_hash
from tlkeras.errors import GateError, InputError
from tlkeras.evaluation.evaluate import read_test_looks
from tlkeras.tuning import run_search as run_search_module
from tlkeras.tuning import tune as tune_module
from tlkeras.tuning.page.lines import format_trials
from tlkeras.tuning.page.search_page import write_page
from tlkeras.tuning.plan import make_plan
from tlkeras.tuning.space.fields import copy_config
from tlkeras.tuning.store.search_directory import open_search_directory
from tlkeras.tuning.store.search_result import SearchResult
from tlkeras.tuning.trials.outcome import read_outcomes, store_of
from tlkeras.tuning.tune import tune

SPACE = {
    "phases.linear_probe.learning_rate": "1e-4:1e2:log",
    "model.head_l2": "1e-6:1e2:log",
}


def load_config_file(path):
    scope = {}
    exec(path.read_text(), scope)
    return scope["get_config"]()


@pytest.fixture(scope="module")
def searched(tmp_path_factory, make_small_config):
    """A finished search in codes mode, and its `tuning.json`."""
    config = make_small_config(
        {
            "evaluation.bootstrap_samples": 100,
            "phases.linear_probe.epochs": 4,
            "phases.linear_probe.optimizer": "sgd",
            "phases.linear_probe.batch_size": 16,
            "tuning.num_trials": 18,
            "tuning.coarse_epochs": 2,
        }
    )
    directory = tmp_path_factory.mktemp("tuning") / "search"
    found = tune(config, make_plan(config, SPACE), directory)
    result = workdir.read_json(directory / workdir.TUNING)
    assert found == SearchResult.from_dict(result)
    return config, directory, result


def test_the_result_says_what_was_tried_and_what_is_best(searched):
    _, _, result = searched
    assert result["metric"] == "val/top_1_accuracy"
    assert result["num_trials"] == len(result["trials"]) == 18
    best = result["trials"][result["best"]]
    completed = [t for t in result["trials"] if t["status"] == "completed"]
    assert best["val_accuracy"] >= max(t["val_accuracy"] for t in completed) - (
        result["noise_floor"] or 0
    )
    diverged = [t for t in result["trials"] if t["status"] == "diverged"]
    assert diverged
    assert all(t["reason"] and t["val_accuracy"] is None for t in diverged)
    assert {t["stage"] for t in result["trials"]} == {1, 2}
    assert len(result["noise"]["accuracies"]) == 3
    assert result["finalists"][0]["trial"] == result["best"]
    best_accuracy = max(t["val_accuracy"] for t in completed)
    assert any(
        result["trials"][i]["val_accuracy"] == best_accuracy
        for i in result["tied"]
    )


def test_the_lines_are_the_lectures(searched):
    found = SearchResult.from_dict(searched[2])
    lines = format_trials(found.trials, found.best, found.space).splitlines()
    assert len(lines) == 18
    assert sum(line.endswith("<-- best") for line in lines) == 1
    assert ", lr: " in lines[0]
    assert "(1 / 18)" in lines[0]


def test_the_winner_is_a_config_file_and_a_run_of_it(searched):
    _, directory, result = searched
    config = load_config_file(directory / workdir.TUNED_CONFIG)
    values = result["trials"][result["best"]]["values"]
    assert config.model.head_l2 == values["model.head_l2"]
    run = workdir.read_json(directory / "tuned" / workdir.CONFIG)
    assert run["config_hash"] == config_hash(config)
    finished = workdir.read_json(directory / "tuned" / workdir.RESULT)
    assert "test/top_1_accuracy" in finished
    assert workdir.read_json(directory / "tuned" / workdir.TUNING) == result


def test_the_test_split_is_looked_at_once_by_either_run_at_the_end(searched):
    _, directory, result = searched
    for name in ("tuned", "given"):
        assert len(read_test_looks(directory / name)) == 1
    assert not list((directory / "tuning").rglob("*test*"))
    compared = result["comparison"]
    assert isinstance(compared["is_better"], bool)
    assert (
        compared["validation"]["interval"][0]
        <= compared["validation"]["difference"]
    )


def test_a_finished_search_is_only_read(searched, monkeypatch):
    config, directory, result = searched
    monkeypatch.setattr(tune_module, "start_search", None)
    found = SearchResult.from_dict(result)
    assert tune(config, make_plan(config, SPACE), directory) == found
    other = copy_config(config)
    other.tuning.max_seconds = 9.0  # decides nothing any more
    assert tune(other, make_plan(other, SPACE), directory) == found


@pytest.mark.parametrize(
    ("name", "value"), [("noise_seeds", 5), ("compare", False)]
)
def test_a_finished_search_is_not_concluded_a_second_time(
    searched, name, value
):
    config, directory, result = searched
    other = copy_config(config)
    other.tuning[name] = value
    with pytest.raises(InputError, match=f"is finished, with tuning.{name}="):
        tune(other, make_plan(other, SPACE), directory)
    assert workdir.read_json(directory / workdir.TUNING) == result


def test_the_page_is_self_contained_and_escapes(searched):
    _, directory, _ = searched
    page = (directory / workdir.TUNING_PAGE).read_text()
    assert page.count("<svg") == 4
    assert "src=" not in page
    assert set(re.findall(r"https?://([^/]+)", page)) == {"www.w3.org"}
    assert 'aria-label="Effect of each field"' in page
    assert "default-src 'none'" in page


def test_the_pictures_follow_the_page_and_share_no_id(searched):
    _, directory, _ = searched
    page = (directory / workdir.TUNING_PAGE).read_text()
    pictures = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    ids = [name for svg in pictures for name in re.findall(r' id="(.+?)"', svg)]
    assert len(set(ids)) == len(ids)
    style, _, _ = page.partition("</style>")
    used = set(re.findall(r"var\((--[\w-]+)\)", "".join(pictures)))
    assert {"--soft", "--good", "--bad", "--train", "--level-7"} <= used
    for variable in used:
        assert style.count(f"{variable}: ") == 2, variable
    assert not set(CSS_COLORS.values()) & set(
        re.findall(r"#\w{6}", str(pictures))
    )


def test_the_page_escapes_and_does_without_a_field_that_nobody_drew(
    searched, tmp_path
):
    config, directory, result = searched
    copied = shutil.copytree(directory, tmp_path / "search")
    result = copy.deepcopy(result)
    reason = "<script>alert(1)</script>"
    for trial in result["trials"]:
        del trial["values"]["model.head_l2"]
        trial["reason"] = reason
    for path in copied.rglob(workdir.OUTCOME):
        outcome = workdir.read_json(path)
        del outcome["values"]["model.head_l2"]
        workdir.write_json(path, {**outcome, "reason": reason})
    found = SearchResult.from_dict(result)
    write_page(copied, found, make_plan(config, SPACE).space)
    page = (copied / workdir.TUNING_PAGE).read_text()
    assert page.count("<svg") == 3
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


def test_tensorboard_finds_the_trials(searched):
    from tensorboard.backend.event_processing.event_accumulator import (
        EventAccumulator,
    )
    from tensorboard.plugins.hparams import plugin_data_pb2

    _, directory, result = searched
    folder = directory / workdir.TENSORBOARD
    outcome = result["trials"][result["best"]]
    events = EventAccumulator(str(folder / f"trial_{outcome['trial_id']}"))
    events.Reload()
    (score,) = events.Scalars("val_accuracy")
    assert score.value == pytest.approx(outcome["val_accuracy"])
    data = events.summary_metadata["_hparams_/session_start_info"]
    content = plugin_data_pb2.HParamsPluginData.FromString(
        data.plugin_data.content
    )
    rate = content.session_start_info.hparams["model.head_l2"].number_value
    assert rate == pytest.approx(outcome["values"]["model.head_l2"])


def test_a_search_without_a_completed_trial_fails(search_config, tmp_path):
    search_config.tuning.num_trials = 3
    rate = "phases.linear_probe.learning_rate"
    plan = make_plan(search_config, {rate: "1e5:1e6:log"})
    with pytest.raises(GateError, match="None of 3 trials completed"):
        tune(search_config, plan, tmp_path)


def test_the_directory_of_another_search_is_refused(search_config, tmp_path):
    plan = make_plan(search_config, SPACE)
    open_search_directory(tmp_path / "a", plan)
    open_search_directory(tmp_path / "a", plan)
    other = make_plan(search_config, {**SPACE, "model.head_l2": "1e-6:1"})
    with pytest.raises(InputError, match=r"search of another space .*head_l2"):
        open_search_directory(tmp_path / "a", other)
    search_config.seed = 9
    with pytest.raises(InputError, match=r"another config .*seed was 0"):
        open_search_directory(tmp_path / "a", make_plan(search_config, SPACE))
    with pytest.raises(InputError, match="has a colon in its name"):
        open_search_directory(tmp_path / "a:b", plan)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "letter.txt").touch()
    with pytest.raises(InputError, match="holds other files"):
        open_search_directory(tmp_path / "b", plan)


def test_a_config_file_gives_phases_and_groups_of_ones_own(tmp_path):
    from tlkeras.config import get_config
    from tlkeras.config.defaults import group_section, phase_section

    config = get_config()
    with config.unlocked():
        config.phases.warm_up = phase_section()
        config.phases.warm_up.epochs = 3
        config.phases.warm_up.groups.middle = group_section(0.5, "stage4")
        del config.phases.fine_tune.groups.lower
    config.phases.phase_order = ("warm_up", "fine_tune")
    config.tuning.space = {"model": {"dropout": "0:0.5"}}
    write_config_file(tmp_path / "c.py", config, "A test.", with_tuning=True)
    again = load_config_file(tmp_path / "c.py")
    assert json.loads(again.to_json_best_effort()) == json.loads(
        config.to_json_best_effort()
    )


def test_a_search_that_is_over_goes_straight_to_its_conclusion(
    search_config, tmp_path, monkeypatch
):
    """Killed in it, and started again with more time: the winner stays."""

    def kill(context):
        raise KeyboardInterrupt

    search_config.tuning.max_seconds = 1e9
    search_config.tuning.num_trials = 4
    search_config.tuning.compare = False
    search_config.tuning.noise_seeds = 2
    search_config.tuning.final_trials = search_config.tuning.final_seeds = 1
    directory = tmp_path / "search"
    plan = make_plan(search_config, {"model.head_l2": "1e-6:1:log"})
    with monkeypatch.context() as patch:
        patch.setattr(tune_module, "conclude", kill)
        with pytest.raises(KeyboardInterrupt):
            tune(search_config, plan, directory)
    before = read_outcomes(store_of(directory))
    search_config.tuning.max_seconds = 1e-9
    monkeypatch.setattr(run_search_module, "search", None)
    # Nor does a chief wait for workers that left when the trials were done.
    monkeypatch.setattr(run_search_module, "is_distributed", lambda: True)
    plan = make_plan(search_config, {"model.head_l2": "1e-6:1:log"})
    result = tune(search_config, plan, directory)
    assert read_outcomes(store_of(directory)) == before
    assert len(result.trials) == len(before) == 4
    assert result.ended == ""


def test_a_killed_search_goes_on_without_repeating_trials(
    search_config, tmp_path
):
    """Killed in the middle of a batch, the same search ends it."""
    search_config.tuning.num_trials = 9
    search_config.tuning.noise_seeds = 2
    search_config.tuning.final_trials = search_config.tuning.final_seeds = 1
    search_config.tuning.compare = False
    # Trained one by one, with Keras: slow enough to be interrupted.
    search_config.phases.linear_probe.optimizer = "rmsprop"
    config_file = tmp_path / "search.py"
    write_config_file(config_file, search_config, "A test.", with_tuning=True)
    directory = tmp_path / "search"
    command = [
        sys.executable,
        "-m",
        "tlkeras.cli.main",
        "tune",
        f"--config={config_file}",
        f"--workdir={directory}",
        "--space=model.head_l2=1e-6:1:log",
    ]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    store = directory / "tuning"
    for _ in range(1200):
        if len(list(store.glob("trial_*/outcome.json"))) >= 2:
            break
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = {
        path.parent.name: path.stat().st_mtime_ns
        for path in store.glob("trial_*/outcome.json")
    }
    assert 2 <= len(before) < 6  # of the first stage's batch
    config = load_config_file(config_file)
    plan = make_plan(config, {"model.head_l2": "1e-6:1:log"})
    tune(config, plan, directory)
    after = {
        path.parent.name: path.stat().st_mtime_ns
        for path in store.glob("trial_*/outcome.json")
    }
    assert {name: after[name] for name in before} == before
    outcomes = read_outcomes(store)
    assert len(outcomes) == 9
    assert len({o.values["model.head_l2"] for o in outcomes}) == 9
