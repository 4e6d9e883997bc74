"""A directory of class folders, optionally under split folders."""

from pathlib import Path

from tlkeras.data.conversion import CONVERTED_SUFFIXES
from tlkeras.data.dataset import Example
from tlkeras.errors import InputError

IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp"),
    *CONVERTED_SUFFIXES,
)
SPLIT_FOLDERS = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}


def is_image_name(path: Path) -> bool:
    """Says whether a file's name ends like an image's."""
    return path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()


def list_images(directory: Path) -> list[Path]:
    """Returns the image files at any depth below a directory, sorted."""
    return sorted(path for path in directory.rglob("*") if is_image_name(path))


def list_folder(directory: Path) -> list[Example]:
    """Lists `[SPLIT/]CLASS/**/*.jpg` as examples.

    Args:
        directory: The root. Its folders are classes; or, when one of them is
            called train, splits (train, val | valid | validation, test).

    Raises:
        InputError: If the directory is missing or holds no class folder with
            images.
    """
    if not directory.is_dir():
        raise InputError(
            f"The data folder '{directory}' does not exist; expected a folder "
            "with one sub-folder of images per class: check --data."
        )
    folders = _visible_folders(directory)
    names = {folder.name.lower() for folder in folders}
    strangers = sorted(names - set(SPLIT_FOLDERS))
    held_out = names & set(SPLIT_FOLDERS) - {"train"}
    if "train" in names and held_out and strangers:
        raise InputError(
            f"The data folder '{directory}' holds '{strangers[0]}' beside "
            f"train and {sorted(held_out)[0]}; expected split folders only "
            f"({', '.join(SPLIT_FOLDERS)}): move the other folder away."
        )
    if "train" in names and not strangers:
        examples = [
            example
            for folder in folders
            for example in _list_classes(
                folder, SPLIT_FOLDERS[folder.name.lower()]
            )
        ]
    else:
        examples = _list_classes(directory, None)
    if not examples:
        raise InputError(
            f"The data folder '{directory}' holds no class folder with images; "
            "expected CLASS/NAME with one of the suffixes "
            f"{' '.join(IMAGE_SUFFIXES)}: sort the images into one folder per "
            "class."
        )
    return examples


def _visible_folders(directory: Path) -> list[Path]:
    """Returns the folders in a directory, without .git, __MACOSX and such."""
    return sorted(
        path
        for path in directory.iterdir()
        if path.is_dir() and not path.name.startswith((".", "__"))
    )


def _list_classes(root: Path, split: str | None) -> list[Example]:
    return [
        Example(str(path), (folder.name,), split)
        for folder in _visible_folders(root)
        for path in list_images(folder)
    ]


def list_inputs(arguments: list[str]) -> list[Path]:
    """Lists the files that a prediction was asked for: files and folders.

    A named file is taken whatever its suffix, folders give their images.

    Raises:
        InputError: If nothing is named, or a folder holds no image.
    """
    if not arguments:
        raise InputError(
            "No image is given; expected image files or folders: tlkeras "
            "predict --workdir=RUN photo.jpg."
        )
    paths: list[Path] = []
    for argument in arguments:
        path = Path(argument)
        if not path.is_dir():
            paths.append(path)
            continue
        found = list_images(path)
        if not found:
            raise InputError(
                f"The folder '{path}' holds no images; expected files with one "
                f"of the suffixes {' '.join(IMAGE_SUFFIXES)}."
            )
        paths += found
    return paths
