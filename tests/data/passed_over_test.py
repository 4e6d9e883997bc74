"""What below a folder is read, and that the rest is named with a reason."""

import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from tlkeras.config import get_config
from tlkeras.config.run_directory import open_run_directory
from tlkeras.data.folder import list_folder, list_inputs, survey_folder
from tlkeras.data.load import load_dataset
from tlkeras.errors import InputError


@pytest.fixture
def folder(tmp_path, photo_folder):
    return shutil.copytree(photo_folder, tmp_path / "photos")


def reasons(root):
    """Returns path below the root -> reason, of a data set's ledger."""
    dataset = load_dataset(str(root), on_empty_class="drop")
    return {
        str(Path(entry.path).relative_to(root)): entry.reason
        for entry in dataset.ledger.left_out
    }


@pytest.mark.parametrize(
    "name",
    [
        *(".ipynb_checkpoints", ".trash", "__MACOSX", "@eaDir"),
        *("$RECYCLE.BIN", "lost+found", ".git", "@Recycle", "#recycle"),
        *("System Volume Information", "__pycache__", ".Trash-1000"),
    ],
)
@pytest.mark.parametrize("place", ["", "china"])
def test_hidden_and_system_folders_are_nowhere_read(folder, name, place):
    before = load_dataset(str(folder)).fingerprint
    hidden = folder / place / name
    hidden.mkdir()
    # A copy of a checkpoint would win over the original by its name.
    shutil.copy(folder / "china" / "05.jpg", hidden / "05-checkpoint.jpg")
    Image.new("RGB", (40, 40), "red").save(hidden / "new.png")
    assert load_dataset(str(folder)).fingerprint == before
    where = os.path.join(place, name)
    assert reasons(folder) == {where: "hidden or of the system"}
    assert len(list_inputs([str(folder)])) == 80


@pytest.mark.parametrize("name", ["._00.jpg", ".hidden.png", "Thumbs.db"])
def test_hidden_and_system_files_are_nowhere_read(folder, name):
    shutil.copy(folder / "china" / "05.jpg", folder / "china" / name)
    assert reasons(folder) == {f"china/{name}": "hidden or of the system"}
    assert len(list_inputs([str(folder)])) == 80


def test_a_hidden_root_is_read(photo_folder, tmp_path):
    shutil.copytree(photo_folder, tmp_path / ".cache" / "photos")
    assert len(list_folder(tmp_path / ".cache" / "photos")) == 80


@pytest.mark.parametrize("name", ["x.jfif", "x.jpe", "x", "x.dat", "x.JPG"])
def test_images_are_known_by_their_content(folder, name):
    for path in sorted((folder / "china").iterdir()):
        path.rename(path.with_name(path.stem + name))
    assert len(list_folder(folder)) == len(list_inputs([str(folder)])) == 80
    assert load_dataset(str(folder)).class_names == ("china", "flower")


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "WEBP"])
def test_every_format_is_known_without_a_suffix(tmp_path, kind):
    Image.new("RGB", (40, 40), "red").save(tmp_path / "x", format=kind)
    assert list_inputs([str(tmp_path)]) == [tmp_path / "x"]


def test_what_is_no_image_is_in_the_ledger_and_no_bad_image(folder):
    (folder / "readme.md").write_text("# photos")
    (folder / "china" / "00.txt").write_text("0 .5 .5 1 1")
    (folder / "china" / "BMW.txt").write_text("BM is no bitmap alone, is it")
    os.mkfifo(folder / "china" / "pipe.jpg")
    shutil.copy(folder / "china" / "00.jpg", folder / "stray.jpg")
    expected = {
        "readme.md": "no image",
        "china/00.txt": "no image",
        "china/BMW.txt": "no image",
        "china/pipe.jpg": "no regular file",
        "stray.jpg": "lies in no class folder",
    }
    assert reasons(folder) == expected
    assert load_dataset(str(folder), on_bad_image="fail").num_classes == 2


def test_links_are_followed_or_named(folder, tmp_path):
    (folder / "flower").rename(tmp_path / "elsewhere")
    (folder / "flower").mkdir()
    (folder / "flower" / "linked").symlink_to(tmp_path / "elsewhere")
    (folder / "flower" / "again").symlink_to(folder / "flower")
    (folder / "flower" / "up").symlink_to(folder)
    (folder / "china" / "gone.jpg").symlink_to(tmp_path / "absent.jpg")
    assert len(list_folder(folder)) == 80
    assert reasons(folder) == {
        "flower/again": "a folder that is read already",
        "flower/up": "a folder that is read already",
        "china/gone.jpg": "a link to nothing",
    }


def fill_with_copies(place):
    for path in place.parent.glob("china/0*.jpg"):
        shutil.copy(path, place)


def link_to_nothing(place):
    (place / "x.jpg").symlink_to(place / "absent")


