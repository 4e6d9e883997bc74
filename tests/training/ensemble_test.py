"""Networks of several seeds are trained like runs, and answer as one."""

import json
import shutil

import numpy as np
import pytest

from tlkeras import train_and_evaluate, workdir
from tlkeras.config import config_hash, get_config, validate
from tlkeras.config.hashing import identity
from tlkeras.errors import InputError
from tlkeras.evaluation.evaluate import read_test_looks
from tlkeras.evaluation.metrics import per_image_scores
from tlkeras.evaluation.run import load_run
from tlkeras.exporters.export import ExportSettings, export_run
from tlkeras.models.cells import find_backbone
from tlkeras.report.page import write_report
from tlkeras.training import trainer
from tlkeras.training.ensemble import train_ensemble
from tlkeras.tuning.plan import make_plan

from .finished_runs import assert_same_weights

FIELDS = {
    "ensemble": 2,
    "seed": 3,
    "evaluation.replace_p_value": 1.0,  # fine-tuning stays
    "phases.phase_order": ("fine_tune",),
    "phases.fine_tune.trainable_from": "conv_pw_5",
    "phases.fine_tune.epochs": 1,
    "checks.enabled": False,
}


@pytest.fixture(scope="module")
def config(make_small_config):
    return make_small_config(FIELDS)


@pytest.fixture(scope="module")
def trained(config, tmp_path_factory):
    """An ensemble that was ended between its networks, and taken up again."""
    directory = tmp_path_factory.mktemp("ensemble") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "train_ensemble", end_after_one)
        with pytest.raises(KeyboardInterrupt):
            train_and_evaluate(config, directory)
    first = directory / workdir.MEMBERS / "0" / workdir.RESULT
    before = first.read_bytes()
    result = train_and_evaluate(config, directory)
    assert first.read_bytes() == before
    return directory, result


def end_after_one(config, directory, console, dataset, train):
    done = []

    def once(*arguments, **options):
        if done:
            raise KeyboardInterrupt
        done.append(train(*arguments, **options))

    return train_ensemble(config, directory, console, dataset, once)


def logits_of(run, split="validation"):
    examples = run.load_dataset(split).splits[split]
    return examples.targets, run.calibration.undo(run.compute_logits(examples))


def test_it_answers_the_mean_of_its_networks(trained):
    directory, result = trained
    run = load_run(directory)
    places = [directory / workdir.MEMBERS / name for name in ("0", "1")]
    members = [load_run(place) for place in places]
    assert [member.config.seed for member in members] == [3, 4]
    targets, logits = logits_of(run)
    answers = [logits_of(member)[1] for member in members]
    assert np.abs(answers[0] - answers[1]).max() > 1e-3
    np.testing.assert_allclose(logits, np.mean(answers, 0), atol=1e-4)
    record = workdir.read_json(directory / workdir.ENSEMBLE)
    scores = [per_image_scores(targets, z, multi_label=False) for z in answers]
    assert record["mean_of_members"] == pytest.approx(np.mean(scores))
    ours = per_image_scores(targets, logits, multi_label=False).mean()
    assert result["val/top_1_accuracy"] == pytest.approx(ours)
    assert record["against_mean"]["difference"] == pytest.approx(
        ours - np.mean(scores), abs=1e-6
    )
    # What no phase trains is there once.
    sizes = [m.model.count_params() for m in (run, members[0])]
    assert sizes[0] < 2 * sizes[1]
    assert 1 < record["cost"] < 2
    names = [layer.name for layer in find_backbone(run.model).layers]
    assert names.count("conv_pw_5") == names.count("conv_pw_5_member_2") == 1
    assert "conv_pw_4_member_2" not in names


@pytest.mark.slow
def test_a_network_is_the_run_of_its_seed(trained, config, tmp_path):
    directory, _ = trained
    alone = config.copy_and_resolve_references()
    alone.ensemble, alone.seed = 1, 4
    alone.evaluation.test_at_end = False
    train_and_evaluate(alone, tmp_path / "run")
    assert_same_weights(tmp_path / "run", directory / workdir.MEMBERS / "1")


def test_the_report_says_what_it_is(trained):
    directory, _ = trained
    page = write_report(directory).read_text("utf-8")
    assert "The model is 2 networks of one recipe" in page


@pytest.mark.slow
def test_it_is_exported_as_one_model(trained, tmp_path):
    directory, _ = trained
    formats = ("saved_model", "float32")
    settings = ExportSettings(formats=formats)
    record = export_run(directory, tmp_path / "model", settings)
    for name in formats:
        row = record["formats"][name]
        assert not row["refused"]
        assert row["largest_probability_shift"] < 1e-4


def test_the_test_split_is_looked_at_once(trained):
    directory, _ = trained
    assert len(read_test_looks(directory)) == 1
    for place in (directory / workdir.MEMBERS).iterdir():
        assert not read_test_looks(place)


def test_the_directory_of_an_ensemble_is_that_of_its_config(trained, config):
    directory, result = trained
    stored = json.dumps(train_and_evaluate(config, directory))
    assert stored == json.dumps(result)
    other = config.copy_and_resolve_references()
    other.ensemble = 3
    with pytest.raises(InputError, match="ensemble was 2 and is 3"):
        train_and_evaluate(other, directory)


def test_a_network_of_other_images_is_refused(trained, config, tmp_path):
    directory, _ = trained
    changed = tmp_path / "run"
    shutil.copytree(directory, changed)
    (changed / workdir.RESULT).unlink()
    split = changed / workdir.MEMBERS / "0" / workdir.SPLIT
    first, *rest = split.read_text().splitlines(keepends=True)
    split.write_text(first + "".join(rest[1:]))
    with pytest.raises(InputError, match="trained on other images"):
        train_and_evaluate(config, changed)
    assert not (changed / workdir.RESULT).exists()


def test_a_search_is_for_one_network(config):
    with pytest.raises(InputError, match="leave it out"):
        make_plan(config, {})


def test_one_network_has_the_identity_of_before():
    config = get_config()
    before = config_hash(config)
    config.ensemble = 2
    assert config_hash(config) != before
    assert "ensemble" not in identity(get_config())


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("model.head", "mlp", "model.head=mlp has layers between"),
        ("model.weights", "none", "model.weights=none has none"),
        ("runtime.max_seconds", 60.0, "a budget for one"),
    ],
)
def test_what_networks_cannot_share_is_refused(field, value, message):
    config = get_config()
    config.update_from_flattened_dict({field: value, "ensemble": 2})
    with pytest.raises(InputError, match=message):
        validate(config)
    config.ensemble = 1
    validate(config)


def test_a_phase_that_trains_everything_leaves_nothing_to_share(
    make_small_config, tmp_path
):
    config = make_small_config(
        {**FIELDS, "phases.fine_tune.trainable_from": "all"}
    )
    with pytest.raises(InputError, match="trains the whole network"):
        train_and_evaluate(config, tmp_path / "run")
    assert not (tmp_path / "run" / workdir.MEMBERS).exists()
