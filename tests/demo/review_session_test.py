"""The review of a run: its cards, its file, and the next run."""

import json
import shutil

import pytest
from PIL import Image

from tlkeras import workdir
from tlkeras.config.run_directory import read_config
from tlkeras.console import Console
from tlkeras.data.load import load_configured
from tlkeras.data.review_file import (
    ReviewDecision,
    append_decision,
    read_decisions,
)
from tlkeras.studies.doubts import write_doubts
from tlkeras.training.trainer import train_and_evaluate


def labels_of(dataset):
    """Digest -> (split, place of its class) of all images."""
    return {
        digest: (name, int(target.argmax()))
        for name, split in dataset.splits.items()
        for digest, target in zip(split.digests, split.targets, strict=True)
    }


def test_cards_come_kind_by_kind_and_each_image_once(run, open_session):
    told = open_session(run).describe()
    kinds = [card["kind"] for card in told["cards"]]
    assert kinds[:4] == ["label"] * 3 + ["copy"]
    assert set(kinds[4:]) <= {"mistake"}
    digests = [card["image"]["digest"] for card in told["cards"]]
    assert len(set(digests)) == len(digests)
    copy = told["cards"][3]
    # The one that is learnt from is decided about.
    assert (copy["image"]["split"], copy["copy"]["split"]) == (
        "train",
        "validation",
    )
    assert told["cards"][0]["choices"] == ("china", "flower")
    assert not told["searching"]


def test_decisions_outlive_the_session(run, page, open_session):
    first, second, third = (
        card["image"]["digest"] for card in page.get("/api/review")["cards"][:3]
    )
    for value in (
        {"digest": first, "decision": "relabel", "label": "flower"},
        {"digest": second, "decision": "bad"},
        {"digest": third, "decision": "skip"},
    ):
        assert page.post("/api/decide", value)[0] == 200
    assert page.post("/api/undo") == (200, {"digest": third})
    assert page.post("/api/undo") == (200, {"digest": second})
    assert open_session(run).describe()["decided"] == {
        first: {"decision": "relabel", "label": "flower"}
    }
    decisions = [row.decision for row in read_decisions(run / workdir.REVIEW)]
    assert decisions == ["relabel", "bad", "skip", "undo", "undo"]
    assert page.post("/api/undo")[0] == 200
    assert page.post("/api/undo") == (
        400,
        {"error": "There is nothing to undo."},
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"digest": "f" * 32, "decision": "bad"}, "none of the run's"),
        ({"decision": "burn"}, "'burn' is no decision"),
        ({"decision": "undo"}, "'undo' is no decision"),
        ({"decision": "relabel", "label": "dog"}, "'dog' is no class"),
        ({"decision": "relabel"}, "'' is no class"),
        ({"decision": "bad", "label": "dog"}, "'dog' is no class"),
    ],
)
def test_what_is_no_decision_is_not_written(run, page, value, message):
    digest = page.get("/api/review")["cards"][0]["image"]["digest"]
    code, answer = page.post("/api/decide", {"digest": digest, **value})
    assert code == 400
    assert message in answer["error"]
    assert not (run / workdir.REVIEW).exists()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("f" * 32, "bad", ""), "names none of the images"),
        (("", "relabel", "dog"), "has the class 'dog'"),
    ],
)
def test_a_review_of_other_images_is_said_on_the_page(run, page, row, message):
    digest, decision, label = row
    digest = digest or page.get("/api/review")["cards"][0]["image"]["digest"]
    append_decision(
        run / workdir.REVIEW, ReviewDecision(digest, "a", "", decision, label)
    )
    assert message in page.get("/api/review")["note"]
    before = (run / workdir.REVIEW).read_bytes()
    image = workdir.read_table(run / workdir.SPLIT)[0]["digest"]
    value = {"digest": image, "decision": "bad"}
    code, answer = page.post("/api/decide", value)
    assert (code, message in answer["error"]) == (400, True)
    assert (run / workdir.REVIEW).read_bytes() == before


