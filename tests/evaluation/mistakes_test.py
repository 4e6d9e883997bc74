import numpy as np
import pytest

from tlkeras import workdir
from tlkeras.data.dataset import Split
from tlkeras.errors import InputError
from tlkeras.evaluation.evaluate import evaluate_split
from tlkeras.evaluation.mistakes import (
    NUM_SUREST,
    find_mistakes,
    has_maps,
    read_mistake_maps,
    write_mistake_maps,
)
from tlkeras.models.dense import build_dense
from tlkeras.optim.losses import LOSSES, compute_probabilities

NAMES = ("a", "b", "c")


@pytest.fixture
def evaluated(tmp_path, photo_folder):
    """Returns what writes the maps of a split of wrong answers."""
    from tlkeras.models.classifier import build_classifier

    built = build_classifier(
        "MobileNet",
        class_names=NAMES,
        weights="none",
        image_size=64,
        alpha=0.25,
        features_from="conv_pw_6_relu",
    )
    paths = tuple(map(str, sorted(photo_folder.rglob("*.jpg"))[:30]))
    targets = np.eye(3, dtype=np.float32)[np.arange(30) % 3]
    examples = Split(paths, targets, ("",) * 30)

    def write(logits, model=built.model):
        evaluate_split(
            tmp_path,
            "validation",
            examples,
            lambda: logits,
            loss=LOSSES["softmax"],
            class_names=NAMES,
            bootstrap_samples=10,
            calibration_bins=5,
            command="train",
        )
        write_mistake_maps(
            tmp_path,
            "validation",
            examples,
            model=model,
            loss=LOSSES["softmax"],
            class_names=NAMES,
        )
        return read_mistake_maps(tmp_path, "validation")

    return write, examples, built


def test_the_surest_mistakes_have_the_map_of_their_answer(evaluated, tmp_path):
    from tlkeras.data.preprocess import decode_image

    write, _, built = evaluated
    rng = np.random.default_rng(0)
    maps = write(rng.normal(size=(30, 3)).astype(np.float32))
    answers = workdir.read_table(
        tmp_path / workdir.predictions_name("validation")
    )
    wrong = find_mistakes(answers)
    assert list(maps) == [item.path for item in wrong[:NUM_SUREST]]
    first = wrong[0]
    with open(first.path, "rb") as file:
        pixels = decode_image(file.read(), 64, 64)
    cells = build_dense(built.model).model(np.asarray(pixels)[None])
    scores = compute_probabilities(np.asarray(cells), LOSSES["softmax"])
    heat = maps[first.path]
    np.testing.assert_allclose(
        heat.scores[..., 0],
        scores[0, ..., NAMES.index(first.predicted)],
        atol=1e-3,
    )
    assert heat.image_size == (64, 48)
    assert heat.area == (0, 0, 64, 48)


def test_maps_of_an_earlier_evaluation_go(evaluated, tmp_path):
    write, examples, _ = evaluated
    assert write(-examples.targets)
    assert has_maps(tmp_path, "validation")
    path = tmp_path / workdir.mistake_maps_name("validation")
    earlier = path.read_bytes()
    assert not write(examples.targets)  # nothing is wrong
    assert has_maps(tmp_path, "validation")
    path.write_bytes(earlier)
    assert not has_maps(tmp_path, "validation")
    path.unlink()
    assert not has_maps(tmp_path, "validation")


def test_a_head_of_one_cell_has_no_maps(evaluated):
    from tlkeras.models.classifier import build_classifier

    write, examples, _ = evaluated
    small = build_classifier(
        "MobileNet",
        class_names=NAMES,
        weights="none",
        image_size=32,
        alpha=0.25,
    )
    assert not write(-examples.targets, small.model)


def test_damaged_maps_are_one_sentence(tmp_path):
    (tmp_path / workdir.mistake_maps_name("test")).write_bytes(b"PK")
    with pytest.raises(InputError, match="corrupt"):
        read_mistake_maps(tmp_path, "test")
