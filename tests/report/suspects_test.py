import types

import pytest
from PIL import Image

from tlkeras import workdir
from tlkeras.config import get_config
from tlkeras.errors import InputError
from tlkeras.pages import make_environment
from tlkeras.report.run_files import read_suspects
from tlkeras.report.suspects import build_suspects


def show(directory):
    path = directory / workdir.SUSPECT_LABELS
    files = types.SimpleNamespace(
        suspects=read_suspects(path), config=get_config()
    )
    data = build_suspects(files)
    template = make_environment("tlkeras.report").get_template(
        "sections/suspects.html"
    )
    return data, data and template.render(data=data)


def test_labels_in_doubt_are_shown_with_their_images(tmp_path):
    Image.new("RGB", (40, 30), "red").save(tmp_path / "a.png")
    rows = [
        {"path": str(tmp_path / name), "given": "<hat>", "likely": "shoe"}
        for name in ("a.png", "gone.png")
    ]
    workdir.write_table(
        tmp_path / workdir.SUSPECT_LABELS,
        ["path", "given", "likely", "confidence"],
        [{**row, "confidence": 0.93} for row in rows],
    )
    data, page = show(tmp_path)
    assert (data["num_suspects"], data["num_missing"]) == (2, 1)
    assert page.count("data:image/jpeg") == 1
    assert "2 labels of training and validation are in doubt" in page
    assert "93 %, labelled &lt;hat&gt;" in page
    assert "1 of the image files are no longer" in page


def test_a_run_that_was_not_checked_has_no_section(tmp_path):
    assert show(tmp_path) == (None, None)


def test_no_doubts_are_said(tmp_path):
    (tmp_path / workdir.SUSPECT_LABELS).write_text(
        "path,given,likely,confidence\n"
    )
    assert "No label" in show(tmp_path)[1]


def test_a_damaged_table_is_one_sentence(tmp_path):
    (tmp_path / workdir.SUSPECT_LABELS).write_text("path,given\na,b\n")
    with pytest.raises(InputError, match="corrupt"):
        show(tmp_path)
