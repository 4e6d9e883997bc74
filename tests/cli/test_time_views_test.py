"""`--tta` of evaluate and predict, on the recorded run of digits."""

import csv
import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from tlkeras import workdir
from tlkeras.data.pipeline import read_files
from tlkeras.evaluation.run import load_run
from tlkeras.models.dense import resize_classifier

from .conftest import run_command

RECORDED = Path(__file__).parent.parent / "recorded" / "run"


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """A directory with run/; recorded paths begin with cache/."""
    root = tmp_path_factory.mktemp("views")
    shutil.copytree(RECORDED, root / "run")
    return root


@pytest.fixture(autouse=True)
def here(copied, monkeypatch):
    monkeypatch.chdir(copied)
    monkeypatch.setenv("TLKERAS_CACHE", "cache")


@pytest.fixture(scope="module")
def evaluated(copied):
    """The comparison of mirrored views on test, and the metrics beside it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(copied)
        patch.setenv("TLKERAS_CACHE", "cache")
        flags = ("--workdir=run", "--split=test", "--tta=flip")
        assert run_command("evaluate", *flags) == 0
        return [
            workdir.read_json(Path("run", name("test")))
            for name in (workdir.views_name, workdir.evaluation_name)
        ]


def test_every_variant_within_has_its_figures(evaluated):
    record, metrics = evaluated
    assert list(record["variants"]) == ["none", "flip"]
    plain, flip = record["variants"].values()
    assert plain["difference"] == plain["log_loss_difference"] == 0
    assert plain["top_1_accuracy"] == metrics["top_1_accuracy"]
    assert plain["log_loss"] == pytest.approx(metrics["loss"])
    assert (flip["num_views"], flip["cost"]) == (2, 2)
    # Mirrored digits are other signs.
    assert flip["log_loss"] != plain["log_loss"]
    for name, value in (("", "top_1_accuracy"), ("log_loss_", "log_loss")):
        low, high = flip[f"{name}difference_interval"]
        assert low <= flip[f"{name}difference"] <= high
        assert flip[f"{name}difference"] == pytest.approx(
            flip[value] - plain[value]
        )
    assert flip["verdict"].endswith(("worth a try.", "leave it out."))


def test_the_evaluation_stays_that_of_plain_images(evaluated):
    _, metrics = evaluated
    recorded = workdir.read_json(RECORDED / workdir.evaluation_name("test"))
    assert metrics["loss"] == pytest.approx(recorded["loss"], abs=1e-4)
    assert metrics["top_1_accuracy"] == recorded["top_1_accuracy"]


def test_all_variants_are_one_look_at_the_test_split(evaluated):
    before, after = (
        workdir.read_json(directory / workdir.TEST_LOOKS)["count"]
        for directory in (RECORDED, Path("run"))
    )
    assert after == before + 1


@pytest.mark.parametrize(
    ("tta", "sizes"),
    [
        ("flip", (32,)),
        # Each network is traced twice.
        pytest.param("flip+scales", (32, 40, 48), marks=pytest.mark.slow),
    ],
)
def test_predict_averages_probabilities_as_by_hand(evaluated, run, tta, sizes):
    loaded = load_run("run")
    answers = workdir.read_table(Path("run", workdir.predictions_name("test")))
    paths = [row["path"] for row in answers[:3]]
    code, out, _ = run("predict", "--workdir=run", f"--tta={tta}", *paths)
    assert code == 0
    probabilities = []
    for size in sizes:
        network = loaded.model
        if size != loaded.image_size:
            network = resize_classifier(network, size)
        images = read_files(paths, (size, size), loaded.image_definition)
        both = np.concatenate([images, images[:, :, ::-1]])
        logits = network.predict_on_batch(both.astype(np.float32))
        probabilities += [softmax(logits[:3], -1), softmax(logits[3:], -1)]
    expected = np.mean(probabilities, axis=0)
    rows = list(csv.DictReader(io.StringIO(out)))
    for row, mean in zip(rows, expected, strict=True):
        assert row["label"] == loaded.class_names[mean.argmax()]
        assert float(row["score"]) == pytest.approx(mean.max(), abs=1e-5)


def test_refused_views_are_one_sentence_and_no_look(run, copied):
    shutil.copytree(RECORDED, "upright", dirs_exist_ok=True)
    config = workdir.read_json("upright/config.json")
    config["data"]["augment"]["horizontal_flip"] = False
    workdir.write_json("upright/config.json", config)
    looks = Path("upright", workdir.TEST_LOOKS).read_bytes()
    image = next(copied.rglob("*.png"), RECORDED / workdir.MODEL)
    for arguments, expected in (
        (["evaluate", "--split=test", "--tta=flip"], "horizontal_flip=False"),
        (["predict", "--tta=flip+scales", image], "horizontal_flip=False"),
        (["evaluate", "--split=test", "--tta=both"], "Unknown --tta 'both'"),
    ):
        command, *rest = arguments
        code, out, err = run(command, "--workdir=upright", *rest)
        assert code == 2
        assert expected in err
        assert err.count("\n") == 1
        assert out == ""
    assert Path("upright", workdir.TEST_LOOKS).read_bytes() == looks
    assert not Path("upright", workdir.views_name("test")).exists()