def test_the_next_run_honours_the_review_and_its_own_goes_on(
    run, page, tmp_path, serve_run
):
    cards = page.get("/api/review")["cards"]
    relabelled, doubled = (cards[row]["image"]["digest"] for row in (0, 3))
    other = {"china": "flower", "flower": "china"}[cards[0]["image"]["labels"]]
    for value in (
        {"digest": relabelled, "decision": "relabel", "label": other},
        {"digest": doubled, "decision": "duplicate"},
    ):
        page.post("/api/decide", value)
    before = load_configured(read_config(run), run)
    config = read_config(run)
    config.data.review_file = str(run / workdir.REVIEW)
    directory = tmp_path / "next"
    train_and_evaluate(config, directory, console=Console(quiet=True))
    after = load_configured(config, directory)
    expected = labels_of(before)
    split, label = expected[relabelled]
    expected[relabelled] = (split, 1 - label)
    del expected[doubled]
    assert labels_of(after) == expected
    ledger = json.loads((directory / workdir.LEDGER).read_text())
    assert [row[2] for row in ledger["relabelled"]] == [other]
    # What is decided later changes nothing in a run that has begun.
    page.post("/api/decide", {"digest": relabelled, "decision": "bad"})
    assert labels_of(load_configured(config, directory)) == expected
    # Its own review begins with what it honours, which stays.
    later = serve_run(directory)
    (directory / workdir.NEAR_DUPLICATES).touch()
    assert set(later.get("/api/review")["decided"]) == {relabelled, doubled}
    assert later.post("/api/undo")[0] == 400
    digest = after.splits["train"].digests[-1]
    later.post("/api/decide", {"digest": digest, "decision": "bad"})
    rows = read_decisions(directory / workdir.REVIEW)
    assert [row.digest for row in rows] == [relabelled, doubled, digest]
    assert later.post("/api/undo") == (200, {"digest": digest})


def test_doubts_are_looked_for_where_no_check_did(
    trained, tmp_path, open_session
):
    shutil.copytree(trained, tmp_path / "run")
    session = open_session(tmp_path / "run")
    assert session.describe()["searching"]
    session._search.join()
    told = session.describe()
    assert (told["searching"], told["problem"]) == (False, "")
    assert (tmp_path / "run" / workdir.NEAR_DUPLICATES).exists()
    assert not open_session(tmp_path / "run").describe()["searching"]


def test_a_planted_copy_is_found_and_the_test_split_left_alone(
    trained, tmp_path, source
):
    root = tmp_path / "photos"
    for number, split in enumerate(("train", "validation", "test")):
        for path in sorted(source.glob("*/*.jpg"))[number::3]:
            folder = root / split / path.parent.name
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder)
    original = next((root / "train" / "china").iterdir())
    copy = root / "validation" / "china" / "copy.png"
    with Image.open(original) as image:
        image.resize((80, 60)).save(copy)
    config = read_config(trained)
    config.data.source = str(root)
    dataset = load_configured(config)
    write_doubts(config, tmp_path, dataset, Console(quiet=True))
    rows = workdir.read_table(tmp_path / workdir.NEAR_DUPLICATES)
    assert (str(original), str(copy)) in {(r["path"], r["copy"]) for r in rows}
    suspects = workdir.read_table(tmp_path / workdir.SUSPECT_LABELS)
    test_images = set(dataset.splits["test"].paths)
    assert not test_images & {row["path"] for row in suspects}


def test_why_doubts_were_not_looked_for_is_said(
    trained, tmp_path, open_session
):
    shutil.copytree(trained, tmp_path / "run")
    path = tmp_path / "run" / "config.json"
    values = json.loads(path.read_text())
    values["model"]["weights"] = "/gone/weights.h5"
    path.write_text(json.dumps(values))
    session = open_session(tmp_path / "run")
    session.describe()
    session._search.join()
    assert "/gone/weights.h5" in session.describe()["problem"]
