"""What the page and the card say of runs of every kind."""

import html.parser
import re
import shutil

import pytest
import yaml

from tlkeras import workdir
from tlkeras.report.page import write_report
from tlkeras.tuning.page.lines import format_trials
from tlkeras.tuning.trials.outcome import TrialOutcome

ALWAYS = ("result", "training", "classes", "data", "checks", "again")


class Page(html.parser.HTMLParser):
    """Collects what would reach out or run, the text, and the sections."""

    VOID = ("meta", "link", "img", "br", "path", "polygon", "circle", "use")

    def __init__(self, text):
        super().__init__()
        self.links, self.tags, self.sections, self.words = [], [], [], []
        self.unclosed = []
        self.images = 0
        self.feed(text)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.handle_endtag(tag)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag not in self.VOID:
            self.unclosed.append(tag)
        values = dict(attributes)
        self.images += tag == "img"
        if tag == "section":
            self.sections.append(values["id"])
        for name, value in attributes:
            assert not name.startswith("on"), (tag, name)
            if name in ("href", "src", "xlink:href") and not value.startswith(
                ("data:", "#")
            ):
                self.links.append(value)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.unclosed.pop() == tag

    def handle_data(self, data):
        if not self.unclosed or self.unclosed[-1] != "style":
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def read(directory):
    return Page((directory / workdir.REPORT).read_text("utf-8"))


def card(directory):
    """Returns the header and the body of the model card."""
    text = (directory / workdir.MODEL_CARD).read_text("utf-8")
    _, header, body = text.split("---\n", 2)
    return yaml.safe_load(header), body


def test_every_page_is_self_contained_and_small(case):
    _, directory = case
    page = read(directory)
    assert not page.links
    assert not page.unclosed
    assert not {"script", "iframe", "object"} & set(page.tags)
    assert (directory / workdir.REPORT).stat().st_size < 5_000_000
    assert set(ALWAYS) <= set(page.sections)


def test_every_card_has_a_header_that_states_the_result(case):
    name, directory = case
    header, body = card(directory)
    result = workdir.read_json(directory / workdir.RESULT)
    (index,) = header["model-index"]
    splits = [row["dataset"]["split"] for row in index["results"]]
    assert splits == ["validation", "test"][: 1 + (name != "no test split")]
    values = index["results"][0]["metrics"][0]
    metric = (
        "mean_average_precision" if result["multi_label"] else "top_1_accuracy"
    )
    assert values["value"] == pytest.approx(result[f"val/{metric}"], abs=1e-6)
    assert header["library_name"] == "keras"
    assert "license" not in header
    assert f"with {len(result['class_names'])} classes" in body


def test_names_that_are_markup_stay_text(reported):
    directory = reported("markup")
    page = read(directory)
    source = (directory / workdir.REPORT).read_text("utf-8")
    for name in workdir.read_json(directory / workdir.RESULT)["class_names"]:
        assert " ".join(name.split()) in page.text, name
    assert "alert(1)</script>" not in source
    assert "<img src=x" not in source
    assert "onnx> is not installed" in page.text
    assert "{{ 7 * 7 }}" in page.text


def test_names_that_are_markup_keep_the_cards_tables_whole(reported):
    _, body = card(reported("markup"))
    tables = [line for line in body.splitlines() if line.startswith("| ")]
    pipes = [len(re.findall(r"(?<!\\)\|", line)) for line in tables]
    assert tables
    for line, count in zip(tables, pipes, strict=True):
        assert count in (4, 5, 6, 7), line
    assert "<script>" not in body.split("```bash")[0]


def test_many_classes_get_pairs_instead_of_a_matrix(reported):
    page = read(reported("thousand classes"))
    assert "matrix of 1000 classes is too large" in page.text
    assert "all in evaluation_test.json" in page.text
    assert re.search(r"\d{3} further classes", page.text)
    assert page.tags.count("tr") < 150


def test_few_classes_get_a_matrix(reported):
    page = read(reported("two classes"))
    assert "rows are the true class" in page.text
    assert "too large" not in page.text


def test_what_other_commands_left_is_shown(reported):
    page = read(reported("two classes"))
    text = page.text
    for part in (
        "--config.phases.fine_tune.weight_decay=0.01",
        "1 fail",
        "valley (used)",
        "lr: 1.000000e-01, decay: 1.000000e-05, (1 / 4) <-- best",
        "Differences below 0.0160 are noise",
        "refused",
    ):
        assert part in text, part
    assert text.index("warning overfitting") < text.index("info overfitting")
    assert {"diagnosis", "finder", "tuning", "export"} <= set(page.sections)


