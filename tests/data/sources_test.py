import shutil
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from tlkeras.data.dataset import SPLITS, Example
from tlkeras.data.folder import list_folder, list_inputs
from tlkeras.data.load import load_dataset
from tlkeras.data.manifest import list_manifest
from tlkeras.data.sources import SOURCES, Source, list_examples
from tlkeras.errors import InputError


def copy_some(photo_folder, target, count=4):
    for name in ("china", "flower"):
        (target / name).mkdir(parents=True)
        for path in sorted((photo_folder / name).iterdir())[:count]:
            shutil.copy(path, target / name)


def test_class_folders_give_labels(photo_folder):
    examples = list_folder(photo_folder)
    assert len(examples) == 80
    assert {e.labels for e in examples} == {("china",), ("flower",)}
    assert {e.split for e in examples} == {None}


@pytest.mark.parametrize("validation", ["val", "valid", "validation"])
def test_split_folders_are_taken_over(tmp_path, photo_folder, validation):
    for split in ("train", validation, "test"):
        copy_some(photo_folder, tmp_path / split)
    splits = {example.split for example in list_folder(tmp_path)}
    assert splits == {"train", "validation", "test"}


def test_missing_and_empty_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist; expected a folder"):
        list_folder(tmp_path / "absent")
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    with pytest.raises(InputError, match="holds no class folder with images"):
        list_folder(tmp_path)


def write_manifest(path, rows):
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def rows_for(photo_folder, split=None):
    rows = [
        {"path": str(path), "label": path.parent.name}
        for path in sorted(photo_folder.glob("*/*.jpg"))
    ]
    for row in rows if split else ():
        row["split"] = split
    return rows


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_manifests_of_both_kinds_agree_with_the_folder(
    tmp_path, photo_folder, suffix
):
    path = tmp_path / f"images{suffix}"
    table = pd.DataFrame(rows_for(photo_folder))
    table.to_csv(path, index=False) if suffix == ".csv" else table.to_parquet(
        path
    )
    listed = {(e.path, e.labels) for e in list_manifest(path)}
    assert listed == {(e.path, e.labels) for e in list_folder(photo_folder)}


def test_manifest_paths_are_relative_to_the_manifest(tmp_path, photo_folder):
    copy_some(photo_folder, tmp_path / "images")
    write_manifest(
        tmp_path / "m.csv", [{"path": "images/china/00.jpg", "label": "x|y"}]
    )
    (example,) = list_manifest(tmp_path / "m.csv")
    assert example.labels == ("x", "y")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"path": "absent.jpg"}, "which does not exist"),
        ({"label": ""}, "has an empty label"),
        ({"colour": "red"}, "unknown column 'colour'"),
        ({"splt": "train"}, "Did you mean 'split'"),
        ({"split": "later"}, "has the split 'later'"),
    ],
)
def test_bad_manifest_rows_are_named(tmp_path, photo_folder, change, message):
    row = {**rows_for(photo_folder)[0], **change}
    with pytest.raises(InputError, match=message):
        list_manifest(write_manifest(tmp_path / "m.csv", [row]))


def test_a_manifest_without_label_or_rows_is_refused(tmp_path):
    (tmp_path / "m.csv").write_text("path\na.jpg\n")
    with pytest.raises(InputError, match="lacks the column 'label'"):
        list_manifest(tmp_path / "m.csv")
    (tmp_path / "n.csv").write_text("path,label\n")
    with pytest.raises(InputError, match="has no rows"):
        list_manifest(tmp_path / "n.csv")
    with pytest.raises(InputError, match=r"manifest .* does not exist"):
        list_manifest(tmp_path / "absent.csv")
    (tmp_path / "bad.parquet").write_text("no table")
    with pytest.raises(InputError, match="cannot be read"):
        list_manifest(tmp_path / "bad.parquet")


def test_several_labels_make_a_multi_label_set(tmp_path, photo_folder):
    rows = rows_for(photo_folder)
    for row in rows[::2]:
        row["label"] += "|outdoor"
    manifest = write_manifest(tmp_path / "m.csv", rows)
    dataset = load_dataset(str(manifest))
    assert dataset.multi_label
    assert dataset.class_names == ("china", "flower", "outdoor")
    assert dataset.splits["train"].targets.sum(1).max() == 2


