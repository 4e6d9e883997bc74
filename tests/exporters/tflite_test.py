import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from tlkeras.exporters.runners import TfliteRunner
from tlkeras.exporters.tflite import USUAL_KINDS
from tlkeras.exporters.tflite_metadata import read_labels


@pytest.fixture(params=USUAL_KINDS)
def path(exported, request):
    return exported / "tflite" / "1" / f"{request.param}.tflite"


def test_built_in_operators_suffice(path):
    operators = TfliteRunner(path).operators()
    assert "CONV_2D" in operators
    assert not [name for name in operators if name.startswith("Flex")]
    assert "CUSTOM" not in operators


def test_pixels_go_in_as_they_are(path):
    interpreter = Interpreter(str(path))
    (taken,) = interpreter.get_input_details()
    (given,) = interpreter.get_output_details()
    assert (taken["name"], given["name"]) == ("image", "probabilities")
    assert taken["shape"].tolist() == [1, 32, 32, 3]
    assert given["shape"].tolist() == [1, 2]
    if path.stem == "int8":
        assert taken["dtype"] == given["dtype"] == np.uint8
        scale, zero_point = taken["quantization"]
        assert scale == pytest.approx(1.0, abs=1e-6)
        assert zero_point == 0
    else:
        assert taken["dtype"] == given["dtype"] == np.float32


def test_labels_are_in_the_file(path):
    assert read_labels(path.read_bytes()) == ["china", "flower"]


def test_smaller_kinds_are_smaller(exported):
    folder = exported / "tflite" / "1"
    size = {
        kind: (folder / f"{kind}.tflite").stat().st_size for kind in USUAL_KINDS
    }
    assert size["float16"] < 0.6 * size["float32"]
    assert size["dynamic"] < 0.5 * size["float32"]
    assert size["int8"] < 0.5 * size["float32"]


@pytest.mark.parametrize("kind", ["float32", "int8"])
def test_mediapipe_gives_the_same_label(exported, kind, photo_crops):
    vision = pytest.importorskip(
        "mediapipe.tasks.python.vision",
        reason="the extra mediapipe is not installed",
    )
    import mediapipe
    from mediapipe.tasks.python import BaseOptions

    path = exported / "tflite" / "1" / f"{kind}.tflite"
    runner = TfliteRunner(path)
    options = vision.ImageClassifierOptions(
        base_options=BaseOptions(model_asset_path=str(path))
    )
    with vision.ImageClassifier.create_from_options(options) as classifier:
        for name, crops in photo_crops.items():
            # Its size already, so that MediaPipe has nothing to resize.
            image = np.ascontiguousarray(crops[0, :32, :32])
            scores = runner.run([], image[None])[0]
            answer = classifier.classify(
                mediapipe.Image(
                    image_format=mediapipe.ImageFormat.SRGB, data=image
                )
            ).classifications[0]
            best = answer.categories[0]
            assert best.category_name == ["china", "flower"][scores.argmax()]
            assert best.score == pytest.approx(scores.max(), abs=0.01), name