def test_the_lines_of_trials_are_those_of_the_search(reported):
    directory = reported("two classes")
    result = workdir.read_json(directory / workdir.TUNING)
    trials = [TrialOutcome.from_dict(row) for row in result["trials"]]
    lines = format_trials(trials, result["best"], result["space"]).splitlines()
    page = read(directory)
    _, body = card(directory)
    for line in lines[:3]:
        assert " ".join(line.split()) in page.text
        assert line in body
    assert "val_acc: diverged" not in page.text
    assert page.text.count("<-- best") == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"space": {"a.learning_rate": "nonsense", "a.decay": "1:2:cubic"}},
        {"space": {}},
        {"noise_floor": None, "best": 3},
        {"trials": []},
        {"later": 1},
    ],
    ids=str,
)
def test_an_odd_search_does_not_stop_the_report(reported, tmp_path, changes):
    run = tmp_path / "run"
    shutil.copytree(reported("two classes"), run)
    result = workdir.read_json(run / workdir.TUNING)
    result["trials"][0]["later"] = 1
    workdir.write_json(run / workdir.TUNING, {**result, **changes})
    write_report(run)
    assert ("tuning" in read(run).sections) == ("trials" not in changes)


def test_a_search_of_an_older_version_is_left_out(reported, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(reported("two classes"), run)
    result = workdir.read_json(run / workdir.TUNING)
    del result["space"]
    workdir.write_json(run / workdir.TUNING, result)
    write_report(run)
    assert "tuning" not in read(run).sections


def test_runs_without_those_files_lack_the_sections(reported):
    page = read(reported("one epoch"))
    assert not {"diagnosis", "finder", "tuning", "export"} & set(page.sections)
    assert "The checks were switched off." in page.text


def test_one_epoch_is_shown_as_points(reported):
    assert "curves" in read(reported("one epoch")).sections
    assert "One epoch only" in read(reported("solved only")).text


def test_a_diverged_run_says_so(reported):
    page = read(reported("diverged"))
    assert "diverged" in page.text
    assert page.text.count("the loss passed 3 times its first value") == 2
    assert "not finite" in page.text
    # Codes that are not finite have no picture, and break nothing.
    assert "codes" not in page.sections


def test_a_run_without_a_test_split_says_so(reported):
    page = read(reported("no test split"))
    assert "There is no figure on a test split" in page.text
    assert "looks at the test split" not in page.text


def test_several_labels_have_an_interval_and_no_matrix(reported):
    page = read(reported("several labels"))
    assert "confusion" not in page.sections
    assert "An image's own average precision" in page.text
    assert "none of the image's" in page.text
    assert "several labels" in page.text


def test_missing_images_leave_empty_places_and_one_sentence(reported):
    page = read(reported("missing images"))
    assert "no longer where they were: their places are empty." in page.text
    assert page.text.count("no file") > 1
    shown = read(reported("two classes"))
    assert "no longer" not in shown.text
    # The pictures of the first page are those of the filters.
    assert shown.images > page.images


def test_solved_runs_have_no_curves_without_rows(reported):
    assert "curves" not in read(reported("no history")).sections


def test_older_runs_lack_what_needs_newer_files(reported):
    page = read(reported("older"))
    assert not {"codes", "filters", "mistakes", "calibration"} & set(
        page.sections
    )
    assert "confusion" in page.sections


def test_the_folder_and_the_header_can_be_chosen(reported, tmp_path):
    directory = reported("two classes")
    before = (directory / workdir.MODEL_CARD).read_text("utf-8")
    page = write_report(
        directory,
        output=tmp_path / "new" / "folder",
        card={"license": "cc-by-4.0", "language": "de"},
    )
    assert page == tmp_path / "new" / "folder" / workdir.REPORT
    header, body = card(page.parent)
    assert (header["license"], header["language"]) == ("cc-by-4.0", "de")
    assert "No licence" not in body
    assert (directory / workdir.MODEL_CARD).read_text("utf-8") == before


def test_the_same_run_gives_the_same_page(reported, tmp_path):
    directory = reported("several labels")
    again = write_report(directory, output=tmp_path)
    assert again.read_text("utf-8") == (directory / workdir.REPORT).read_text(
        "utf-8"
    )


def test_hubs_read_the_card(reported):
    hub = pytest.importorskip(
        "huggingface_hub", reason="huggingface-hub is not installed"
    )
    found = hub.ModelCard.load(reported("markup") / workdir.MODEL_CARD).data
    metrics = workdir.read_json(
        reported("markup") / workdir.evaluation_name("test")
    )
    (test,) = [
        result
        for result in found.eval_results
        if result.dataset_split == "test" and result.metric_type == "accuracy"
    ]
    assert test.metric_value == pytest.approx(
        metrics["top_1_accuracy"], abs=1e-6
    )
    assert found.pipeline_tag == "image-classification"
