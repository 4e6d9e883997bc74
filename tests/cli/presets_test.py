"""A preset as a flag, beside the flags of its fields."""

import pytest

from tlkeras.config.presets import PRESETS
from tlkeras.models.backbones import build_backbone


@pytest.mark.parametrize("first", [True, False])
def test_flags_of_fields_win_in_any_order(resolve, first):
    arguments = ["--config.preset=accurate", "--config.model.image_size=96"]
    config = resolve(*(arguments if first else arguments[::-1]))
    assert config.model.image_size == 96
    assert config.model.backbone == PRESETS["accurate"].backbone


def test_a_preset_wins_over_a_config_file(resolve, config_file):
    config = resolve(f"--config={config_file}", "--config.preset=balanced")
    assert config.model.backbone == PRESETS["balanced"].backbone
    assert config.model.weights == "letters"


def test_an_unknown_preset_is_one_sentence(run):
    code, _, err = run("train", "--data=digits", "--config.preset=quick")
    assert code == 2
    assert "Unknown preset 'quick'" in err
    assert "accurate, balanced, fast" in err


def test_doctor_shows_the_presets(run):
    _, out, _ = run("doctor")
    for name, row in PRESETS.items():
        (line,) = [x for x in out.splitlines() if x.startswith(f"{name} ")]
        assert row.backbone in line
        assert f"{row.num_parameters:,}" in line


@pytest.mark.parametrize(
    "name", ["fast", pytest.param("balanced", marks=pytest.mark.slow)]
)
def test_parameters_are_those_of_the_backbone(name):
    row = PRESETS[name]
    backbone = build_backbone(row.backbone, image_size=row.image_size)
    assert backbone.count_params() == row.num_parameters


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
def test_each_runs_end_to_end(run, tmp_path, name):
    code, _, err = run(
        "train",
        "--data=digits",
        f"--config.preset={name}",
        "--config.model.weights=none",
        "--config.data.images_per_class=4",
        "--config.data.split=(0.94, 0.03, 0.03)",
        "--config.phases.fine_tune.epochs=1",
        f"--workdir={tmp_path / 'run'}",
        "--quiet",
    )
    assert code == 0, err
    assert (tmp_path / "run" / "model.keras").exists()
