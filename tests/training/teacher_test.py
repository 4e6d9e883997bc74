"""A finished run teaches another one."""

import numpy as np
import pytest

from tlkeras import workdir
from tlkeras.config import config_hash
from tlkeras.errors import InputError
from tlkeras.evaluation.run import Run
from tlkeras.optim.losses import LOSSES
from tlkeras.training.teacher import mix_targets
from tlkeras.training.trainer import train_and_evaluate

from .finished_runs import assert_same_weights


@pytest.fixture(scope="module")
def teacher(tmp_path_factory, make_small_config):
    directory = tmp_path_factory.mktemp("teacher") / "run"
    config = make_small_config({"phases.fine_tune.epochs": 0})
    train_and_evaluate(config, directory)
    return directory


@pytest.fixture(scope="module")
def make_pupil(make_small_config, teacher):
    """Returns what makes the config of a run that only fits its head."""

    def make(**fields):
        config = make_small_config(
            {
                "phases.phase_order": ("fine_tune",),
                "phases.fine_tune.trainable_from": "none",
                "phases.fine_tune.augment": False,
                "phases.fine_tune.learning_rate": 0.02,
                "phases.fine_tune.epochs": 25,
                "checks.enabled": False,
                "evaluation.test_at_end": False,
            }
        )
        config.phases.fine_tune.update({"teacher": str(teacher), **fields})
        return config

    return make


@pytest.mark.parametrize("name", LOSSES)
def test_targets_go_from_labels_to_the_softened_teacher(name):
    loss = LOSSES[name]
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (5, 4))
    labels = np.eye(4)[rng.integers(0, 4, 5)]

    def mix(share, temperature=1.0):
        return mix_targets(
            labels, logits, loss, share=share, temperature=temperature
        )

    np.testing.assert_array_equal(mix(0.0), labels)
    np.testing.assert_allclose(mix(1.0), loss.probabilities(logits), atol=1e-6)
    np.testing.assert_allclose(
        mix(0.3), 0.7 * labels + 0.3 * mix(1.0), atol=1e-6
    )
    flat = mix(1.0, temperature=1e6)
    np.testing.assert_allclose(
        flat, 0.5 if loss.multi_label else 0.25, atol=1e-5
    )
    assert mix(1.0, temperature=0.5).max() > mix(1.0).max()


def test_a_share_of_nothing_is_no_teacher_and_it_answers_once(
    make_pupil, tmp_path, monkeypatch
):
    asked = []
    compute = Run.compute_logits
    monkeypatch.setattr(
        Run, "compute_logits", lambda *a: asked.append(a) or compute(*a)
    )
    alone, taught = tmp_path / "alone", tmp_path / "taught"
    train_and_evaluate(make_pupil(teacher="", epochs=2), alone)
    assert not asked
    train_and_evaluate(make_pupil(teacher_share=0.0, epochs=2), taught)
    assert len(asked) == 1
    assert_same_weights(alone, taught)


def test_an_opposite_teacher_makes_an_opposite_pupil(
    make_pupil, tmp_path, monkeypatch
):
    config = make_pupil(teacher_share=1.0)  # without one label
    result = train_and_evaluate(config, tmp_path / "first")
    assert result["val/top_1_accuracy"] > 0.7
    compute = Run.compute_logits
    monkeypatch.setattr(Run, "compute_logits", lambda *a: -compute(*a))
    train_and_evaluate(config, tmp_path / "second")
    history = workdir.read_table(tmp_path / "second" / workdir.HISTORY)
    assert float(history[-1]["val/top_1_accuracy"]) < 0.5


def test_it_must_know_the_classes(make_pupil, teacher, tmp_path):
    changed = tmp_path / "changed"
    changed.mkdir()
    result = workdir.read_json(teacher / workdir.RESULT)
    result["class_names"] = ["cat", "dog"]
    workdir.write_json(changed / workdir.RESULT, result)
    with pytest.raises(InputError, match="knows other classes"):
        train_and_evaluate(make_pupil(teacher=str(changed)), tmp_path / "run")


def test_it_must_not_know_what_is_held_out(make_pupil, tmp_path):
    config = make_pupil()
    config.data.split_seed = 1
    with pytest.raises(InputError, match=r"split_file=.*split\.csv"):
        train_and_evaluate(config, tmp_path / "run")


def test_a_solver_has_no_teacher(make_pupil, tmp_path):
    with pytest.raises(InputError, match="it has a teacher"):
        train_and_evaluate(make_pupil(method="solve"), tmp_path / "run")


def test_no_run_is_no_teacher(make_pupil, tmp_path):
    config = make_pupil(teacher=str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="does not exist"):
        train_and_evaluate(config, tmp_path / "run")


def test_a_teacher_counts_by_its_weights(make_pupil, teacher):
    alone = config_hash(make_pupil(teacher=""))
    assert config_hash(make_pupil(teacher="", teacher_share=0.1)) == alone
    taught = config_hash(make_pupil())
    assert taught != alone
    assert config_hash(make_pupil(teacher=f"{teacher}/.")) == taught
    assert config_hash(make_pupil(teacher_share=0.1)) != taught
