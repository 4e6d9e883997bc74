"""`tlkeras probe --augmented_copies` from photos to table."""

import contextlib
import io
import json

import numpy as np
import pytest

from tlkeras import workdir
from tlkeras.console import Console
from tlkeras.models.depths import block_ends
from tlkeras.studies import linear_probe
from tlkeras.studies.linear_probe import run_linear_probe
from tlkeras.studies.probe_columns import COPIES, PROBE_COLUMNS
from tlkeras.studies.probe_cost import StepCost
from tlkeras.studies.probe_plot import plot_probe
from tlkeras.studies.probe_text import format_probe

PLAIN = [name for name in PROBE_COLUMNS if "+" not in name]


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Two depths, whose steps are not timed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            linear_probe,
            "block_ends",
            lambda backbone: block_ends(backbone)[-2:],
        )
        patch.setattr(
            linear_probe,
            "measure_steps",
            lambda classifier, depths, console: [
                StepCost(1.0, False, 1) for _ in depths
            ],
        )
        yield


@pytest.fixture(scope="module")
def config(make_small_config):
    return make_small_config({"model.features_from": "conv_pw_3_relu"})


@pytest.fixture(scope="module")
def probe(tmp_path_factory):
    """Returns what probes into a folder: (result, printed lines)."""
    folder = tmp_path_factory.mktemp("probes")

    def call(config, name, **settings):
        said = io.StringIO()
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(said),
        ):
            patch.setenv("TLKERAS_CACHE", str(folder / "cache"))
            result = run_linear_probe(
                config,
                folder / name,
                num_folds=2,
                train_per_class=8,
                num_splits=2,
                console=Console(),
                **settings,
            )
        return result, said.getvalue().splitlines()

    call.folder = folder
    return call


def drop_copies(row):
    return {name: cell for name, cell in row.items() if COPIES not in name}


def num_computed(lines):
    (line,) = [x for x in lines if x.startswith("  codes of copies: ")]
    return int(line.split(": ")[1].split(" of ")[0])


@pytest.fixture(scope="module")
def probes(probe, config):
    """Name -> (result, lines) of probes that share a cache, in this order."""
    return {
        "plain": probe(config, "plain"),
        "eight": probe(config, "eight", augmented_copies=8),
        "again": probe(config, "again", augmented_copies=8),
        "sixteen": probe(config, "sixteen", augmented_copies=16),
    }


def test_copies_add_columns_and_change_none(probes, probe, tmp_path):
    plain, _ = probes["plain"]
    result, lines = probes["sixteen"]
    assert plain["augmented_copies"] == 1
    assert not any(COPIES in name for name in plain["depths"][0])
    assert [drop_copies(row) for row in result["depths"]] == plain["depths"]
    assert [drop_copies(row) for row in result["over_splits"]] == plain[
        "over_splits"
    ]
    assert result["recommended_layer"] == plain["recommended_layer"]
    for row, protocol in zip(
        result["depths"], result["over_splits"], strict=True
    ):
        for name in PLAIN:
            cell, whole = row[name + COPIES], row[name]
            assert cell["l2"] == whole["l2"]
            assert cell["difference"] == pytest.approx(
                cell["accuracy"] - whole["accuracy"]
            )
            low, high = cell["difference_interval"]
            assert low <= cell["difference"] <= high
            assert len(protocol[name + COPIES]["accuracies"]) == 2
    written = json.loads((probe.folder / "sixteen" / workdir.PROBE).read_text())
    assert written == json.loads(json.dumps(result))
    # The cost comes first, in images that are really there.
    num_images = result["num_images"]
    assert f"16 copies of {num_images} images: 16 times the" in lines[0]

    text = format_probe(result)
    top = result["depths"][-1]["svm+copies"]
    assert "16 copies of each image, scores summed" in text
    assert f"svm {top['accuracy']:.3f} ({top['difference']:+.3f} [" in text
    assert "softmax+copies " in text
    assert "copies" not in format_probe(plain)
    for name, values in (("with", result), ("without", plain)):
        plot_probe(values, tmp_path / f"{name}.png")
    sizes = [
        (tmp_path / f"{n}.png").stat().st_size for n in ("with", "without")
    ]
    assert sizes[0] > sizes[1] > 10_000


def test_copies_are_computed_once_and_the_same_for_ever(probes):
    """Fewer copies are the first of more, and find them in the cache."""
    eight, lines = probes["eight"]
    assert num_computed(lines) == 7 * eight["num_images"]
    again, lines = probes["again"]
    assert num_computed(lines) == 0
    assert again == eight
    sixteen, lines = probes["sixteen"]
    assert num_computed(lines) == 8 * eight["num_images"]
    assert any(
        a["svm+copies"] != b["svm+copies"]
        for a, b in zip(eight["depths"], sixteen["depths"], strict=True)
    )


@pytest.mark.slow
def test_without_a_cache_the_answers_are_the_same(probe, small_config):
    cached, _ = probe(small_config, "cached", augmented_copies=6)
    small_config.features.cache = "off"
    live, lines = probe(small_config, "live", augmented_copies=6)
    assert not any("codes of copies" in line for line in lines)
    for a, b in zip(cached["depths"], live["depths"], strict=True):
        for name in PLAIN:
            difference = (
                a[name + COPIES]["accuracy"] - b[name + COPIES]["accuracy"]
            )
            assert abs(difference) < 2.5 / cached["num_images"]


@pytest.mark.slow
def test_the_codes_of_the_copies_are_those_of_the_copied_photos(
    probe, small_config, monkeypatch, tmp_path, photo_folder
):
    """Mirrored files have the codes of the mirrored copies."""
    from PIL import Image, ImageOps

    seen = []
    original = linear_probe.compute_copy_codes

    def spy(*arguments):
        seen.append((arguments[2], original(*arguments)))
        return seen[-1][1]

    monkeypatch.setattr(linear_probe, "compute_copy_codes", spy)
    for path in photo_folder.rglob("*.jpg"):
        for root, turn in (("png", lambda x: x), ("mirrored", ImageOps.mirror)):
            target = tmp_path / root / path.relative_to(photo_folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            turn(Image.open(path)).save(target.with_suffix(".png"))
    for root in ("png", "mirrored"):
        small_config.data.source = str(tmp_path / root)
        probe(small_config, root + "_probe", augmented_copies=16)

    def by_name(images, codes):
        names = ["/".join(path.split("/")[-2:]) for path in images.paths]
        return dict(zip(names, codes[-1].transpose(1, 0, 2), strict=True))

    photos, mirrored = (by_name(*each) for each in seen)
    common = sorted(set(photos) & set(mirrored))
    assert len(common) > 20
    a, b = (np.stack([x[name] for name in common]) for x in (photos, mirrored))
    np.testing.assert_allclose(a[:, 8], b[:, 0], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(a[:, 0], b[:, 8], rtol=1e-3, atol=1e-3)
    assert np.abs(a[:, 0] - b[:, 0]).max() > 0.05
