"""Files of a run that somebody, or some disk, wrote over: one sentence."""

import json
import zipfile

import keras
import numpy as np
import pytest

from tlkeras import workdir
from tlkeras.config import get_config
from tlkeras.config.run_directory import (
    open_run_directory,
    own_run_directory,
    read_config,
)
from tlkeras.errors import InputError
from tlkeras.evaluation.records import RunResult, SplitScore, read_result
from tlkeras.training.history import History
from tlkeras.training.progress import RunProgress
from tlkeras.training.state import Checkpoints

CORRUPT = "is corrupt and cannot be read"


def without_member(path):
    with zipfile.ZipFile(path) as archive:
        kept = {n: archive.read(n) for n in archive.namelist() if "record" in n}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in kept.items():
            archive.writestr(name, content)


def with_record(text):
    def damage(path):
        with np.load(path) as stored:
            arrays = dict(stored)
        arrays["record"] = np.frombuffer(text, np.uint8)
        np.savez(path, **arrays)

    return damage


AN_ARRAY = b"\x93NUMPY\x01\x00\x10\x00{'descr': '<f8'}\n"
DAMAGES = {
    "empty": lambda path: path.write_bytes(b""),
    "half": lambda path: path.write_bytes(path.read_bytes()[:700]),
    "zeros": lambda path: path.write_bytes(bytes(len(path.read_bytes()))),
    "text": lambda path: path.write_text("<html>"),
    "zip begins": lambda path: path.write_bytes(b"PK\x03\x04rubbish"),
    "an array": lambda path: path.write_bytes(AN_ARRAY),
    "no variables": without_member,
    "no record": with_record(b""),
    "another record": with_record(b'{"best": 3}'),
    "a list as record": with_record(b"[]"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
def test_a_damaged_checkpoint_is_one_sentence(tmp_path, damage):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    checkpoints = Checkpoints(tmp_path, {})
    checkpoints.commit(RunProgress(), model, None, {})
    damage(tmp_path / workdir.STATE)
    with pytest.raises(InputError, match=CORRUPT):
        checkpoints.load(model)


def test_best_weights_that_are_gone_are_one_sentence(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(InputError, match="does not exist"):
        Checkpoints(tmp_path, {}).load_weights(model, "fine_tune-0001.npz")


@pytest.mark.parametrize(
    "text",
    [
        "phase,epoch\nfine_tune,one\n",
        "phase,epoch\nfine_tune\n",
        "other\n1\n",
        "phase,epoch\nfine_tune,1,2,3\n",
        "phase,epoch,stranger\nfine_tune,1,2\n",
        "phase,epoch\nfine_tune,\x00\n",
        "phase,epoch\nfine_tune," + "1" * 200_000 + "\n",
    ],
    ids=range(7),
)
def test_a_damaged_history_is_one_sentence(tmp_path, text):
    path = tmp_path / workdir.HISTORY
    path.write_bytes(text.encode())

    def resume():
        history = History(path, ["phase", "epoch"], None)
        history.cut_back({"fine_tune": 3})

    with pytest.raises(InputError, match=CORRUPT):
        resume()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("class_names", None),
        ("class_names", "cat"),
        ("class_names", [1, 2]),
        ("image_size", "32"),
        ("image_size", [32]),
        ("loss", None),
        ("multi_label", "no"),
        (f"val/{RunResult(()).metric}", "high"),
        ("phases", [3]),
        ("phases", 7),
        ("phases", [{"phase": 1}]),
    ],
)
def test_an_edited_result_is_one_sentence(tmp_path, name, value):
    result = RunResult(("a", "b"), scores={"val": SplitScore(0.5)}).as_dict()
    path = tmp_path / workdir.RESULT
    path.write_text(json.dumps(result))
    read_result(tmp_path)
    path.write_text(json.dumps({**result, name: value}))
    with pytest.raises(InputError, match=CORRUPT):
        read_result(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", "[" * 100_000])
def test_a_result_that_is_none_is_one_sentence(tmp_path, text):
    (tmp_path / workdir.RESULT).write_text(text)
    with pytest.raises(InputError, match=CORRUPT):
        read_result(tmp_path)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("data.source", 7),
        ("model.image_size", "large"),
        ("model.image_size", -3),
        ("model.head", "linaer"),
        ("data.split", "0.7"),
        ("data.split", [1]),
        ("evaluation.batch_size", "many"),
        ("phases", []),
        ("phases", {"phase_order": ["absent"]}),
        ("phases.fine_tune", 3),
        ("phases.phase_order", 3),
        ("features.cache", True),
        ("data.augment", [1]),
    ],
)
def test_an_edited_config_is_one_sentence(tmp_path, place, value):
    open_run_directory(tmp_path, get_config())
    values = json.loads((tmp_path / workdir.CONFIG).read_text())
    section = values
    *places, last = place.split(".")
    for name in places:
        section = section[name]
    section[last] = value
    (tmp_path / workdir.CONFIG).write_text(json.dumps(values))
    with pytest.raises(InputError, match="corrupt"):
        read_config(tmp_path)


def test_a_value_beyond_the_limits_of_now_costs_no_run(tmp_path):
    open_run_directory(tmp_path, get_config())
    path = tmp_path / workdir.CONFIG
    text = path.read_text()
    few = '"bootstrap_samples": 1000'
    assert few in text
    path.write_text(text.replace(few, f"{few}000"))
    with pytest.raises(InputError, match="earlier version") as error:
        read_config(tmp_path)
    assert "evaluation.bootstrap_samples=1000000 is out" in str(error.value)
    assert "delete" not in str(error.value)


def test_a_disk_that_is_full_at_the_start_leaves_no_dead_end(
    tmp_path, monkeypatch
):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(workdir, "write_json", full)
        with (
            pytest.raises(OSError, match="No space"),
            own_run_directory(tmp_path / "run", get_config()),
        ):
            pass
    with own_run_directory(tmp_path / "run", get_config()) as (_, directory):
        assert (directory / workdir.CONFIG).exists()
