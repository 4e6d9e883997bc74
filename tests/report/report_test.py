import keras
import numpy as np
import pytest

from tlkeras import load_run, workdir, write_report
from tlkeras.errors import InputError
from tlkeras.evaluation.records import RunResult
from tlkeras.models.graph import topological_layers
from tlkeras.report.text import format_result


def test_the_page_says_what_happened(real):
    page = (real / workdir.REPORT).read_text("utf-8")
    for part in (
        "linear_probe",
        "fine_tune",
        "&lt;b&gt;china",
        "&lt;script&gt;.jpg",
        "not a JPEG",
        "initial_loss",
        "--config.model.alpha=0.25",
        "Looks at the test split so far: 1",
        "t-SNE of the 128 numbers",
    ):
        assert part in page, part
    assert "<b>china" not in page


def test_the_codes_left_behind_give_the_answers_of_the_run(real):
    run = load_run(real)
    kernel, bias = run.model.get_layer("logits").get_weights()
    with np.load(real / workdir.CODES) as stored:
        logits = stored["codes"].astype(np.float32) @ kernel + bias
        labels = stored["labels"].tolist()
    rows = workdir.read_table(real / workdir.predictions_name("validation"))
    answers = [run.class_names[best] for best in logits.argmax(-1)]
    assert answers == [row["predicted"] for row in rows]
    assert labels == [row["label"] for row in rows]


def test_the_filters_left_behind_are_those_of_the_weights(real):
    run = load_run(real)
    (backbone,) = [x for x in run.model.layers if isinstance(x, keras.Model)]
    kernel = next(
        weight
        for layer in topological_layers(backbone)
        for weight in layer.weights
    )
    with np.load(real / workdir.FILTERS) as stored:
        np.testing.assert_array_equal(stored["after"], kernel)
        assert stored["before"].shape == stored["after"].shape


def test_tensorboard_gets_the_pictures_once(real):
    from tensorboard.backend.event_processing.event_accumulator import (
        EventAccumulator,
    )

    for _ in range(2):
        write_report(real)
        events = EventAccumulator(str(real / "tensorboard" / "report"))
        events.Reload()
        tags = events.Tags()["images"]
        assert set(tags) == {
            "confusion_test",
            "first_layer_filters",
            "codes_validation",
        }
        for tag in tags:
            (image,) = events.Images(tag)
            assert image.width > 100
            assert image.encoded_image_string.startswith(b"\x89PNG")


def test_the_last_lines_say_which_phase_is_kept(real):
    stored = workdir.read_json(real / workdir.RESULT)
    result = RunResult.from_dict(stored)
    text = format_result(result, real)
    kept = [line for line in text.splitlines() if line.endswith("<- kept")]
    assert len(kept) == 1
    assert kept[0].startswith(result.best_phase)


def test_a_directory_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="is no run directory"):
        write_report(tmp_path)


def test_a_run_of_a_newer_version_is_refused(real, tmp_path):
    values = workdir.read_json(real / workdir.CONFIG)
    workdir.write_json(
        tmp_path / workdir.CONFIG, {**values, "format_version": 99}
    )
    with pytest.raises(InputError, match="written by a newer tlkeras"):
        write_report(tmp_path)


def test_a_run_that_is_not_finished_is_refused(real, tmp_path):
    values = workdir.read_json(real / workdir.CONFIG)
    workdir.write_json(tmp_path / workdir.CONFIG, values)
    with pytest.raises(InputError, match="is not finished"):
        write_report(tmp_path)


def test_a_run_without_its_evaluation_is_refused(real, tmp_path):
    for name in (workdir.CONFIG, workdir.RESULT):
        (tmp_path / name).write_bytes((real / name).read_bytes())
    with pytest.raises(InputError, match=r"lacks evaluation_validation.json"):
        write_report(tmp_path)


def test_a_folder_that_cannot_be_written_is_refused(real, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"report folder .* cannot be"):
        write_report(real, output=tmp_path / "file" / "folder")
