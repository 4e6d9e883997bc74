"""Tables that people have, and what is said about those that do not do."""

import sys

import numpy as np
import pandas as pd
import pytest

from tlkeras.data.load import load_dataset
from tlkeras.data.manifest import list_manifest
from tlkeras.errors import InputError


@pytest.fixture
def rows(tmp_path):
    """Two files beside the manifest."""
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).touch()
    return {"path": ["a.jpg", "b.jpg"]}


def labels_of(tmp_path, rows, labels):
    path = tmp_path / "m.parquet"
    pd.DataFrame({**rows, "label": labels}).to_parquet(path)
    return [example.labels for example in list_manifest(path)]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([["x", "y"], ["z"]], [("x", "y"), ("z",)]),
        ([[1, 2], [3]], [("1", "2"), ("3",)]),
        ([["x|y", "x"], ["z", None]], [("x", "y"), ("z",)]),
        ([np.array(["x"]), np.array(["z", "z"])], [("x",), ("z",)]),
        ([1.0, 2.0], [("1",), ("2",)]),
    ],
)
def test_a_list_is_several_labels(tmp_path, rows, labels, expected):
    assert labels_of(tmp_path, rows, labels) == expected


def test_what_names_the_rows_is_no_column(tmp_path, rows):
    path = tmp_path / "m.parquet"
    table = pd.DataFrame({**rows, "label": ["x", None]}, index=["r1", "r2"])
    table.to_parquet(path)
    with pytest.raises(InputError, match=r"Row 2 of .* label"):
        list_manifest(path)
    table.fillna("y").to_parquet(path)
    assert [x.labels for x in list_manifest(path)] == [("x",), ("y",)]


def test_a_table_is_read_without_pandas(tmp_path, rows, monkeypatch):
    path = tmp_path / "m.parquet"
    table = pd.DataFrame({**rows, "label": ["x", "y"], "split": [None] * 2})
    table.to_parquet(path)
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert [x.labels for x in list_manifest(path)] == [("x",), ("y",)]


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        ([b"x", b"y"], "bytes"),
        ([{"name": "x"}, {"name": "y"}], "dict"),
        ([[b"x"], [b"y"]], "bytes"),
        ([pd.Timestamp("2020-01-01"), None], "(datetime|Timestamp)"),
    ],
)
def test_other_kinds_are_no_labels(tmp_path, rows, labels, kind):
    with pytest.raises(InputError, match=f"Row 1 of .* of the kind {kind}"):
        labels_of(tmp_path, rows, labels)


def test_an_empty_list_is_an_empty_label(tmp_path, rows):
    with pytest.raises(InputError, match=r"Row 2 of .* has an empty label"):
        labels_of(tmp_path, rows, [["x"], []])


def test_a_path_is_text(tmp_path):
    with pytest.raises(InputError, match=r"has the path .* of the kind bytes"):
        labels_of(tmp_path, {"path": [b"a.jpg"]}, ["x"])


def read(tmp_path, text):
    (tmp_path / "m.csv").write_bytes(text.encode("utf-8-sig"))
    return [
        (example.path.split("/")[-1], example.labels)
        for example in list_manifest(tmp_path / "m.csv")
    ]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_separators_are_recognised(tmp_path, rows, separator, end):
    lines = (("path", "label"), ("a.jpg", '"x y"'), ("b.jpg", "z"))
    text = end.join(separator.join(cells) for cells in lines)
    assert read(tmp_path, text) == [("a.jpg", ("x y",)), ("b.jpg", ("z",))]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\na.jpg,x\nb.jpg,y,z\n", "Row 3 of .* has 3 cells"),
        # All rows: the first cells are no index.
        ("path,label\n1,a.jpg,x\n2,b.jpg,y\n", "Row 2 of .* has 3 cells"),
        ("path;label\na.jpg;x;\n", "Row 2 of .* has 3 cells"),
        ("path,label\n\na.jpg,x\nb.jpg\n", "Row 4 of .* an empty label"),
        ("path:label\na.jpg:x\n", "unknown column 'path:label'"),
        ("path,label,label\na.jpg,x,y\n", "column 'label' twice"),
        ('path,label\na.jpg,"x\n', "cannot be read"),
        ("", "lacks the column 'path'"),
        (f"path,label\na.jpg,{'x' * 200_000}\n", "cannot be read"),
    ],
)
def test_malformed_tables_are_named(tmp_path, rows, text, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, text)


def test_a_table_in_another_encoding_is_named(tmp_path, rows):
    (tmp_path / "m.csv").write_bytes(
        "path,label\na.jpg,caf\xe9".encode("latin1")
    )
    with pytest.raises(InputError, match=r"cannot be read .* in UTF-8"):
        list_manifest(tmp_path / "m.csv")


def test_one_row_a_label_is_refused_with_the_way_to_write_it(tmp_path, rows):
    lines = ("path,label", "a.jpg,x", "b.jpg,y", "./a.jpg,y")
    with pytest.raises(InputError, match=r"Row 4 .* row 2 x; .* as x\|y"):
        read(tmp_path, "\n".join(lines))
    assert len(read(tmp_path, "path,label\na.jpg,x|y\na.jpg,y|x\n")) == 2


def test_usual_names_of_splits_are_taken(tmp_path, rows):
    read(tmp_path, "path,label,split\na.jpg,x,Val\nb.jpg,y,training\n")
    splits = [e.split for e in list_manifest(tmp_path / "m.csv")]
    assert splits == ["validation", "train"]


@pytest.mark.parametrize("on_empty_class", ["fail", "drop"])
@pytest.mark.parametrize("kind", ["equal folders", "black", "one picture"])
def test_nothing_left_after_duplicates_is_one_sentence(
    tmp_path, photo_folder, kind, on_empty_class
):
    from PIL import Image

    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for number in range(3):
            path = tmp_path / label / f"{number}.png"
            if kind == "black":
                Image.new("RGB", (40, 40)).save(path)
                continue
            name = f"{number if kind == 'equal folders' else 0:02d}.jpg"
            path.write_bytes((photo_folder / "china" / name).read_bytes())
    expected = "identical bytes under a and b|the same bytes under several"
    with pytest.raises(InputError, match=expected):
        load_dataset(str(tmp_path), on_empty_class=on_empty_class)


def test_what_is_wrong_with_a_table_is_said_once_and_whole(tmp_path, rows):
    (tmp_path / "m.csv").write_text("filename,class\na.jpg,x\n")
    with pytest.raises(InputError, match=r"remove the others\.$") as error:
        list_manifest(tmp_path / "m.csv")
    assert str(error.value).count("m.csv") == 1


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b"])
def test_an_impossible_name_is_named_with_its_row(tmp_path, rows, name):
    with pytest.raises(
        InputError, match=r"Row 2 of .* names the file"
    ) as error:
        read(tmp_path, f"path,label\n{name},x\n")
    assert len(str(error.value)) < 600
