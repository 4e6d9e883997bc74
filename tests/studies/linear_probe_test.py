import json
import types

import numpy as np
import pytest

from tlkeras import workdir
from tlkeras.console import Console
from tlkeras.data.dataset import Split
from tlkeras.evaluation.folds import stratified_folds
from tlkeras.models.cutoffs import find_cutoff, truncate
from tlkeras.models.depths import block_ends
from tlkeras.models.graph import topological_layers
from tlkeras.optim.losses import LOSSES
from tlkeras.studies import linear_probe
from tlkeras.studies.cross_validation import cross_validate
from tlkeras.studies.linear_probe import (
    PROBE_COLUMNS,
    run_linear_probe,
)
from tlkeras.studies.probe_plot import plot_probe
from tlkeras.studies.probe_text import format_probe


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    targets = np.eye(3, dtype=np.float32)[rng.integers(0, 3, 150)]
    codes = rng.normal(size=(150, 20)) + targets @ rng.normal(size=(3, 20))
    return codes, targets


@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize("loss", ["softmax", "squared_hinge", "binary"])
def test_held_out_images_are_answered(problem, loss, dropout):
    result = cross_validate(*problem, loss=LOSSES[loss], dropout=dropout)
    assert result.accuracy > 0.75
    low, high = result.interval
    assert low <= result.accuracy <= high
    assert result.scores.shape == (150,)


def test_shuffled_labels_give_chance(problem):
    codes, targets = problem
    rng = np.random.default_rng(1)
    accuracy = np.mean(
        [
            cross_validate(
                codes, rng.permutation(targets), loss=LOSSES["softmax"]
            ).accuracy
            for _ in range(5)
        ]
    )
    assert accuracy == pytest.approx(1 / 3, abs=0.08)


def test_folds_hold_every_class():
    targets = np.eye(4)[np.arange(40) % 4]
    fold = stratified_folds(targets, 3, 0)
    for number in range(3):
        assert (targets[fold == number].sum(0) >= 3).all()


@pytest.fixture
def probe_config(small_config, tmp_path, monkeypatch):
    monkeypatch.setenv("TLKERAS_CACHE", str(tmp_path / "cache"))
    return small_config


