"""Diagnosis of real runs that were set up to go wrong in one way."""

import functools

import pytest

from tlkeras import workdir
from tlkeras.config import get_config
from tlkeras.report.text import format_diagnosis
from tlkeras.training.trainer import train_and_evaluate


def digits(images_per_class=30):
    """Printed letters -> handwritten digits, without the probe phase."""
    config = get_config()
    config.data.source = "digits"
    config.data.images_per_class = images_per_class
    config.model.backbone = "MobileNet"
    config.model.alpha = 0.25
    config.model.image_size = 32
    config.model.weights = "letters"
    config.data.augment.horizontal_flip = False
    config.phases.linear_probe.epochs = 0
    config.phases.fine_tune.trainable_from = "conv_dw_8"
    config.phases.fine_tune.augment = False
    config.phases.fine_tune.learning_rate = 3e-3
    config.phases.fine_tune.epochs = 6
    config.evaluation.bootstrap_samples = 100
    config.evaluation.test_at_end = False
    config.runtime.tensorboard = False
    config.checks.enabled = False
    config.report.enabled = False
    return config


def rate_of(rate):
    config = digits()
    config.phases.fine_tune.learning_rate = rate
    return config


def five_images_a_class():
    config = digits(images_per_class=5)
    config.model.dropout = 0.0
    config.phases.fine_tune.epochs = 20
    return config


def starved_of_width():
    config = digits()
    config.model.head = "mlp"
    config.model.hidden_units = (1,)
    config.phases.fine_tune.trainable_from = "none"
    config.phases.fine_tune.epochs = 15
    return config


def batches_of_two():
    config = digits(images_per_class=20)
    config.phases.fine_tune.batch_size = 2
    config.phases.fine_tune.learning_rate = 1e-3
    config.phases.fine_tune.epochs = 5
    return config


def one_epoch():
    config = digits()
    config.phases.fine_tune.epochs = 1
    return config


def good():
    config = digits(images_per_class=100)
    config.phases.fine_tune.epochs = 10
    return config


SLOW = functools.partial(pytest.param, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("config", "expected", "flag"),
    [
        SLOW(rate_of(1e-7), "rate_too_low", "learning_rate=auto"),
        (rate_of(1e1), "rate_too_high", "learning_rate=auto"),
        (five_images_a_class(), "overfitting", "augment=True"),
        SLOW(starved_of_width(), "underfitting", "hidden_units=(256,)"),
        SLOW(batches_of_two(), "noisy_curve", "batch_size=32"),
        SLOW(one_epoch(), "still_improving", "epochs=5"),
        (good(), None, ""),
    ],
    ids=["1e-7", "1e1", "5 images", "width 1", "batch 2", "1 epoch", "good"],
)
def test_a_run_that_was_set_up_to_go_wrong(config, expected, flag, tmp_path):
    train_and_evaluate(config, tmp_path)
    findings = workdir.read_json(tmp_path / workdir.DIAGNOSIS)["findings"]
    names = [finding["name"] for finding in findings]
    rows = workdir.read_table(tmp_path / workdir.HISTORY)
    assert names == ([expected] if expected else []), (findings, rows)
    assert flag in format_diagnosis(tmp_path)
    assert all(finding["evidence"] for finding in findings)
