import json

import numpy as np
import pytest

import tlkeras
from tlkeras.errors import InputError
from tlkeras.evaluation.run import load_run
from tlkeras.studies import heatmaps
from tlkeras.studies.mappers import (
    DecodedImage,
    HeatmapSettings,
    WindowMapper,
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory, make_small_config):
    from tlkeras import train_and_evaluate

    config = make_small_config(
        {
            "model.features_from": "conv_pw_3_relu",
            "phases.fine_tune.epochs": 0,
            "checks.enabled": False,
            "report.enabled": False,
        }
    )
    path = tmp_path_factory.mktemp("heat") / "run"
    train_and_evaluate(config, path)
    return path


@pytest.fixture(scope="module")
def run(directory):
    return load_run(directory)


@pytest.fixture(scope="module")
def paths(photo_folder):
    return [str(p) for p in sorted(photo_folder.rglob("*.jpg"))[::7]]


def test_the_answer_is_the_classifiers_and_the_mean_its_logits(run, paths):
    found = list(tlkeras.compute_heatmaps(run, paths))
    for item, prediction in zip(found, run.predict(paths), strict=True):
        assert (item.path, item.label) == (prediction.path, prediction.label)
        assert item.score == pytest.approx(prediction.score, abs=1e-5)
        assert item.deviation < 1e-4
        scores = item.heat_map.scores
        np.testing.assert_allclose(scores.sum(-1), 1, atol=1e-6)
        assert item.heat_map.image_size == (64, 48)


def test_a_larger_size_has_more_cells(run, paths):
    grids = [
        next(
            tlkeras.compute_heatmaps(run, paths[:1], HeatmapSettings(size=size))
        ).heat_map.scores.shape[0]
        for size in (None, 64)
    ]
    assert grids[1] == 2 * grids[0]


def test_one_window_is_the_classifiers_answer_on_that_crop(
    run, paths, tmp_path
):
    from PIL import Image

    mapper = WindowMapper(run, HeatmapSettings("windows", scales=(2.0,)))
    pixels = np.array(Image.open(paths[0]).convert("RGB"))
    crops = mapper._crop(pixels)
    side = 24
    Image.fromarray(pixels[:side, :side]).save(tmp_path / "crop.png")
    (alone,) = run.predict([str(tmp_path / "crop.png")])
    content = (tmp_path / "crop.png").read_bytes()
    (mapped,) = WindowMapper(
        run, HeatmapSettings("windows", scales=(1.0,))
    ).map_images([DecodedImage(content, pixels[:side, :side])])
    np.testing.assert_allclose(
        mapped.heat_map.scores[3, 5], alone.probabilities, atol=1e-6
    )
    np.testing.assert_allclose(
        mapped.pooled["sum"], alone.probabilities, atol=1e-6
    )
    assert crops[0].shape == (32, 32, 3)


def odd_images(folder):
    from PIL import Image

    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (30, 90, 3)).astype(np.uint8)
    Image.fromarray(noise).save(folder / "wide.png")
    Image.fromarray(noise).convert("1").save(folder / "one_bit.png")
    Image.new("RGB", (1, 1)).save(folder / "tiny.png")
    Image.fromarray(noise[:8, :9]).save(folder / "small.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noise).save(folder / "rotated.jpg", exif=exif)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff no more")
    return {
        "wide.png": (90, 30),
        "one_bit.png": (90, 30),
        "tiny.png": None,
        "small.png": (9, 8),
        "rotated.jpg": (30, 90),
        "broken.jpg": None,
    }


@pytest.mark.parametrize("method", ["dense", "windows"])
def test_images_of_every_kind_get_their_grid_or_one_sentence(
    run, tmp_path, method
):
    from PIL import Image

    from tlkeras.console import Console

    sizes = odd_images(tmp_path)
    result = heatmaps.write_heatmaps(
        run,
        [tmp_path / name for name in sizes],
        tmp_path / "out",
        HeatmapSettings(method, classes=("china", "flower")),
        console=Console(quiet=True),
    )
    assert result == json.loads(
        (tmp_path / "out" / "heatmaps.json").read_text()
    )
    for row, (name, size) in zip(result["images"], sizes.items(), strict=True):
        assert row["path"].endswith(name)
        if size is None:
            assert row["error"]
            continue
        assert (row["width"], row["height"]) == size
        assert list(row["classes"]) == ["china", "flower"]
        for found in row["classes"].values():
            left, top, right, bottom = found["box"]
            assert 0 <= left <= found["peak"]["x"] <= right <= size[0]
            assert 0 <= top <= found["peak"]["y"] <= bottom <= size[1]
            assert 0 <= found["mean"] <= found["peak"]["score"] <= 1
        with Image.open(tmp_path / "out" / row["overlay"]) as picture:
            assert picture.format == "PNG"
            assert picture.width <= 800
    assert not (tmp_path / "out" / "parts").exists()
    text = heatmaps.format_heatmaps(result)
    assert ("mean of the class maps is the logits" in text) == (
        method == "dense"
    )


def test_an_interrupted_call_goes_on_where_it_stopped(
    run, paths, tmp_path, monkeypatch
):
    from tlkeras.console import Console

    def write(output):
        return heatmaps.write_heatmaps(
            run,
            paths[:3],
            output,
            HeatmapSettings(),
            console=Console(quiet=True),
        )

    monkeypatch.setattr(heatmaps, "BATCH", 2)
    expected = write(tmp_path / "whole")
    original = heatmaps._map_files
    called = []

    def fail_second(*arguments):
        called.append(arguments[-1])
        if len(called) == 2:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(heatmaps, "_map_files", fail_second)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "halted")
    assert write(tmp_path / "halted") == expected
    assert called[2] == called[1] != called[0]


def test_equal_names_have_overlays_of_their_own():
    named = heatmaps._name_overlays(
        ["a/x.jpg", "b/x.png", "c/X.jpg", "a/x.jpg"]
    )
    assert named == {
        "a/x.jpg": "x.png",
        "b/x.png": "x-2.png",
        "c/X.jpg": "X-3.png",
    }


def test_bad_settings_are_refused_with_one_sentence(run, paths):
    def first(settings):
        return next(tlkeras.compute_heatmaps(run, paths, settings))

    with pytest.raises(InputError, match="method 'gradcam'"):
        first(HeatmapSettings("gradcam"))
    with pytest.raises(InputError, match=r"class 'flowers'.*'flower'"):
        first(HeatmapSettings(classes=("flowers",)))
    with pytest.raises(InputError, match="multiple of its stride"):
        first(HeatmapSettings(size=50))
    for scales in ((), (0.5,), (100,)):
        with pytest.raises(InputError, match=r"scales=.*1 \.\. 16"):
            HeatmapSettings("windows", scales=scales)
    with pytest.raises(InputError, match="no effect on method=windows"):
        HeatmapSettings("windows", size=64)


def test_a_pointing_test_needs_four_classes(run, tmp_path):
    from tlkeras.console import Console
    from tlkeras.studies.mosaics import run_pointing

    with pytest.raises(InputError, match="images of four classes"):
        run_pointing(run, "validation", tmp_path, console=Console(quiet=True))
    assert not (tmp_path / "pointing.json").exists()
