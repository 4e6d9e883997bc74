"""A directory of class folders, optionally under split folders."""

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from tlkeras.data.dataset import Example
from tlkeras.data.folder_tree import (
    OURS,
    Folder,
    FoundFile,
    read_remote_tree,
    read_tree,
)
from tlkeras.data.split_names import split_of
from tlkeras.errors import InputError
from tlkeras.remote import is_remote
from tlkeras.workdir import as_text

NO_IMAGE = "holds no image"
NO_CLASS = "lies in no class folder"


def list_images(directory: Path) -> list[Path]:
    """Returns the image files at any depth below a directory, sorted."""
    tree = read_tree(directory)
    return [Path(file.path) for file in tree.walk() if not file.problem]


def list_folder(directory: Path) -> list[Example]:
    """Lists `[SPLIT/]CLASS/**/IMAGE` as examples; see `survey_folder`."""
    return [e for e in survey_folder(directory) if not e.problem]


def survey_folder(directory: Path) -> list[Example]:
    """Lists `[SPLIT/]CLASS/**/IMAGE`, and what is passed over with its reason.

    Args:
        directory: The root. Its folders are classes; or, when they are called
            like splits and hold folders of images, splits.

    Returns:
        Images; and with their `problem` files that are none, and folders of
        classes without any. What belongs to no class has no labels.

    Raises:
        InputError: If the directory is missing, holds no class folder with
            images, or leaves open which folders are splits and which classes.
    """
    if not directory.is_dir():
        raise InputError(
            f"The data folder '{directory}' does not exist; expected a folder "
            "with one sub-folder of images per class: check --data."
        )
    return survey_tree(read_tree(directory))


def survey_tree(root: Folder) -> list[Example]:
    """Lists what was found below a folder; see `survey_folder`.

    Raises:
        InputError: Likewise.
    """
    splits = _find_splits(root)
    examples = [_pass_over(file, NO_CLASS) for file in root.files]
    for folder in root.folders:
        if folder.path in splits:
            examples += _list_split(folder, splits[folder.path])
        elif splits:
            examples += _pass_over_all(folder)
        else:
            examples += _list_class(folder, None)
    if all(example.problem for example in examples):
        raise InputError(
            f"The data folder '{root.path}' holds no class folder with images; "
            "expected CLASS/NAME with JPEG, PNG, GIF, BMP or WebP files: sort "
            "the images into one folder per class."
        )
    return examples


def _pass_over(file: FoundFile, reason: str) -> Example:
    return Example(file.path, (), problem=file.problem or reason)


def _pass_over_all(folder: Folder) -> list[Example]:
    """Returns the files of a folder that is no class, or the folder itself."""
    files = list(folder.walk()) or [FoundFile(folder.path, NO_IMAGE)]
    return [_pass_over(file, NO_CLASS) for file in files]


def _list_split(folder: Folder, split: str) -> list[Example]:
    """Lists the classes of a split, also where its folder is there twice."""
    examples = [_pass_over(file, NO_CLASS) for file in folder.files]
    for inner in folder.folders:
        if len(folder.folders) == 1 and split_of(inner.name) == split:
            return examples + _list_split(inner, split)  # as archives unpack
        examples += _list_class(inner, split)
    return examples


def _list_class(folder: Folder, split: str | None) -> list[Example]:
    files = list(folder.walk())
    if not folder.has_images and any(file.problem == OURS for file in files):
        return _pass_over_all(folder)
    labels = (as_text(folder.name),)  # models and files hold text only
    if not folder.has_images and folder.path not in {
        file.path for file in files
    }:
        files.insert(0, FoundFile(folder.path, NO_IMAGE))
    return [
        Example(
            file.path, labels, split, problem=file.problem, stamp=file.stamp
        )
        for file in files
    ]


