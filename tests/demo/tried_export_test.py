"""An exported model on the page: what is served is what is tried."""

import numpy as np
import pytest

from tlkeras.demo.tried_export import TriedExport
from tlkeras.errors import InputError
from tlkeras.evaluation.light_run import load_lightest
from tlkeras.exporters import parity
from tlkeras.exporters.export import export_run
from tlkeras.exporters.settings import ExportSettings


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    """An export folder with a SavedModel and a LiteRT file."""
    output = tmp_path_factory.mktemp("export") / "photos"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity, "LATENCY_RUNS", 2)
        settings = ExportSettings(formats=("saved_model", "float32"))
        export_run(trained, output, settings)
    return output


@pytest.fixture(scope="module")
def subjects(exported):
    """What --model may name, loaded."""
    places = {
        "folder": exported,
        "version": exported / "1",
        "tflite": exported / "tflite" / "1" / "float32.tflite",
    }
    return {name: TriedExport(path) for name, path in places.items()}


@pytest.mark.parametrize("place", ["folder", "version", "tflite"])
def test_it_answers_as_the_run_does(
    subjects, trained, serve, photo_folder, place
):
    subject = subjects[place]
    path = photo_folder / "flower" / "05.jpg"
    (expected,) = load_lightest(trained).predict(path)
    page = serve(subject)
    code, answer = page.post("/api/try", path.read_bytes())
    assert (code, answer["label"]) == (200, expected.label)
    np.testing.assert_allclose(
        answer["scores"], expected.probabilities, atol=1e-4
    )
    assert subject.class_names == ("china", "flower")
    # It has neither the training images nor a review.
    found = page.get(f"/api/similar?token={answer['token']}")
    assert "its run has: tlkeras demo --workdir=RUN" in found["note"]
    assert b"Review" not in page.ask("GET", "/")[2]
    assert page.ask("GET", "/image?digest=x")[0] == 404
    for ask in (
        page.ask("GET", "/api/review"),
        page.ask("POST", "/api/undo", b""),
    ):
        assert ask[0] == 404


def test_the_map_is_that_of_the_signature(subjects, photo_folder):
    path = str(photo_folder / "flower" / "05.jpg")
    subject = subjects["folder"]
    seen = subject.see(path)
    assert seen.heat_map.scores.shape[-1] == 2
    np.testing.assert_allclose(seen.heat_map.scores.sum(-1), 1, atol=1e-5)
    assert seen.heat_map.image_size == (64, 48)
    with pytest.raises(InputError, match="gives no heat map"):
        subjects["tflite"].see(path)


@pytest.mark.parametrize("place", ["folder", "tflite"])
def test_what_is_no_image_is_one_sentence(subjects, serve, place):
    code, answer = serve(subjects[place]).post("/api/try", b"junk")
    assert code == 400
    assert "cannot be tried: not a JPEG" in answer["error"]


@pytest.mark.parametrize("name", ["none", "junk.tflite", "gone.tflite", "1"])
def test_what_is_no_exported_model_is_refused(tmp_path, name):
    (tmp_path / "none").mkdir()
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"junk")
    (tmp_path / "junk.tflite").write_bytes(b"junk" * 100)
    with pytest.raises(InputError, match=r"is no exported model .* --model"):
        TriedExport(tmp_path / name)
