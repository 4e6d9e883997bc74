import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tlkeras.evaluation.run import load_run
from tlkeras.exporters.inference import ServedModel, build_served_model
from tlkeras.exporters.signatures import ClassifierModule
from tlkeras.optim.losses import LOSSES


@pytest.fixture(scope="module")
def module(served):
    return ClassifierModule(served)


@pytest.fixture(scope="module")
def signatures(module):
    return module.signatures()


@pytest.fixture(scope="module")
def odd_files(tmp_path_factory, photo_crops):
    """One photo in every encoding, colour mode and an odd size."""
    folder = tmp_path_factory.mktemp("odd")
    photo = Image.fromarray(photo_crops["flower"][0])
    wide = Image.fromarray(np.tile(photo_crops["china"][1], (9, 5, 1)))
    images = {
        "rgb.jpg": photo,
        "grey.jpg": photo.convert("L"),
        "cmyk.jpg": photo.convert("CMYK"),
        "odd.jpg": wide.resize((331, 477)),
        "tiny.jpg": photo.resize((3, 2)),
        "rgb.png": photo,
        "alpha.png": photo.convert("RGBA"),
        "grey.png": photo.convert("L"),
        "palette.gif": photo.convert("P"),
        "rgb.bmp": photo,
        "rgb.webp": photo,
    }
    for name, image in images.items():
        image.save(folder / name)
    return [folder / name for name in images]


def read(paths):
    return tf.constant([path.read_bytes() for path in paths])


def test_bytes_give_what_predict_gives(loaded, signatures, odd_files):
    answers = signatures["serving_default"](read(odd_files))
    predictions = list(loaded.predict(odd_files))
    for row, prediction in enumerate(predictions):
        assert prediction.error == ""
        np.testing.assert_allclose(
            answers["probabilities"][row], prediction.probabilities, atol=1e-5
        )
        assert answers["label"][row].numpy().decode() == prediction.label
        assert answers["score"][row].numpy() == pytest.approx(
            prediction.score, abs=1e-5
        )


def test_outputs_are_merged_and_split_along_dimension_0(signatures, odd_files):
    for name in ("serving_default", "features"):
        whole = signatures[name](read(odd_files))
        first = signatures[name](read(odd_files[:4]))
        second = signatures[name](read(odd_files[4:]))
        for key, value in whole.items():
            assert len(value) == len(odd_files), f"{name}.{key}"
            parts = tf.concat([first[key], second[key]], axis=0).numpy()
            if value.dtype == tf.string:
                assert (parts == value.numpy()).all()
            else:
                np.testing.assert_allclose(parts, value, atol=1e-5)


def test_pixels_give_the_same_answers_as_bytes(signatures, odd_files, served):
    from tlkeras.data.preprocess import decode_image

    size = served.image_size
    images = [decode_image(path.read_bytes(), size, size) for path in odd_files]
    answers = signatures["image"](tf.cast(tf.stack(images), tf.float32))
    expected = signatures["serving_default"](read(odd_files))
    assert answers.keys() == expected.keys()
    np.testing.assert_allclose(
        answers["probabilities"], expected["probabilities"], atol=1e-6
    )


def test_class_names_are_tiled(signatures, odd_files):
    classes = signatures["serving_default"](read(odd_files))["classes"].numpy()
    assert classes.shape == (len(odd_files), 2)
    assert (classes == [b"china", b"flower"]).all()


