"""Peak memory of `tlkeras features` for 1000 and for 10 000 JPEGs."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.harness import Section, assets, mobilenet_weights


def run() -> Section:
    """Measures both in processes of their own."""
    rows = [["images", "peak memory, MiB"]]
    peaks = []
    with tempfile.TemporaryDirectory() as temporary:
        for count in (1000, 10_000):
            folder = Path(temporary) / str(count)
            make_photos(folder, count)
            peaks.append(measure(folder, Path(temporary) / f"cache{count}"))
            rows.append([f"{count}", f"{peaks[-1]:.0f}"])
    return Section(
        "Peak memory of `tlkeras features`, MobileNetV2 1.0 at 160 px",
        rows,
        [
            f"Growth {peaks[1] - peaks[0]:.0f} MiB, of which "
            f"{9000 * 1280 * 4 / 2**20:.0f} MiB are the codes themselves.",
            "The photos are those of clothing with a number in a comment of "
            "each, so that no two have the same bytes.",
        ],
    )


def make_photos(folder: Path, count: int) -> None:
    """Writes distinct JPEG files in class folders."""
    source = assets() / "datasets" / "clothing" / "train"
    files = sorted(source.glob("*/*.jpg"))
    for number in range(count):
        file = files[number % len(files)]
        target = folder / file.parent.name
        target.mkdir(parents=True, exist_ok=True)
        content = file.read_bytes()
        comment = b"\xff\xfe\x00\x08" + f"{number:06d}".encode()
        (target / f"{number}.jpg").write_bytes(
            content[:2] + comment + content[2:]
        )


# A process is born with its parent's peak, so it reports its own.
PROGRAM = """
import atexit, re, sys
from pathlib import Path
from tlkeras.cli.main import main
def report():
    status = Path("/proc/self/status").read_text()
    print("peak KiB", re.search(r"VmHWM:\\s+(\\d+)", status)[1], flush=True)
atexit.register(report)
main(["tlkeras", *sys.argv[1:]])
"""


def measure(folder: Path, cache: Path) -> float:
    """Returns the peak resident memory of one process, MiB."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            PROGRAM,
            "features",
            f"--data={folder}",
            f"--output={folder / 'codes.npz'}",
            f"--config.model.weights={mobilenet_weights()}",
            "--config.model.image_size=160",
            "--quiet",
        ],
        env={**os.environ, "TLKERAS_CACHE": str(cache)},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout.split()[-1]) / 1024
