"""Advice end to end, on a small network and on real weights and photos."""

import csv
import json

import numpy as np
import pytest

from tlkeras import workdir
from tlkeras.errors import InputError
from tlkeras.models.classifier import build_classifier
from tlkeras.models.cutoffs import find_cutoff, truncate
from tlkeras.studies import advice_findings, recipe_trials
from tlkeras.studies.advice_plot import plot_advice
from tlkeras.studies.advice_text import format_advice
from tlkeras.studies.advise import advise
from tlkeras.studies.quadrants import QUADRANTS, RECIPES


@pytest.fixture
def few_blocks(small_config):
    small_config.model.features_from = "conv_pw_3_relu"
    return small_config


@pytest.fixture(scope="module")
def advised(make_small_config, tmp_path_factory):
    """Advice on forty images: config, directory, result and images seen."""
    config = make_small_config({"model.features_from": ""})
    directory = tmp_path_factory.mktemp("advised")
    seen = []
    original = advice_findings.compute_depth_codes

    def spy(config, classifier, images, *rest):
        seen.append(images)
        return original(config, classifier, images, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(advice_findings, "compute_depth_codes", spy)
        result = advise(config, directory, max_images=40)
    return config, directory, result, seen


def test_advice_is_written_drawn_and_said(advised, tmp_path):
    _, directory, result, _ = advised
    written = json.loads((directory / workdir.ADVICE).read_text())
    assert written == json.loads(json.dumps(result))
    assert workdir.is_written_by_us(directory)
    quadrant = result["quadrant"]
    rule = QUADRANTS[quadrant["size"], quadrant["similarity"]]
    assert result["rule"] == rule.sentence
    assert result["expected_recipe"] == rule.recipe
    assert result["verdict"] == "not_measured"
    assert result["size"]["reading"] == "small"
    curve = result["size"]["learning_curve"]
    assert curve["accuracies"][-1] == pytest.approx(
        next(
            d["linear"]["accuracy"]
            for d in result["profile"]["depths"]
            if d["layer"] == curve["layer"]
        )
    )
    assert (
        sum(d["linear"] is not None for d in result["profile"]["depths"]) == 6
    )
    text = format_advice(result)
    assert all(sentence in text for sentence in result["sentences"])
    plot_advice(result, tmp_path / "advice.png")
    assert (tmp_path / "advice.png").stat().st_size > 20_000


def test_flags_build_the_recipe(advised):
    flags = dict(flag.split("=") for flag in advised[2]["flags"])
    assert set(flags) <= {
        "--config.model.features_from",
        "--config.phases.fine_tune.epochs",
        "--config.phases.fine_tune.trainable_from",
    }
    backbone = build_classifier(
        "MobileNet",
        class_names=("a", "b"),
        weights="none",
        image_size=32,
        alpha=0.25,
    ).backbone
    truncate(backbone, flags.get("--config.model.features_from", ""))
    start = flags.get("--config.phases.fine_tune.trainable_from", "all")
    assert find_cutoff(backbone, start) >= 0


def test_the_test_split_is_left_alone(advised):
    config, _, _, seen = advised
    from tlkeras.data.load import load_dataset

    held = load_dataset(config.data.source).splits["test"]
    assert len(seen[0]) == 40
    assert set(seen[0].digests).isdisjoint(held.digests)


@pytest.mark.slow
def test_measuring_trains_every_recipe_and_goes_on(
    few_blocks, tmp_path, monkeypatch
):
    """A second start trains nothing again; a lost run alone is made again."""
    monkeypatch.setattr(recipe_trials, "EPOCHS", 1)
    few_blocks.model.features_from = "conv_pw_6_relu"
    result = advise(few_blocks, tmp_path, measure=True, num_folds=2)
    assert set(result["accuracies"]) == set(RECIPES)
    if not result["ceiling"]["reached"]:
        assert result["verdict"] != "not_measured"
    assert len(result["evidence"]) == len(RECIPES) - 1
    assert {row["measured_by"] for row in result["evidence"]} == {"training"}
    runs = sorted((tmp_path / recipe_trials.MEASURED).iterdir())
    assert len(runs) == 4  # two recipes, two folds
    from tlkeras.data.load import load_dataset

    test = set(load_dataset(few_blocks.data.source).splits["test"].digests)
    for run in runs:
        with open(run / workdir.SPLIT) as file:
            assert test.isdisjoint(
                row["digest"] for row in csv.DictReader(file)
            )
    times = {run: (run / workdir.RESULT).stat().st_mtime_ns for run in runs}
    (runs[0] / workdir.RESULT).unlink()
    again = advise(few_blocks, tmp_path, measure=True, num_folds=2)
    changed = [
        run
        for run in runs
        if (run / workdir.RESULT).stat().st_mtime_ns != times[run]
    ]
    assert changed == [runs[0]]
    assert again == result


def test_a_network_without_batch_normalization_says_so(tmp_path, photo_folder):
    from tlkeras.config import get_config

    config = get_config()
    config.data.source = str(photo_folder)
    config.model.backbone = "VGG16"
    config.model.weights = "none"
    config.model.image_size = 32
    config.model.features_from = "block3_pool"
    result = advise(config, tmp_path)
    assert result["similarity"] is None
    assert "VGG16 has no BatchNormalization" in result["sentences"][0]
    assert result["limits"][0] == result["sentences"][0]
    assert [row["layer"] for row in result["profile"]["depths"]] == [
        "block1_pool",
        "block2_pool",
        "block3_pool",
    ]
    plot_advice(result, tmp_path / "advice.png")


def test_random_weights_have_no_source(few_blocks, tmp_path):
    few_blocks.model.weights = "none"
    result = advise(few_blocks, tmp_path)
    assert result["similarity"] is None
    assert "random weights have no source" in result["sentences"][0]


def shuffle_labels(source, folder):
    """Writes a manifest of a folder's images with labels at random."""
    paths = sorted(source.rglob("*.jpg"))
    labels = np.random.default_rng(0).permutation(
        [p.parent.name for p in paths]
    )
    path = folder / "shuffled.csv"
    rows = [f"{p},{x}" for p, x in zip(paths, labels, strict=True)]
    path.write_text("\n".join(["path,label", *rows]))
    return path


@pytest.mark.parametrize("measure", [False, True])
def test_shuffled_labels_cannot_tell(
    few_blocks, photo_folder, tmp_path, measure
):
    manifest = shuffle_labels(photo_folder, tmp_path)
    few_blocks.data.source = str(manifest)
    result = advise(few_blocks, tmp_path / "advice", measure=measure)
    assert result["verdict"] == "cannot_tell"
    assert "tlkeras check" in result["reason"]
    # Nothing is trained on what cannot be learnt.
    assert not (tmp_path / "advice" / recipe_trials.MEASURED).exists()


def test_too_few_images_are_refused(few_blocks, tmp_path):
    with pytest.raises(InputError, match=r"12 images .* expected at least 20"):
        advise(few_blocks, tmp_path / "advice", max_images=12)
    assert not (tmp_path / "advice").exists()


def test_no_validation_images_are_refused(few_blocks, tmp_path):
    few_blocks.data.split = (0.8, 0.0, 0.2)
    with pytest.raises(InputError, match="no validation image"):
        advise(few_blocks, tmp_path / "advice", measure=True)
