"""A run on the page: the same answers, and where they come from."""

import io
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tlkeras.config.run_directory import read_config
from tlkeras.console import Console
from tlkeras.data.load import load_configured
from tlkeras.demo.tried_run import TriedRun
from tlkeras.errors import InputError
from tlkeras.evaluation.light_run import load_lightest

WITHOUT_TENSORFLOW = """
import json, sys
from pathlib import Path
for name in ("tensorflow", "keras"):
    sys.modules[name] = None  # an import fails
from tlkeras.console import Console
from tlkeras.demo.review_session import ReviewSession
from tlkeras.demo.routes import DemoApp
from tlkeras.demo.tried_run import TriedRun
directory, console = Path(sys.argv[1]), Console(quiet=True)
subject = TriedRun(directory, console)
app = DemoApp(subject, ReviewSession(directory, subject, console))
app.get("/", {})
cards = json.loads(app.get("/api/review", {}).content)["cards"]
image = app.get("/image", {"digest": cards[0]["image"]["digest"]})
assert image.kind == "image/jpeg"
print(app.post("/api/try", Path(sys.argv[2]).read_bytes()).content.decode())
"""


@pytest.fixture(scope="module")
def subject(trained):
    return TriedRun(trained, Console(quiet=True))


def jpeg(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()


def test_the_answer_is_that_of_predict(shared, doubted, photo_folder):
    paths = [str(p) for p in sorted(photo_folder.glob("*/*.jpg"))[::16]]
    for path, expected in zip(
        paths, load_lightest(doubted).predict(paths), strict=True
    ):
        with open(path, "rb") as file:
            code, answer = shared.post("/api/try", file.read())
        assert code == 200
        assert answer["label"] == expected.label
        assert answer["score"] == expected.score
        assert answer["scores"] == list(expected.probabilities)


def test_label_and_review_need_neither_tensorflow_nor_keras(
    doubted, photo_folder
):
    path = photo_folder / "china" / "00.jpg"
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW, str(doubted), str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (expected,) = load_lightest(doubted).predict(path)
    assert json.loads(done.stdout)["score"] == expected.score


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (b"", 400, "The file is empty"),
        (b"GIF89a but not really", 400, "cannot be tried"),
        (b"\xff\xd8\xff\xe0 cut short", 400, "cannot be tried"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 400, "not a JPEG"),
    ],
)
def test_what_is_no_image_is_one_sentence(shared, content, code, message):
    found, answer = shared.post("/api/try", content)
    assert found == code
    assert message in answer["error"]
    assert answer["error"].count("expected") == 1


def test_an_image_of_too_many_pixels_is_too_large(run, serve_run):
    path = run / "config.json"
    values = json.loads(path.read_text())
    values["data"]["max_pixels"] = 1000
    path.write_text(json.dumps(values))
    code, answer = serve_run(run).post(
        "/api/try", jpeg(np.zeros((40, 50, 3), np.uint8))
    )
    assert code == 413
    assert "too large: 50x40 pixels" in answer["error"]


def test_the_map_lies_over_the_image(shared, photo):
    _, answer = shared.post("/api/try", photo)
    url = f"/api/map?token={answer['token']}&label="
    first, second = (shared.get(url + n) for n in ("china", "flower"))
    assert first["image"].startswith("data:image/jpeg;base64,")
    assert first["image"] != second["image"]
    assert 0 <= first["peak"] <= 1
    assert shared.ask("GET", f"{url}dog")[0] == 400


def test_a_training_image_is_its_own_nearest(subject, trained):
    train = load_configured(read_config(trained), trained).splits["train"]
    for row in (0, len(train) - 1):
        nearest, *others = subject.find_similar(train.paths[row])
        assert nearest.digest == train.digests[row]
        assert nearest.similarity == pytest.approx(1, abs=1e-4)
        names = ("china", "flower")
        assert nearest.labels == names[train.targets[row].argmax()]
        assert len(others) == 4
        falling = [image.similarity for image in (nearest, *others)]
        assert falling == sorted(falling, reverse=True)


def test_without_its_images_a_run_still_answers(
    trained, source, tmp_path, photo, serve_run
):
    shutil.copytree(trained, tmp_path / "run")
    path = tmp_path / "run" / "config.json"
    path.write_text(path.read_text().replace(str(source), "/gone/photos"))
    page = serve_run(tmp_path / "run")
    code, answer = page.post("/api/try", photo)
    assert (code, answer["label"]) == (200, "china")
    token = f"token={answer['token']}"
    assert "image" in page.get(f"/api/map?{token}&label=china")
    assert "/gone/photos" in page.get(f"/api/similar?{token}")["note"]
    assert "/gone/photos" in page.get("/api/review")["note"]
    assert page.ask("GET", "/image?digest=x")[0] == 400


def test_a_damaged_image_has_no_map(subject, tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"rubbish")
    for ask in (subject.see, subject.find_similar):
        with pytest.raises(InputError, match="expected a whole one"):
            ask(str(path))
