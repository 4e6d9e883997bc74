import dataclasses
import errno
import functools

import keras
import numpy as np
import pytest

from tlkeras import workdir
from tlkeras.console import Console
from tlkeras.data.load import load_configured
from tlkeras.errors import GateError, InputError
from tlkeras.models.classifier import build_classifier, freeze
from tlkeras.models.cutoffs import find_cutoff
from tlkeras.models.heads import HeadConfig
from tlkeras.models.inference import run_batches
from tlkeras.models.split import split_classifier
from tlkeras.training import frozen_part
from tlkeras.training.build import set_up_model
from tlkeras.training.freezing import freeze_below, freeze_phase
from tlkeras.training.start import build_run
from tlkeras.training.trainer import train_and_evaluate


@pytest.fixture(scope="module")
def make_cached_config(make_small_config):
    """Fine-tuning of the last stage on two cached views, no probe before."""
    return functools.partial(
        make_small_config,
        {
            "phases.linear_probe.epochs": 0,
            "phases.fine_tune.trainable_from": "stage4",
            "phases.fine_tune.augment": True,
            "phases.fine_tune.epochs": 3,
            "features.num_views": 2,
            "checks.enabled": False,
            "evaluation.test_at_end": False,
        },
    )


@pytest.fixture
def cached_config(make_cached_config, tmp_path, monkeypatch):
    monkeypatch.setenv("TLKERAS_CACHE", str(tmp_path / "cache"))
    return make_cached_config()


@pytest.fixture(scope="module")
def cached_run(make_cached_config, tmp_path_factory):
    """What `run` returns for `cached_config`, and the cache that it filled."""
    folder = tmp_path_factory.mktemp("cached")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TLKERAS_CACHE", str(folder / "cache"))
        return run(make_cached_config(), folder / "run"), folder / "cache"


def run(config, directory):
    result = train_and_evaluate(config, directory)
    model = keras.saving.load_model(directory / workdir.MODEL, compile=False)
    losses = [
        float(row["train/loss"])
        for row in workdir.read_table(directory / workdir.HISTORY)
    ]
    log = (directory / workdir.LOG).read_text()
    return result, model.get_weights(), losses, log


def assert_same_weights(first, second):
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-5)


@pytest.fixture(scope="module")
def built():
    """A classifier, and its weights as they were built."""
    keras.utils.set_random_seed(0)
    classifier = build_classifier(
        "MobileNet",
        class_names="abc",
        weights="letters",
        image_size=32,
        alpha=0.25,
        features_from="conv_pw_6_relu",
        head=HeadConfig(dropout=0.0),
    )
    return classifier, classifier.model.get_weights()


@pytest.mark.parametrize(
    "cutoff",
    ["stage4", pytest.param("stage3", marks=pytest.mark.slow), "none"],
)
def test_training_on_the_cache_is_training_the_whole(built, cutoff):
    classifier, start = built
    classifier.model.set_weights(start)
    freeze(classifier, trainable_from=cutoff, batch_norm="frozen")
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (64, 32, 32, 3)).astype(np.float32)
    targets = np.eye(3, dtype=np.float32)[rng.integers(0, 3, 64)]
    picks = [rng.integers(0, 64, 16) for _ in range(20)]
    number = find_cutoff(classifier.backbone, cutoff)
    parts = split_classifier(classifier, number)
    activations = run_batches(parts.prefix, [images])
    losses = []
    for model, inputs in (
        (classifier.model, images),
        (parts.suffix, activations),
    ):
        classifier.model.set_weights(start)
        model.compile(
            keras.optimizers.Adam(3e-3),
            keras.losses.CategoricalCrossentropy(from_logits=True),
        )
        losses.append(
            [float(model.train_on_batch(inputs[p], targets[p])) for p in picks]
        )
    whole, cached = losses
    assert min(whole) < whole[0]
    np.testing.assert_allclose(cached, whole, atol=1e-4)


