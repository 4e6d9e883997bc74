"""Images of a store: a folder of class folders at an address."""

from collections.abc import Sequence

from tlkeras.console import Console
from tlkeras.data.dataset import Example
from tlkeras.data.folder import survey_tree
from tlkeras.data.folder_tree import read_remote_tree
from tlkeras.data.mirror import FOLDER, room_for_copies
from tlkeras.data.shared_folder import shared_folder
from tlkeras.errors import InputError
from tlkeras.remote import RemoteStamp


def list_remote(url: str, console: Console) -> list[Example]:
    """Lists `[SPLIT/]CLASS/**/IMAGE` at an address; see `survey_folder`.

    Args:
        url: Of the folder.
        console: Told how much there is.

    Raises:
        InputError: If the store refuses, nothing is there, or it leaves open
            which folders are splits and which classes.
    """
    tree = read_remote_tree(url)
    if tree is None:
        raise InputError(
            f"There is no folder '{url}'; expected one with one sub-folder of "
            "images per class: check --data."
        )
    examples = survey_tree(tree)
    announce(url, [e.stamp for e in examples if not e.problem], console)
    return examples


def announce(
    source: str, stamps: Sequence[RemoteStamp | None], console: Console
) -> None:
    """Says how large a source is, and whether it is copied.

    Args:
        source: As the user wrote it.
        stamps: Of its images.
        console: That says it.
    """
    total = sum(stamp[0] for stamp in stamps if stamp)
    size = f"{source}: {len(stamps)} remote images, {total / 2**20:.1f} MiB"
    if total <= room_for_copies():
        console.line(
            f"{size}; what is new is copied to '{shared_folder(FOLDER)}'"
        )
    else:
        console.line(
            f"{size}, more than '{shared_folder(FOLDER)}' has room for: "
            "what is not copied is fetched whenever it is read; set "
            "TLKERAS_CACHE to a larger disk"
        )
