"""Mutated images: what the scan says, and what the decoders say.

Each image is made from its seed and number alone, in a child process that
writes its verdict into shared memory; one that crashes or hangs is replaced.
"""

import contextlib
import mmap
import os
import shutil
import signal
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.torture.forked import import_all
from benchmarks.torture.mutations import mutate
from benchmarks.torture.seeds import make_seeds
from benchmarks.torture.tally import Tally

HANG_SECONDS = 5
START_SECONDS = 120  # of a child, with its graphs
MAX_PIXELS = 4_000_000  # so that what is allowed is quick
SIDE = 24  # of the target
EAGER = 20  # one image in so many is decoded without a graph too
(
    NOT_TRIED,
    EQUAL,
    REFUSED,
    SCAN_ACCEPTS,
    SCAN_REFUSES,
    PIXELS_DIFFER,
    GRAPH_DIFFERS,
    RAISED,
    HUNG,
    CRASHED,
    TRYING,
) = range(11)
# Verdict -> its words, and whether it is a finding.
VERDICTS = {
    EQUAL: ("accepted by all, equal pixels", False),
    REFUSED: ("refused by all", False),
    SCAN_ACCEPTS: ("accepted by the scan, refused by the decoder", True),
    SCAN_REFUSES: ("refused by the scan, decoded all the same", False),
    PIXELS_DIFFER: ("other pixels in the served graph", True),
    GRAPH_DIFFERS: ("refused by one of the graphs only", True),
    RAISED: ("an undocumented exception", True),
    HUNG: (f"more than {HANG_SECONDS} s", True),
    CRASHED: ("the process crashed", True),
}


def run(seed: int, count: int, folder: Path) -> Tally:
    """Tries that many mutated images.

    Args:
        seed: Image K of a seed is always the same.
        count: Images.
        folder: Gets the files of the findings; emptied first.
    """
    tally = Tally("images")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ["TLKERAS_CACHE"] = str(folder / "cache")
    import_all()
    seeds = make_seeds()
    shared = mmap.mmap(-1, count)
    verdicts = np.frombuffer(shared, np.uint8)
    while NOT_TRIED in verdicts:
        _run_child(lambda: _try_all(seed, seeds, verdicts, folder), verdicts)
    for number, verdict in enumerate(verdicts.tolist()):
        words, is_finding = VERDICTS[verdict]
        content, label = make_image(seed, number, seeds)
        tally.count("images")
        tally.count(words)
        if verdict == SCAN_REFUSES:
            tally.count(f"{words}: {label.split(' by ')[0]}")
        if is_finding:
            path = folder / f"{seed}-{number}.bin"
            path.write_bytes(content)
            tally.find(f"seed {seed}, image {number}, {label}: {words}: {path}")
    return tally


def make_image(
    seed: int, number: int, seeds: dict[str, bytes]
) -> tuple[bytes, str]:
    """Returns the bytes of a mutated image, and how it was made."""
    generator = np.random.default_rng((seed, number))
    name, other = generator.choice(list(seeds), 2)
    content, mutations = mutate(generator, seeds[name], seeds[other])
    return content, f"{name} by {mutations}"


def _run_child(work: Callable[[], None], verdicts: np.ndarray) -> None:
    """Forks a child that tries what is left, and watches it.

    Args:
        work: Of the child.
        verdicts: uint8 [count], written by the child.
    """
    child = os.fork()
    if not child:
        with contextlib.suppress(KeyboardInterrupt):
            work()
        os._exit(0)
    tried, since = -1, time.monotonic()
    while not os.waitpid(child, os.WNOHANG)[0]:
        now = int(np.count_nonzero(verdicts))
        if now != tried:
            tried, since = now, time.monotonic()
        is_started = TRYING in verdicts
        limit = HANG_SECONDS if is_started else START_SECONDS
        if time.monotonic() - since > limit:
            _conclude(verdicts, HUNG)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return
        time.sleep(0.2)
    _conclude(verdicts, CRASHED)


def _conclude(verdicts: np.ndarray, verdict: int) -> None:
    """Gives the image that a child was at, if any, its verdict."""
    for number in np.flatnonzero(verdicts == TRYING).tolist():
        verdicts[number] = verdict
        print(f"image {number}: {VERDICTS[verdict][0]}", flush=True)


def _try_all(
    seed: int, seeds: dict[str, bytes], verdicts: np.ndarray, folder: Path
) -> None:
    judge = make_judge(folder)
    for name, content in seeds.items():  # which also traces all graphs
        for is_eager in (True, False):
            if judge(content, is_eager) != EQUAL:
                print(f"the untouched seed '{name}' is refused", flush=True)
    for number in np.flatnonzero(verdicts == NOT_TRIED).tolist():
        content, _ = make_image(seed, number, seeds)
        verdicts[number] = TRYING
        try:
            verdicts[number] = judge(content, number % EAGER == 0)
        except Exception:
            traceback.print_exc(limit=-3)
            verdicts[number] = RAISED


def make_judge(folder: Path) -> Callable[[bytes, bool], int]:
    """Builds the graphs; returns what gives the verdict about an image.

    Args:
        folder: For a file, where the scan needs one.
    """
    import tensorflow as tf

    from tlkeras.data.conversion import is_convertible
    from tlkeras.data.definition import ImageDefinition
    from tlkeras.data.inspection import inspect_bytes, inspect_file
    from tlkeras.data.preprocess import (
        decode_bounded,
        decode_contents,
        decode_image,
    )

    definition = ImageDefinition(max_pixels=MAX_PIXELS)
    served = tf.function(
        lambda content: decode_bounded(content, SIDE, SIDE, definition),
        input_signature=[tf.TensorSpec((), tf.string)],
        autograph=False,
    )
    refusals = (tf.errors.OpError, UnicodeDecodeError)  # bytes in its text

    def decode(content: bytes, is_eager: bool) -> np.ndarray | None:
        with contextlib.suppress(*refusals):
            if is_eager:
                image = decode_image(
                    tf.constant(content), SIDE, SIDE, definition
                )
                return np.asarray(image)
            (image,) = decode_contents([content], (SIDE, SIDE), definition)
            return image
        return None

    def serve(content: bytes) -> np.ndarray | None:
        with contextlib.suppress(*refusals):
            image, num_pixels = served(content)
            return np.asarray(image) if num_pixels <= MAX_PIXELS else None
        return None

    def judge(content: bytes, is_eager: bool) -> int:
        if is_convertible(content):
            path = folder / "image.tif"
            path.write_bytes(content)
            report = inspect_file(str(path), MAX_PIXELS)
            if report.copy:
                content = Path(report.copy).read_bytes()
                Path(report.copy).unlink()
        else:
            report = inspect_bytes(content, MAX_PIXELS)
        is_accepted = not report.problem
        pixels, answer = decode(content, is_eager), serve(content)
        if (pixels is None) != (answer is None):
            return GRAPH_DIFFERS
        if pixels is None or answer is None:
            return SCAN_ACCEPTS if is_accepted else REFUSED
        if not np.array_equal(pixels, answer):
            return PIXELS_DIFFER
        return EQUAL if is_accepted else SCAN_REFUSES

    return judge