def test_no_source_and_unknown_built_in_say_what_is_expected(tmp_path):
    with pytest.raises(InputError, match="No data source is given"):
        list_examples("", tfds_data_dir="", tfds_splits=SPLITS)


def test_digits_are_the_real_ones():
    dataset = load_dataset("digits", images_per_class=10)
    assert dataset.num_classes == 10
    assert len(dataset.splits["train"]) == 100
    assert dataset.splits["train"].targets.sum(0).tolist() == [10.0] * 10
    with Image.open(dataset.splits["train"].paths[0]) as image:
        assert image.size == (8, 8)


def test_inputs_are_files_and_folders(tmp_path, photo_folder):
    file = photo_folder / "china" / "00.jpg"
    assert list_inputs([str(file)]) == [file]
    assert len(list_inputs([str(photo_folder)])) == 80
    with pytest.raises(InputError, match="No image is given"):
        list_inputs([])
    with pytest.raises(InputError, match="holds no images"):
        list_inputs([str(tmp_path)])


def test_whole_numbers_are_labels(tmp_path, photo_folder):
    rows = rows_for(photo_folder)
    for row in rows:
        row["label"] = int(row["label"] == "flower")
    pd.DataFrame(rows).to_parquet(tmp_path / "m.parquet")
    labels = {e.labels for e in list_manifest(tmp_path / "m.parquet")}
    assert labels == {("0",), ("1",)}


def test_a_stranger_beside_split_folders_is_named(tmp_path, photo_folder):
    for split in ("train", "val", "__MACOSX"):
        copy_some(photo_folder, tmp_path / split)
    assert {e.labels for e in list_folder(tmp_path)} == {
        ("china",),
        ("flower",),
    }
    copy_some(photo_folder, tmp_path / "rejected")
    with pytest.raises(InputError, match="holds 'rejected' beside train"):
        list_folder(tmp_path)


@pytest.fixture
def listed_source(monkeypatch):
    """A kind of source that is added by one row: `list:FILE`, paths in a file.

    A file's class is the name of its folder.
    """

    def list_paths(name, options):
        paths = Path(name.removeprefix("list:")).read_text().splitlines()
        return [Example(path, (Path(path).parent.name,)) for path in paths]

    row = Source("list:FILE", lambda name: name.startswith("list:"), list_paths)
    monkeypatch.setitem(SOURCES, "list", row)


@pytest.mark.usefixtures("listed_source")
def test_a_kind_of_source_is_one_row(tmp_path, photo_folder, small_config):
    paths = sorted(map(str, photo_folder.glob("*/*.jpg")))
    (tmp_path / "photos.txt").write_text("\n".join(paths))
    source = f"list:{tmp_path / 'photos.txt'}"
    dataset = load_dataset(source)
    expected = load_dataset(str(photo_folder))
    assert dataset.fingerprint == expected.fingerprint
    with pytest.raises(InputError, match=", or list:FILE: pass --data"):
        list_examples("", tfds_data_dir="", tfds_splits=SPLITS)

    from tlkeras.training.trainer import train_and_evaluate

    small_config.data.source = source
    small_config.phases.fine_tune.epochs = 0
    small_config.report.enabled = False
    small_config.checks.enabled = False
    small_config.model.features_from = "conv_pw_1_relu"
    result = train_and_evaluate(small_config, tmp_path / "run")
    assert result["class_names"] == ["china", "flower"]
    # Other kinds are listed as before.
    assert load_dataset("digits", images_per_class=2).num_classes == 10


def test_every_kind_of_source_is_in_the_sentence():
    with pytest.raises(InputError) as refused:
        list_examples("", tfds_data_dir="", tfds_splits=SPLITS)
    assert str(refused.value) == (
        "No data source is given; expected a folder, a folder of a store, as "
        "gs://BUCKET/PHOTOS, a .csv or .parquet manifest, tfds:NAME, or one "
        "of digits, letters, glyphs, textures: pass --data=SOURCE."
    )