def _find_splits(root: Folder) -> dict[str, str]:
    """Returns folder -> split; empty where the folders are classes.

    Raises:
        InputError: If it cannot be decided.
    """
    named = {f.path: split_of(f.name) or "" for f in root.folders}
    named = {path: split for path, split in named.items() if split}
    folders = [f for f in root.folders if f.has_images]
    strangers = [f for f in folders if f.path not in named]
    nested = [f for f in folders if f.path in named and _class_folders(f)]
    flat = [f for f in root.folders if f.path in named and f not in nested]
    is_divided = bool(nested) or (
        "train" in named.values() and len(set(named.values())) > 1
    )
    if is_divided and strangers:
        raise _undecided(
            root,
            f"holds '{strangers[0].name}' beside {_names(nested or flat)}",
            "expected split folders only, as train, validation and test, or "
            f"class folders only: rename '{strangers[0].name}' or move it away",
        )
    if flat and (is_divided or (folders and not strangers)):
        to_do = "sort its images" if flat[0].has_images else "fill it"
        raise _undecided(
            root,
            f"holds '{flat[0].name}', without class folders with images in it",
            "expected split folders SPLIT/CLASS/NAME, or class folders with "
            f"other names: {to_do}, or move it away",
        )
    if not is_divided:
        _require_classes(root, folders)
        return {}
    _require_each_once(root, named)
    return named


def _require_each_once(root: Folder, splits: dict[str, str]) -> None:
    by_split = defaultdict(list)
    named = [folder for folder in root.folders if folder.path in splits]
    for folder in named:
        by_split[splits[folder.path]].append(folder.name)
    double = [names for names in by_split.values() if len(names) > 1]
    if double:
        raise _undecided(
            root,
            f"holds {' and '.join(double[0])}, which mean the same split",
            "expected one folder a split: merge them or move one away",
        )
    if "train" not in by_split:
        raise _undecided(
            root,
            f"holds {_names(named)}, but no training images",
            "expected a folder train beside them: add or rename it",
        )


def _require_classes(root: Folder, folders: list[Folder]) -> None:
    """Refuses folders that hold the same folders: they may be no classes."""
    by_content: dict[frozenset[str], Folder] = {}
    for folder in folders:
        inner = _class_folders(folder)
        if any(not file.problem for file in folder.files) or len(inner) < 2:
            continue
        shown = ", ".join(inner[:3])
        if len(folders) == 1 or all(map(split_of, inner)):
            raise _undecided(
                root,
                f"holds {folder.name}, with folders {shown} in it",
                "expected CLASS/NAME or SPLIT/CLASS/NAME: pass "
                f"--data='{folder.path}' or, if it is a class, put splits "
                "above the classes",
            )
        names = frozenset(name.strip().casefold() for name in inner)
        other = by_content.setdefault(names, folder)
        if other is not folder:
            both = f"{other.name} and {folder.name}"
            raise _undecided(
                root,
                f"holds {both}, with folders {shown} in each, and either may "
                "be the classes",
                f"expected CLASS/NAME or SPLIT/CLASS/NAME: if {both} are "
                "classes, give the folders in them different names, as "
                f"{folder.name}_{inner[0]}, or list the images in a manifest; "
                f"if {shown} are, call the outer folders train, validation "
                "or test",
            )


def _class_folders(folder: Folder) -> list[str]:
    return [inner.name for inner in folder.folders if inner.has_images]


def _names(folders: Iterable[Folder]) -> str:
    return " and ".join(folder.name for folder in folders)


def _undecided(root: Folder, problem: str, advice: str) -> InputError:
    return InputError(f"The data folder '{root.path}' {problem}; {advice}.")


def list_inputs(arguments: list[str]) -> list[Path | str]:
    """Lists the files that a prediction was asked for: files and folders.

    A named file is taken whatever it is, folders give their images.

    Raises:
        InputError: If nothing is named, or a folder holds no image.
    """
    if not arguments:
        raise InputError(
            "No image is given; expected image files or folders: name them "
            "behind the flags."
        )
    paths: list[Path | str] = []
    for argument in arguments:
        is_folder = is_remote(argument) or os.path.isdir(argument)
        found = _list_below(argument) if is_folder else [Path(argument)]
        if not found:
            raise InputError(
                f"The folder '{argument}' holds no images; expected JPEG, PNG, "
                "GIF, BMP or WebP files."
            )
        paths += found
    return paths


def _list_below(folder: str) -> Sequence[Path | str]:
    """Returns the images of a folder; what is a remote file itself."""
    if not is_remote(folder):
        return list_images(Path(folder))
    tree = read_remote_tree(folder)
    if tree is None:
        return [folder]
    return [file.path for file in tree.walk() if not file.problem]