def link_itself_to_nothing(place):
    place.rmdir()
    place.symlink_to("/absent/disk")


EMPTY_CLASSES = {
    "holds no image": lambda place: None,
    "holds no image.": lambda place: (place / "notes.txt").write_text("a"),
    "damaged": lambda place: (place / "a.jpg").write_bytes(b"\xff\xd8\xff"),
    "empty file": lambda place: (place / "a.jpg").write_bytes(b""),
    "link to nothing": link_to_nothing,
    "class on a disk that is gone": link_itself_to_nothing,
    "not a JPEG|HEIC": lambda place: (place / "a.heic").write_bytes(
        b"\0\0\0\x18ftypheic" + b"\0" * 99
    ),
    "identical bytes under": fill_with_copies,
}


@pytest.mark.parametrize("reason", EMPTY_CLASSES)
def test_a_class_does_not_disappear_without_a_word(folder, reason):
    (folder / "dog").mkdir()
    EMPTY_CLASSES[reason](folder / "dog")
    with pytest.raises(InputError, match="The class 'dog' has no usable image"):
        load_dataset(str(folder))
    dataset = load_dataset(str(folder), on_empty_class="drop")
    assert dataset.class_names == ("china", "flower")
    assert dataset.ledger.dropped_classes == ["dog"]
    assert dataset.ledger.as_dict()["dropped_classes"] == ["dog"]
    mine = [e for e in dataset.ledger.left_out if "/dog" in e.path]
    assert mine


def test_a_class_of_a_manifest_does_not_disappear(tmp_path, photo_folder):
    lines = [f"{p},{p.parent.name}" for p in photo_folder.glob("*/*.jpg")]
    (tmp_path / "bad.jpg").write_text("rubbish")
    lines.append("bad.jpg,dog")
    (tmp_path / "m.csv").write_text("\n".join(["path,label", *lines]))
    with pytest.raises(InputError, match="'dog' has no usable image"):
        load_dataset(str(tmp_path / "m.csv"))


def test_a_folder_that_cannot_be_read_is_named(folder, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    (folder / "china" / "locked").mkdir()
    monkeypatch.setattr(os, "scandir", refuse)
    (file,) = [e for e in survey_folder(folder) if e.problem]
    assert file.problem == "cannot be read (Permission denied)"


def test_a_run_directory_is_no_data(folder):
    before = load_dataset(str(folder)).fingerprint
    config = get_config()
    config.data.source = str(folder)
    for name in ("photos-1", "photos-2"):
        run = open_run_directory(folder / "runs" / name, config)
        Image.new("RGB", (99, 99), "red").save(run / "lr_finder.png")
    assert load_dataset(str(folder)).fingerprint == before
    assert reasons(folder) == {
        "runs/photos-1": "written by tlkeras",
        "runs/photos-2": "written by tlkeras",
    }


@pytest.mark.parametrize(
    "recorded", ["run", "search", "search/tuned", "unfinished_search"]
)
def test_recorded_directories_are_no_data(folder, recorded):
    source = Path(__file__).parents[1] / "recorded" / recorded
    place = shutil.copytree(source, folder / "china" / "old")
    shutil.copy(folder / "china" / "00.jpg", place / "picture.jpg")
    assert reasons(folder) == {"china/old": "written by tlkeras"}


def test_a_file_called_like_ours_leaves_a_class_alone(folder):
    (folder / "china" / "config.json").write_text('{"camera": 3}')
    (folder / "flower" / "export.json").write_text('[{"label": "rose"}]')
    assert len(list_folder(folder)) == 80


def test_a_link_to_a_class_does_not_take_its_images(folder):
    (folder / "bird").symlink_to("china")
    with pytest.raises(InputError, match=r"'bird' has no .* under bird and ch"):
        load_dataset(str(folder))


def test_a_split_that_is_a_link_is_read_or_refused(tmp_path, photo_folder):
    shutil.copytree(photo_folder, tmp_path / "train")
    shutil.copytree(photo_folder, tmp_path / "val")
    (tmp_path / "test").symlink_to("val")
    splits = {e.split for e in list_folder(tmp_path)}
    assert splits == {"train", "validation", "test"}
    (tmp_path / "test").unlink()
    (tmp_path / "test").symlink_to("/absent/disk")
    with pytest.raises(InputError, match="holds 'test', without class folders"):
        list_folder(tmp_path)


def test_links_among_many_folders_end(folder):
    names = [f"x{number}" for number in range(7)]
    for name in names:
        (folder / name).mkdir()
        shutil.copy(folder / "china" / "00.jpg", folder / name)
        for other in names:
            (folder / name / other).symlink_to(folder / other)
    assert len(list_folder(folder)) < 80 + 7 * 6**3 * 2
    assert "behind more than 3 links" in reasons(folder).values()
