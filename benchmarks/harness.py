"""Interleaved rounds, medians, and the page of results."""

import dataclasses
import os
import platform
import re
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "RESULTS.md"
HEADER = """# Results

Written by `make bench` (needs `TLKERAS_ASSETS`, see CONTRIBUTING.md). Ratios
count: both sides ran in one process group, interleaved, medians of rounds.
Absolute figures belong to the machine that is named.
"""


def assets() -> Path:
    """Returns the folder of real weights and photos."""
    folder = os.environ.get("TLKERAS_ASSETS", "")
    if not Path(folder or "-").is_dir():
        raise SystemExit(
            "TLKERAS_ASSETS names no folder; expected the folder of real "
            "weights and photos."
        )
    return Path(folder)


def mobilenet_weights() -> str:
    """Returns the file of MobileNetV2 1.0 without top."""
    name = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
    return str(assets() / "keras_home" / "models" / name)


def interleave(
    jobs: dict[str, Callable[[], object]], *, rounds: int
) -> dict[str, float]:
    """Returns the median seconds of each job; the first round is not counted.

    Args:
        jobs: Name -> what to time.
        rounds: That count.
    """
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for number in range(rounds + 1):
        for name, job in jobs.items():
            started = time.perf_counter()
            job()
            if number:
                times[name].append(time.perf_counter() - started)
    return {name: float(np.median(values)) for name, values in times.items()}


@dataclasses.dataclass(frozen=True)
class Section:
    """One measurement.

    Attributes:
        title: Of the section.
        rows: Cells of the table, header first.
        notes: Lines below the table: the limit, what was left out.
    """

    title: str
    rows: list[list[str]]
    notes: list[str]

    def as_markdown(self, name: str) -> str:
        """Returns the section with its command and machine."""
        lines = ["| " + " | ".join(row) + " |" for row in self.rows]
        lines.insert(1, "|" + "---|" * len(self.rows[0]))
        return "\n".join(
            [
                f"## {self.title}",
                "",
                f"`python -m benchmarks {name}` on {machine()}.",
                "",
                *lines,
                "",
                *(f"- {note}" for note in self.notes),
                "",
            ]
        )


def machine() -> str:
    """Describes the processor and its cores."""
    text = Path("/proc/cpuinfo").read_text("utf-8")
    names = re.findall(r"model name\s*: (.*)", text) or [platform.processor()]
    flags = [f for f in ("avx512f", "avx512_bf16", "amx_bf16") if f in text]
    return f"{os.cpu_count()} cores of {names[0]} ({', '.join(flags)})"


def write_section(name: str, section: Section) -> None:
    """Replaces one section of `RESULTS.md`, marked by a comment."""
    text = RESULTS.read_text("utf-8") if RESULTS.exists() else HEADER
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    block = f"{start}\n{section.as_markdown(name)}{end}\n"
    pattern = re.compile(
        re.escape(start) + r".*?" + re.escape(end) + r"\n", re.S
    )
    if pattern.search(text):
        text = pattern.sub(lambda _: block, text)
    else:
        text = f"{text}\n{block}"
    RESULTS.write_text(text, "utf-8")
    print(section.as_markdown(name))
