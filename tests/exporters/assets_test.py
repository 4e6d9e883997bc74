"""The gate on real photos with real ImageNet weights."""

import pytest

from tlkeras import ExportSettings, export_run, train_and_evaluate

pytestmark = pytest.mark.assets


@pytest.mark.slow
def test_every_kind_of_clothing_passes(clothing_config, tmp_path):
    config = clothing_config
    config.model.image_size = 96
    config.phases.fine_tune.epochs = 0
    train_and_evaluate(config, tmp_path / "run")
    record = export_run(
        tmp_path / "run", tmp_path / "clothing", ExportSettings(max_drop=0.02)
    )
    rows = record["formats"]
    assert all(row["refused"] == "" for row in rows.values())
    for name in ("saved_model", "float32", "float16", "dynamic"):
        assert rows[name]["drop"] <= 0.01
    for name in ("saved_model", "float32"):
        assert rows[name]["num_disagreements"] == 0
