"""Studies of eight letters on a few layers, all kinds."""

import json
import os
import shutil

import numpy as np
import pytest

from tlkeras import workdir
from tlkeras.data.builtin import draw_letters
from tlkeras.errors import GateError, InputError
from tlkeras.models.weights import load_backbone_weights
from tlkeras.studies import transfer_workers
from tlkeras.studies.transfer_plot import plot_transferability
from tlkeras.studies.transfer_protocol import StudyOptions
from tlkeras.studies.transfer_trainer import NetworkTrainer
from tlkeras.studies.transfer_training import (
    SharedGraph,
    StudySettings,
    TrainedNetwork,
)
from tlkeras.studies.transferability import (
    NETWORKS,
    format_transferability,
    run_transferability,
)

CUT = "conv_pw_1_relu"
TOP = "conv_pw_3_relu"
OPTIONS = StudyOptions(num_splits=1, cuts=(CUT, TOP))
SETTINGS = StudySettings(epochs=1, batch_size=8)
NUM_CLASSES = 8


@pytest.fixture(scope="module")
def letters(tmp_path_factory):
    """Eight letters, fourteen drawings each, in splits."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("letters")
    for number, (image, label) in enumerate(
        draw_letters(drawings_per_letter=14)
    ):
        if number == 14 * NUM_CLASSES:
            break
        split = "train" if number % 14 < 9 else "validation"
        path = folder / split / label / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


@pytest.fixture(scope="module")
def config(letters):
    from tlkeras.config.transferability import get_config

    config = get_config()
    config.data.source = str(letters)
    config.model.features_from = TOP
    config.model.dropout = 0.2  # whose seeds must begin anew for each network
    return config


@pytest.fixture(scope="module")
def study(config, tmp_path_factory):
    """A finished study, its directory and its result."""
    directory = tmp_path_factory.mktemp("study")
    result = run_transferability(
        config, directory, options=OPTIONS, settings=SETTINGS
    )
    return directory, result


def run_again(config, directory, options=OPTIONS, settings=SETTINGS):
    return run_transferability(
        config, directory, options=options, settings=settings
    )


def read_text(directory):
    return (directory / workdir.TRANSFERABILITY).read_text()


def test_the_file_has_every_network_and_curve(study):
    directory, result = study
    assert json.loads(read_text(directory)) == json.loads(json.dumps(result))
    assert len(result["networks"]) == 2 * (2 + 4 * 2)
    assert [cut["layer"] for cut in result["cuts"]] == [CUT, TOP]
    for curve in result["curves"].values():
        assert [point["cut"] for point in curve] == [CUT, TOP]
    assert result["fragile_cuts"] is None  # two pairs
    assert workdir.is_written_by_us(directory)
    text = format_transferability(result)
    assert "AnB+" in text
    assert result["sentences"][0] in text


def test_a_base_of_one_epoch_has_not_converged(study):
    assert study[1]["converged"] is False


def test_a_figure_is_drawn(study, tmp_path):
    from PIL import Image

    plot_transferability(study[1], tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as picture:
        assert picture.width > 1000
        assert len(picture.convert("RGB").getcolors(2**20)) > 50


def test_a_finished_study_trains_nothing(study, config, monkeypatch):
    monkeypatch.setattr(NetworkTrainer, "train", None)
    before = read_text(study[0])
    run_again(config, study[0])
    assert read_text(study[0]) == before


@pytest.mark.slow
def test_killed_anywhere_it_ends_with_the_same_file(
    study, config, tmp_path, monkeypatch
):
    shutil.copytree(study[0], tmp_path / "again")
    networks = tmp_path / "again" / NETWORKS
    # Bases of one half, what began with them, and the temporary of a kill.
    for path in networks.glob("seed0-a-*"):
        path.unlink()
    for path in networks.glob(f"*AnB-{CUT}*"):
        path.unlink()
    (networks / f"{workdir.TEMPORARY}1.json").write_text("{")
    (tmp_path / "again" / workdir.TRANSFERABILITY).unlink()
    train, trained = NetworkTrainer.train, []

    def dies_at_the_fourth(self, network):
        if len(trained) == 3:
            raise KeyboardInterrupt
        trained.append(network)
        return train(self, network)

    with monkeypatch.context() as patch:
        patch.setattr(NetworkTrainer, "train", dies_at_the_fourth)
        with pytest.raises(KeyboardInterrupt):
            run_again(config, tmp_path / "again")
    assert len(trained) == 3
    run_again(config, tmp_path / "again")
    assert read_text(tmp_path / "again") == read_text(study[0])
    assert not list(networks.glob(f"{workdir.TEMPORARY}*"))


def test_processes_train_what_one_does_and_go_on_to_the_bit(
    config, tmp_path, monkeypatch
):
    options = StudyOptions(2, (CUT,), quick=True)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    one = run_again(config, tmp_path / "one", options)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    two = run_again(config, tmp_path / "two", options)
    for mine, other in zip(one["networks"], two["networks"], strict=True):
        # Two threads sum in another order than one.
        assert mine.pop("train_loss") == pytest.approx(
            other.pop("train_loss"), rel=1e-3
        )
        mine.pop("accuracy"), other.pop("accuracy")
        assert mine == other
    text = read_text(tmp_path / "two")
    for path in (tmp_path / "two" / NETWORKS).glob("seed1-b-*"):
        path.unlink()
    (tmp_path / "two" / workdir.TRANSFERABILITY).unlink()
    run_again(config, tmp_path / "two", options)
    assert read_text(tmp_path / "two") == text


def test_a_process_that_dies_is_one_sentence(config, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(transfer_workers, "WORKER", "tlkeras.no_such_module")
    options = StudyOptions(2, (CUT,), quick=True)
    with pytest.raises(GateError, match="'seed0-a-base' ended with exit code"):
        run_again(config, tmp_path, options)
    log = (tmp_path / NETWORKS / workdir.LOG).read_text()
    assert "no_such_module" in log


def accuracies_of(result):
    return {
        (row["target"], row["kind"], row["cut"]): (
            row["accuracy"],
            row["train_loss"],
        )
        for row in result["networks"]
    }


def test_where_a_is_b_anb_is_bnb_bit_by_bit(config, letters, tmp_path):
    names = sorted(path.name for path in (letters / "train").iterdir())
    rows = [f"{name},{half}" for half in ("one", "two") for name in names]
    path = tmp_path / "same.csv"
    path.write_text("\n".join(["class,half", *rows]))
    options = StudyOptions(1, (CUT,), split_file=str(path))
    found = accuracies_of(run_again(config, tmp_path / "study", options))
    for half in ("one", "two"):
        assert found[half, "AnB", CUT] == found[half, "BnB", CUT]
        assert found[half, "AnB+", CUT] == found[half, "BnB+", CUT]
        assert found[half, "BnB+", CUT] != found[half, "BnB", CUT]


def test_different_halves_give_different_networks(study):
    found = accuracies_of(study[1])
    assert found["a", "AnB", CUT] != found["a", "BnB", CUT]
    assert found["a", "base", ""] != found["b", "base", ""]


def test_a_source_gives_the_lower_layers(config, tmp_path, monkeypatch):
    options = StudyOptions(1, (CUT,), quick=True, source="letters")
    seen = {}
    first_weights = NetworkTrainer._first_weights

    def look(self, network):
        weights = first_weights(self, network)
        seen[network.kind] = dict(
            zip(
                [w.path for w in self.template.backbone.weights],
                weights,
                strict=False,
            )
        )
        return weights

    monkeypatch.setattr(NetworkTrainer, "_first_weights", look)
    # How they are trained is not the point.
    trained = TrainedNetwork(0.5, [1.0])
    monkeypatch.setattr(SharedGraph, "train", lambda *_, **__: trained)
    result = run_again(config, tmp_path / "study", options)
    assert result["num_pairs"] == 1
    assert {row["target"] for row in result["networks"]} == {"all"}
    assert [p["interval"] for p in result["curves"]["AnB"]] == [None]

    from tlkeras.models.backbones import build_backbone

    letters_network = build_backbone("MobileNet", image_size=32, alpha=0.25)
    load_backbone_weights(letters_network, "letters")
    own = {w.path: np.array(w) for w in letters_network.weights}
    for path in ("conv_pw_1/kernel", "conv_pw_2/kernel"):
        is_lower = path.startswith("conv_pw_1")
        is_same = np.array_equal(seen["AnB"][path], own[path])
        assert is_same == is_lower
        assert not np.array_equal(seen["BnB"][path], own[path])


@pytest.mark.parametrize(
    ("fields", "options", "text"),
    [
        ({}, {"cuts": ("conv_pw_1_rel",)}, "Did you mean 'conv_pw_1_relu'"),
        ({}, {"cuts": ("conv_pw_7_relu",)}, "ends no block"),
        ({"model.weights": "letters"}, {}, "pass what is pretrained as"),
        ({}, {"source": "none"}, "names no weights"),
        ({}, {"source": "letters", "split_file": "x.csv"}, "both say what A"),
        ({}, {"source": "lettres"}, "neither a name nor a file"),
        ({}, {"split_file": "x.csv"}, "does not exist"),
        ({"data.images_per_class": 1}, {}, "has 1 training"),
    ],
)
def test_bad_input_is_one_sentence_and_writes_nothing(
    config, tmp_path, fields, options, text
):
    changed = config.copy_and_resolve_references()
    changed.update_from_flattened_dict(fields)
    with pytest.raises(InputError, match=text):
        run_transferability(
            changed, tmp_path / "study", options=StudyOptions(**options)
        )
    assert not (tmp_path / "study").exists()


def test_another_study_is_refused(study, config):
    before = read_text(study[0])
    with pytest.raises(InputError, match="another training"):
        run_again(config, study[0], settings=StudySettings(epochs=2))
    changed = config.copy_and_resolve_references()
    changed.model.dropout = 0.0
    with pytest.raises(InputError, match="another config hash"):
        run_again(changed, study[0])
    assert read_text(study[0]) == before


def test_a_folder_of_other_files_is_refused(config, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        run_again(config, tmp_path)
