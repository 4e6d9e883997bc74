"""Finds images whose decoding ends the process, each alone in a child.

`python -m tlkeras.features.image_probe PARENT` takes a JSON object on standard
input, and says the number of each file before it decodes it: the last number
is that of the file that the child did not survive.
"""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence

from tlkeras.data.contents import read_content
from tlkeras.data.decode_numpy import decode_contents
from tlkeras.data.definition import ImageDefinition
from tlkeras.errors import GateError
from tlkeras.processes import child_command, end_with_parent

PROBE = "tlkeras.features.image_probe"


def find_aborting(
    files: Sequence[str], image_size: int, definition: ImageDefinition
) -> dict[int, str]:
    """Returns the places of files that end a process, and how they do.

    A file is one of them when it ended two children in a row: the first may
    have been killed by somebody else.

    Args:
        files: To decode.
        image_size: Side S of the result, pixels.
        definition: What the pixels of an image are.

    Raises:
        GateError: If a child cannot even start.
    """
    found: dict[int, str] = {}
    begin, suspect = 0, -1
    while begin < len(files):
        reached, code = _probe(files[begin:], image_size, definition)
        if code == 0:
            break
        if reached < 0:
            raise GateError(
                "The process that looks for images which end a process could "
                f"not start ({_describe(code)}); start the same command again."
            )
        begin += reached
        if begin == suspect:
            how = _describe(code)
            found[begin] = f"ends the process that decodes it ({how})"
            begin += 1
        suspect = begin
    return found


def _describe(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _probe(
    files: Sequence[str], image_size: int, definition: ImageDefinition
) -> tuple[int, int]:
    """Returns the place of the last file begun, -1 = none, and exit code."""
    question = {
        "files": list(files),
        "image_size": image_size,
        "definition": dataclasses.asdict(definition),
    }
    done = subprocess.run(
        child_command(PROBE),
        input=json.dumps(question).encode(),
        stdout=subprocess.PIPE,
        check=False,
    )
    return len(done.stdout.splitlines()) - 1, done.returncode


def main() -> None:
    """Decodes the files of the question one by one."""
    answers, question = os.dup(1), json.load(sys.stdin)
    os.dup2(2, 1)  # what libraries print is no answer
    side = question["image_size"]
    definition = ImageDefinition(**question["definition"])
    for number, file in enumerate(question["files"]):
        os.write(answers, f"{number}\n".encode())
        try:
            decode_contents([read_content(file)], (side, side), definition)
        except Exception:  # decoders raise many kinds; the task says which
            continue


if __name__ == "__main__":
    end_with_parent(int(sys.argv[1]))
    main()
