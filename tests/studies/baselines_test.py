import importlib.util
from pathlib import Path

import numpy as np
import pytest

from tlkeras.console import Console
from tlkeras.data.load import load_dataset
from tlkeras.studies import quickstart
from tlkeras.studies.baselines import (
    Figure,
    compare_pooled,
    measure_all,
    measure_raw_pixels,
)

CONFIGS = Path(__file__).parent.parent.parent / "configs"


def load_config_module(name):
    spec = importlib.util.spec_from_file_location(name, CONFIGS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_raw_pixels_of_digits_are_a_strong_baseline():
    dataset = load_dataset("digits", split=(0.2, 0.3, 0.5), images_per_class=10)
    figure = measure_raw_pixels("raw", dataset, 8)
    assert 0.8 < figure.test_scores.mean() < 0.95
    assert len(figure.test_scores) == len(dataset.splits["test"])


def test_pooling_compares_image_by_image():
    paths = tuple(map(str, range(40)))
    half = np.arange(40) % 2.0
    old, new = (
        Figure("old", 0.5, paths, half),
        Figure("new", 1.0, paths, half**0),
    )
    gain = compare_pooled([new], [old])
    assert gain.difference == 0.5
    assert 0.2 < gain.interval[0] < 0.5
    assert compare_pooled([old], [old]).interval == (0.0, 0.0)
    # The same images under more seeds are no more evidence.
    assert compare_pooled([new] * 5, [old] * 5).interval == gain.interval


@pytest.mark.slow
def test_the_quick_start_beats_raw_pixels_and_the_top_layer(tmp_path):
    figures = measure_all(
        quickstart.make_recipes(0),
        tmp_path,
        raw_pixel_size=8,
        console=Console(quiet=True),
    )
    accuracy = {figure.name: figure.test_scores.mean() for figure in figures}
    assert accuracy[quickstart.CHOSEN] > accuracy[quickstart.RAW] + 0.01
    assert accuracy[quickstart.CHOSEN] > accuracy[quickstart.RANDOM] + 0.1
    assert accuracy[quickstart.RAW] > accuracy[quickstart.TOP]
    by_name = {figure.name: [figure] for figure in figures}
    assert "chosen recipe" in quickstart.format_figures(by_name)


@pytest.mark.slow
def test_over_five_seeds_the_gains_are_beyond_doubt(tmp_path):
    by_name = {}
    for seed in range(5):
        for figure in measure_all(
            quickstart.make_recipes(seed),
            tmp_path / str(seed),
            raw_pixel_size=8,
            console=Console(quiet=True),
        ):
            by_name.setdefault(figure.name, []).append(figure)
    for name in (quickstart.RAW, quickstart.RANDOM):
        gain = compare_pooled(by_name[quickstart.CHOSEN], by_name[name])
        assert gain.interval[0] > 0, (name, gain)


@pytest.mark.parametrize("name", ["quickstart", "pretrain_letters"])
def test_shipped_configs_are_valid(name):
    from tlkeras.config import validate

    validate(load_config_module(name).get_config())