@pytest.fixture(scope="module")
def probed(make_small_config, tmp_path_factory):
    """A probe of thirty images: config, directory, result, images seen."""
    config = make_small_config({"model.features_from": "conv_pw_3_relu"})
    directory = tmp_path_factory.mktemp("probed")
    seen = []
    original = linear_probe.compute_depth_codes

    def spy(config, classifier, images, *rest):
        seen.append(images)
        return original(config, classifier, images, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TLKERAS_CACHE", str(directory / "cache"))
        patch.setattr(linear_probe, "compute_depth_codes", spy)
        result = run_linear_probe(
            config,
            directory / "probe",
            max_images=30,
            train_per_class=5,
            num_splits=2,
        )
    return config, directory / "probe", result, seen


def test_the_table_has_every_depth(probed, tmp_path):
    _, directory, result, _ = probed
    written = json.loads((directory / workdir.PROBE).read_text())
    assert written == json.loads(json.dumps(result))
    layers = [row["layer"] for row in result["depths"]]
    assert layers[0] == "conv1_relu"
    assert layers[-1] == "conv_pw_3_relu"
    assert len(layers) == 7
    for row in result["depths"]:
        for column in PROBE_COLUMNS:
            low, high = row[column]["interval"]
            assert 0 <= low <= row[column]["accuracy"] <= high <= 1
        assert row["milliseconds_per_step"] > 0
    sizes = [row["frontier_bytes"] for row in result["depths"]]
    assert sizes[0] == 4 * 16 * 16 * 8
    assert sizes[-1] == 4 * 32  # pooled
    assert sum(row["is_measured"] for row in result["depths"]) >= 3
    text = format_probe(result)
    assert "recommended: " in text
    assert "--config.phases.fine_tune.trainable_from=" in text
    assert "l2+power" in text
    plot_probe(result, tmp_path / "probe.png")
    assert (tmp_path / "probe.png").stat().st_size > 10_000


def test_the_table_over_splits_has_every_depth(probed):
    _, _, result, _ = probed
    layers = [row["layer"] for row in result["depths"]]
    assert [row["layer"] for row in result["over_splits"]] == layers
    top = result["over_splits"][-1]
    assert set(top) == {"layer", "softmax", "svm"}
    assert f"softmax {top['softmax']['accuracy']:.3f} +- " in format_probe(
        result
    )


@pytest.mark.parametrize("depth", [0, 3, -1])
def test_the_flags_build_a_network_and_a_cutoff(small_classifier, depth):
    """A recommended depth ends the network; the cutoff lies in it."""
    layers = block_ends(small_classifier.backbone)
    rows = [
        types.SimpleNamespace(
            layer=layer, best=types.SimpleNamespace(accuracy=0.9)
        )
        for layer in layers
    ]
    flags = dict(
        flag.split("=")
        for flag in linear_probe._flags(small_classifier, rows, rows[depth])
    )
    network = truncate(
        small_classifier.backbone,
        flags.get("--config.model.features_from", ""),
    )
    cutoff = flags["--config.phases.fine_tune.trainable_from"]
    assert 0 < find_cutoff(network, cutoff) < len(topological_layers(network))


def test_single_labels_among_several_are_scored_alike(problem):
    """One metric for all folds, whichever images they hold."""
    codes, targets = problem
    targets = targets.copy()
    targets[0] = 1
    result = cross_validate(codes, targets, loss=LOSSES["binary"])
    # A ranking precision with one label is 1, 1/2 or 1/3, never 0.
    assert result.scores.min() > 0


@pytest.mark.slow
def test_the_same_config_gives_the_same_network(probe_config, tmp_path):
    """The seed counts for weights too, and so the cache is found again."""
    probe_config.model.weights = "none"
    first, second = (
        run_linear_probe(probe_config, tmp_path / name) for name in "ab"
    )
    for a, b in zip(first["depths"], second["depths"], strict=True):
        keys = [key for key in a if key in PROBE_COLUMNS]
        assert [a[key] for key in keys] == [b[key] for key in keys]


def test_the_test_split_is_never_read(probed):
    config, _, _, seen = probed
    from tlkeras.data.load import load_dataset

    splits = load_dataset(config.data.source).splits
    assert len(seen[0]) == 30
    assert set(seen[0].digests).isdisjoint(splits["test"].digests)


def test_several_labels_get_the_logistic_columns(problem):
    assert set(linear_probe.MULTI_LABEL_COLUMNS) == {
        "logistic",
        "logistic+dropout",
    }
    codes, targets = problem
    both = np.maximum(targets, np.roll(targets, 1, axis=0))
    assert cross_validate(codes, both, loss=LOSSES["binary"]).accuracy > 0.7


@pytest.mark.assets
@pytest.mark.parametrize(
    "shuffled", [pytest.param(False, marks=pytest.mark.slow), True]
)
def test_mobilenetv2_on_clothing(assets, tmp_path, monkeypatch, shuffled):
    """The top beats the stem by far; shuffled labels give chance."""
    from tlkeras.config import get_config

    config = get_config()
    name = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"
    config.data.source = str(assets / "datasets" / "clothing")
    config.model.weights = str(assets / "keras_home" / "models" / name)
    config.model.alpha = 0.35
    config.model.image_size = 96
    monkeypatch.setattr(
        linear_probe,
        "measure_steps",
        lambda classifier, depths, console: [
            linear_probe.StepCost(1.0, False, 1) for _ in depths
        ],
    )

    def stem_and_top(backbone):
        first, *_, last = block_ends(backbone)
        return [first, last]

    monkeypatch.setattr(linear_probe, "block_ends", stem_and_top)
    columns = {"softmax": linear_probe.PROBE_COLUMNS["softmax"]}
    monkeypatch.setattr(linear_probe, "PROBE_COLUMNS", columns)
    if shuffled:
        original = linear_probe.draw_images

        def shuffle(*arguments):
            images = original(*arguments)
            rng = np.random.default_rng(0)
            return Split(
                images.paths, rng.permutation(images.targets), images.digests
            )

        monkeypatch.setattr(linear_probe, "draw_images", shuffle)
    result = run_linear_probe(
        config, tmp_path / "probe", max_images=300, console=Console(quiet=True)
    )
    stem, top = (result["depths"][i]["softmax"] for i in (0, -1))
    if shuffled:
        assert top["accuracy"] == pytest.approx(0.12, abs=0.06)
    else:
        assert top["interval"][0] > stem["interval"][1] + 0.2
