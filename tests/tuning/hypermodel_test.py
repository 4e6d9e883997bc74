"""The hypermodel in keras-tuner's own tuners, as in a notebook."""

import keras_tuner
import numpy as np
import pytest

from tlkeras.config import get_config
from tlkeras.data.pipeline import decode_split
from tlkeras.errors import InputError
from tlkeras.models.inference import run_batches
from tlkeras.tuning import ClassifierHyperModel

HEAD_SPACE = {
    "phases.linear_probe.learning_rate": "1e-2:1e-1:log",
    "model.head": "linear|mlp",
    "model.hidden_units": "4:16:log",
}
TUNERS = {
    "bayesian": (keras_tuner.BayesianOptimization, {"max_trials": 3}),
    "random": (keras_tuner.RandomSearch, {"max_trials": 3}),
    "hyperband": (keras_tuner.Hyperband, {"max_epochs": 2, "factor": 2}),
}


@pytest.mark.parametrize(
    "kind",
    [
        "bayesian",
        pytest.param("random", marks=pytest.mark.slow),
        pytest.param("hyperband", marks=pytest.mark.slow),
    ],
)
def test_tuners_search_heads_on_codes_unchanged(kind, small_config, tmp_path):
    make, arguments = TUNERS[kind]
    small_config.model.features_from = ""
    hypermodel = ClassifierHyperModel(small_config, HEAD_SPACE)
    tuner = make(
        hypermodel,
        objective="val_accuracy",
        directory=tmp_path,
        seed=1,
        **arguments,
    )
    tuner.search(epochs=3) if kind != "hyperband" else tuner.search()
    (best,) = tuner.oracle.get_best_trials(1)
    assert best.score > 0.8
    (head,) = tuner.get_best_models(1)
    (hp,) = tuner.get_best_hyperparameters(1)
    whole = hypermodel.stitch(hp, head)
    split = hypermodel.dataset.splits["validation"]
    images = decode_split(split, (32, 32), num_workers=1)
    codes = hypermodel.codes.codes["validation"]
    np.testing.assert_allclose(
        run_batches(whole, [images]), run_batches(head, [codes]), 1e-3, 1e-3
    )
    assert "test" not in hypermodel.dataset.splits


def test_a_width_is_drawn_only_for_an_mlp(small_config):
    hypermodel = ClassifierHyperModel(small_config, HEAD_SPACE)
    hp = keras_tuner.HyperParameters()
    assert len(hypermodel.build(hp).layers) == 3  # input, dropout, logits
    hp.values["model.head"] = "mlp"
    hp.values["model.hidden_units"] = 7
    assert hypermodel.build(hp).get_layer("adaptation_1").units == 7


def test_a_tuner_searches_a_cutoff_on_images(small_config, tmp_path):
    small_config.phases.linear_probe.epochs = 0
    hypermodel = ClassifierHyperModel(
        small_config,
        {
            "phases.fine_tune.trainable_from": "stage4|conv_pw_6",
            "data.augment.rotation_degrees": "0:10",
        },
    )
    tuner = keras_tuner.RandomSearch(
        hypermodel, objective="val_accuracy", max_trials=1, directory=tmp_path
    )
    tuner.search(epochs=1)
    assert tuner.oracle.get_best_trials(1)[0].score is not None
    model = tuner.get_best_models(1)[0]
    assert model.input_shape == (None, 32, 32, 3)
    assert hypermodel.stitch(keras_tuner.HyperParameters(), model) is model


def test_a_rate_that_only_a_run_can_find_is_refused():
    config = get_config()
    config.phases.fine_tune.learning_rate = "auto"
    space = {"phases.fine_tune.trainable_from": "stage3|stage4"}
    with pytest.raises(InputError, match="which only a run can resolve"):
        ClassifierHyperModel(config, space)
