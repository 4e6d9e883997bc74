"""A phase on a network: resolved once, and carried."""

import pytest

import tlkeras.models.classifier as classifier_module
import tlkeras.training.phases as phases_module
from tlkeras import train_and_evaluate
from tlkeras.errors import InputError
from tlkeras.models.cutoffs import find_cutoff
from tlkeras.training.build import resolve_phases
from tlkeras.training.phases import (
    read_phases,
    resolve_method,
    schedule_args,
)


def test_solving_is_refused_where_it_cannot_be_done(
    small_config, small_classifier
):
    probe = small_config.phases.linear_probe
    probe.method = "solve"
    probe.augment = True
    (phase, _) = read_phases(small_config.phases, 48)
    with pytest.raises(InputError, match="because the phase augments images"):
        resolve_method(phase, small_classifier)
    probe.augment = False
    probe.trainable_from = "stage5"
    (phase, _) = read_phases(small_config.phases, 48)
    with pytest.raises(InputError, match="because the backbone trains from"):
        resolve_method(phase, small_classifier)


def test_a_resolved_phase_knows_its_method_and_its_cutoff(
    small_config, small_classifier
):
    small_config.phases.fine_tune.trainable_from = "stage5"
    asked = read_phases(small_config.phases, 48)
    solved, fitted = resolve_phases(asked, small_classifier)
    backbone = small_classifier.backbone
    assert (solved.method, fitted.method) == ("solve", "fit")
    assert solved.cutoff == find_cutoff(backbone, "none")
    assert fitted.cutoff == find_cutoff(backbone, "stage5") > 0
    assert [p.name for p in asked] == [solved.name, fitted.name]


def test_a_run_looks_for_each_cutoff_once(small_config, tmp_path, monkeypatch):
    looked = []

    def find_once(backbone, trainable_from):
        looked.append(trainable_from)
        return find_cutoff(backbone, trainable_from)

    def refuse(*arguments, **named):
        raise AssertionError("it is known already")

    monkeypatch.setattr(phases_module, "find_cutoff", find_once)
    monkeypatch.setattr(classifier_module, "find_cutoff", refuse)
    small_config.model.features_from = "conv_pw_4_relu"
    small_config.model.weights = "none"
    small_config.checks.enabled = False
    small_config.evaluation.test_at_end = False
    small_config.phases.fine_tune.epochs = 1
    train_and_evaluate(small_config, tmp_path / "run")
    assert looked == [
        phase.trainable_from for phase in read_phases(small_config.phases, 48)
    ]


@pytest.mark.parametrize(
    ("num_images", "epochs", "warmup"),
    [
        (15, 100, 100 / 8),
        (1000, 8, 1.0),
        (10_000, 8, 1.0),
        (10**6, 1, 1 / 8),
    ],
)
def test_a_phase_that_is_stretched_warms_up_as_long(num_images, epochs, warmup):
    from tlkeras.config import get_config

    config = get_config()
    (_, phase) = read_phases(config.phases, num_images)
    assert phase.epochs == epochs
    assert schedule_args(phase).warmup_epochs == warmup
    config.phases.fine_tune.schedule_args.warmup_epochs = 3.0
    (_, phase) = read_phases(config.phases, num_images)
    assert schedule_args(phase).warmup_epochs == 3.0