def test_features_are_the_codes(signatures, odd_files, served):
    from tlkeras.data.preprocess import decode_image

    codes = signatures["features"](read(odd_files[:1]))["features"]
    image = decode_image(odd_files[0].read_bytes(), *(served.image_size,) * 2)
    expected, *_ = served.model(tf.cast(image, tf.float32)[None])
    np.testing.assert_allclose(codes, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("junk", [b"", b"x", b"RIFF1234WAVE", b"GI", b"%PDF-"])
def test_what_is_no_image_is_named_by_its_place(signatures, odd_files, junk):
    good = odd_files[0].read_bytes()
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"(?s)at positions.*\[1 3\]"
    ):
        signatures["serving_default"](tf.constant([good, junk, good, junk]))
    assert len(signatures["serving_default"](tf.constant([good]))["label"]) == 1


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("image", (1, 1, 1)),
        ("image", (1, 64, 64, 3)),
        ("image", (1, 32, 32, 1)),
        ("serving_default", ()),
        ("features", (1, 1)),
    ],
)
def test_another_shape_is_refused(saved, odd_files, name, shape):
    """Servers do not check it; the process must survive it."""
    signatures = saved.signatures
    good = odd_files[0].read_bytes()
    values = tf.zeros(shape) if name == "image" else tf.fill(shape, good)
    key = "image" if name == "image" else "image_bytes"
    with pytest.raises(tf.errors.InvalidArgumentError, match="not compatible"):
        signatures[name](**{key: values})
    answers = signatures["serving_default"](image_bytes=tf.constant([good]))
    assert len(answers["label"]) == 1


def test_a_truncated_jpeg_fails_alone(signatures, odd_files):
    good = odd_files[0].read_bytes()
    with pytest.raises(tf.errors.InvalidArgumentError):
        signatures["serving_default"](tf.constant([good[:60]]))
    assert len(signatures["serving_default"](tf.constant([good]))["label"]) == 1


@pytest.fixture(scope="module")
def kept(truncated):
    """A module that keeps its variables, as that of a large network does."""
    served = build_served_model(load_run(truncated))
    return ClassifierModule(served, max_constant_bytes=0)


@pytest.fixture(scope="module")
def kept_signatures(kept):
    return kept.signatures()


def test_large_networks_keep_their_variables(
    kept, kept_signatures, truncated, odd_files
):
    assert not kept.is_frozen
    served = build_served_model(load_run(truncated))
    assert len(kept.variables) == len(served.model.weights)
    frozen = ClassifierModule(served)
    assert frozen.is_frozen
    np.testing.assert_allclose(
        kept_signatures["serving_default"](read(odd_files))["probabilities"],
        frozen.signatures()["serving_default"](read(odd_files))[
            "probabilities"
        ],
        atol=1e-5,
    )


def test_large_networks_survive_saving(
    kept, kept_signatures, odd_files, tmp_path
):
    tf.saved_model.save(kept, str(tmp_path / "1"), signatures=kept_signatures)
    loaded = tf.saved_model.load(str(tmp_path / "1"))
    np.testing.assert_allclose(
        loaded.signatures["serving_default"](image_bytes=read(odd_files))[
            "probabilities"
        ],
        kept_signatures["serving_default"](read(odd_files))["probabilities"],
        atol=1e-5,
    )


def test_several_labels_are_sorted_and_padded():
    """Logits are the first three pixels' red values, shifted."""
    images = keras.Input((4, 4, 3))
    flat = keras.layers.Flatten()(images)
    logits = keras.layers.Dense(3, name="logits")
    served = ServedModel(
        keras.Model(images, [flat, logits(flat)]),
        ("a", "b", "c"),
        LOSSES["binary"],
        4,
    )
    kernel = np.zeros((48, 3), np.float32)
    kernel[[0, 3, 6], [0, 1, 2]] = 1.0
    logits.set_weights([kernel, np.full(3, -100, np.float32)])
    pixels = np.zeros((2, 4, 4, 3), np.float32)
    pixels[0, 0, :3, 0] = [101, 0, 102]
    answers = ClassifierModule(served).signatures()["image"](
        tf.constant(pixels)
    )
    assert answers["labels"].numpy().tolist() == [[b"c", b"a", b""], [b""] * 3]
    np.testing.assert_allclose(
        answers["scores"][0],
        1 / (1 + np.exp([-2.0, -1.0, 100.0])),
        atol=1e-6,
    )
    assert answers["probabilities"].shape == (2, 3)
    assert "label" not in answers