@pytest.mark.parametrize(
    "num_views", [pytest.param(1, marks=pytest.mark.slow), 2]
)
def test_switching_the_cache_off_changes_speed_only(
    cached_config, cached_run, tmp_path, num_views
):
    if num_views == 1:
        cached_config.phases.fine_tune.augment = False
        cached_config.features.num_views = None
        on = run(cached_config, tmp_path / "on")
    else:
        on, _ = cached_run
    cached_config.features.cache = "off"
    off = run(cached_config, tmp_path / "off")
    assert f"training images: {61 * num_views} of" in on[3]
    assert "training images run live: features.cache is off" in off[3]
    np.testing.assert_allclose(on[2], off[2], atol=1e-4)
    assert_same_weights(on[1], off[1])


def test_a_second_run_finds_its_activations(
    cached_config, cached_run, tmp_path, monkeypatch
):
    first, cache = cached_run
    monkeypatch.setenv("TLKERAS_CACHE", str(cache))
    second = run(cached_config, tmp_path / "second")
    assert "training images: 0 of " in second[3]
    assert first[2] == second[2]
    for a, b in zip(first[1], second[1], strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_full_disk_trains_on_live_with_the_same_result(
    cached_config, cached_run, tmp_path, monkeypatch
):
    whole, _ = cached_run

    def full(path, rows):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tlkeras.features.cache.np.save", full)
    live = run(cached_config, tmp_path / "live")
    assert live[3].count("the cache is given up") == 1
    np.testing.assert_allclose(live[2], whole[2], atol=1e-4)
    assert_same_weights(live[1], whole[1])


@pytest.fixture(scope="module")
def build_part(make_cached_config, tmp_path_factory):
    """Returns what builds the frozen part that a changed config asks for."""
    config = make_cached_config()
    run = build_run(
        config,
        tmp_path_factory.mktemp("part"),
        load_configured(config),
        set_up_model(config),
        Console(quiet=True),
    )
    phase = run.phases[-1]
    freeze_phase(phase, run, adapt=False)

    def build(fields, console):
        changed = make_cached_config()
        changed.update_from_flattened_dict(fields)
        frozen = freeze_below(
            phase, dataclasses.replace(run, config=changed, console=console)
        )
        return run.classifier, frozen

    return build


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"features.num_views": None, "data.augment.mixup_alpha": 0.2},
            "MixUp and CutMix combine",
        ),
        ({"features.num_views": None}, "each epoch has views of its own"),
        ({"features.num_views": 3}, "3 passes would use none of 3 views twice"),
        ({"features.max_cache_bytes": 10}, "pass the limit of 10.0 B"),
    ],
    ids=["mixup", "endless", "all", "small"],
)
def test_what_cannot_be_cached_says_why(
    build_part, listening_console, change, reason
):
    _, frozen = build_part(change, listening_console)
    (line,) = [x for x in listening_console.lines if "images run live" in x]
    assert reason in line
    assert not frozen.is_cached


def test_asking_for_a_cache_that_cannot_fit_is_refused(
    build_part, listening_console
):
    change = {"features.cache": "on", "features.max_cache_bytes": 10}
    with pytest.raises(InputError, match="pass the limit of"):
        build_part(change, listening_console)


def test_a_model_that_is_not_its_parts_fails_the_run(
    cached_config, tmp_path, monkeypatch
):
    cached_config.phases.linear_probe.epochs = 20
    cached_config.phases.phase_order = ("linear_probe",)
    monkeypatch.setattr(frozen_part, "STITCH_TOLERANCE", {"float32": -1.0})
    with pytest.raises(GateError, match=r"differ from prefix \+ suffix"):
        train_and_evaluate(cached_config, tmp_path / "run")
    assert not (tmp_path / "run" / workdir.RESULT).exists()


def test_float16_storage_halves_the_cache(
    build_part, cached_run, listening_console
):
    change = {"features.storage": "float16"}
    classifier, frozen = build_part(change, listening_console)
    assert frozen.is_cached
    lines = {
        "float32": cached_run[0][3].splitlines(),
        "float16": listening_console.lines,
    }
    sizes = {}
    for storage, log in lines.items():
        (line,) = [x for x in log if "training images: " in x]
        sizes[storage] = float(line.split(", ")[-1].split()[0])
    assert sizes["float16"] == pytest.approx(sizes["float32"] / 2, rel=0.01)
    # And is good enough to train on.
    frozen_part.prove_stitched("it", classifier, frozen, listening_console)
