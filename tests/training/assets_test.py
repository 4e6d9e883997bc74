"""The main job on real photos with real ImageNet weights."""

import pytest

from tlkeras import train_and_evaluate

pytestmark = pytest.mark.assets


@pytest.mark.slow
def test_a_probe_on_clothing(clothing_config, tmp_path):
    """Logistic regression on codes from `predict` gives .81 on test."""
    config = clothing_config
    config.phases.fine_tune.epochs = 0
    result = train_and_evaluate(config, tmp_path / "run")
    assert result["val/top_1_accuracy"] > 0.79
    assert result["test/top_1_accuracy"] > 0.79
    assert result["test/num_examples"] == 372


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("blood_cells", 0.9),
        pytest.param("omniglot", 0.4, marks=pytest.mark.slow),
    ],
)
def test_a_probe_on_images_unlike_imagenet(
    assets, clothing_config, tmp_path, name, least
):
    config = clothing_config
    config.data.source = str(assets / "datasets" / name)
    config.model.image_size = 96
    config.phases.fine_tune.epochs = 0
    result = train_and_evaluate(config, tmp_path / "run")
    assert result["test/top_1_accuracy"] > least


@pytest.mark.slow
def test_the_defaults_on_clothing_over_three_seeds(clothing_config, tmp_path):
    """Never below the probe on validation; .81 or more on test."""
    accuracies = []
    for seed in range(3):
        config = clothing_config
        config.seed = seed
        result = train_and_evaluate(config, tmp_path / str(seed))
        probe = result["phases"][0]
        metric = "val/top_1_accuracy"
        assert result[metric] >= probe[metric]
        accuracies.append(result["test/top_1_accuracy"])
    assert sum(accuracies) / 3 >= 0.86
