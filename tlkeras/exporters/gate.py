"""The gate: a format is written, run as production runs it, and judged."""

import dataclasses
import time
from collections.abc import Iterable
from pathlib import Path

from tlkeras.console import Console
from tlkeras.errors import InputError
from tlkeras.exporters.formats import FORMATS
from tlkeras.exporters.job import Job
from tlkeras.exporters.parity import Reference, measure
from tlkeras.exporters.publish import quarantine
from tlkeras.exporters.records import ExportRow, Measurement

MAX_HEATMAP_SHIFT = 1e-3  # of any score; float32 shifts them by 1e-6


@dataclasses.dataclass(frozen=True)
class Gate:
    """What every format of one export has to pass.

    Attributes:
        job: What the writers work with.
        reference: Images and what the Keras model says of them.
        max_drop: Largest drop in accuracy against Keras, in 0..1.
        staging: Folder that the formats are written into.
        console: For people.
    """

    job: Job
    reference: Reference
    max_drop: float
    staging: Path
    console: Console

    def try_formats(self, names: Iterable[str]) -> dict[str, ExportRow]:
        """Tries formats, and in place of those refused what their row names.

        Args:
            names: Keys of `FORMATS`.

        Returns:
            Key of `FORMATS` -> what became of it, in the order of trying.
        """
        waiting = list(names)
        rows: dict[str, ExportRow] = {}
        for name in waiting:
            row = self.try_format(name)
            instead = FORMATS[name].instead
            if row.refused and instead and instead not in waiting:
                self.console.line(f"  {instead} is tried in its place")
                row = dataclasses.replace(row, instead=instead)
                waiting.append(instead)
            rows[name] = row
        return rows

    def try_format(self, name: str) -> ExportRow:
        """Writes one format, measures it, and sets aside what is refused.

        Raises:
            OSError: If the files cannot be written.
        """
        started = time.perf_counter()
        path = FORMATS[name].staged(self.staging)
        path.parent.mkdir(exist_ok=True)
        measured, refused, warning = None, "", ""
        try:
            measured = self.write_and_measure(name, path)
            refused = judge(measured, self.max_drop)
            warning = warn(measured, self.max_drop)
        except (OSError, InputError):
            raise
        except Exception as error:  # converters' and runtimes' many kinds
            reason = str(error).strip().partition("\n")[0]
            refused = f"it cannot be written and run: {reason}"
        place = FORMATS[name].published(self.job.version)
        if refused:
            place = quarantine(path, self.staging, self.job.version)
        row = ExportRow(
            path=place,
            refused=refused,
            measured=measured,
            warning=warning,
            seconds=round(time.perf_counter() - started, 3),
        )
        verdict = f"refused: {refused}" if refused else "passed"
        self.console.line(f"{name}: {verdict}")
        for remark in row.remarks:
            self.console.line(f"  {remark}")
        return row

    def write_and_measure(self, name: str, path: Path) -> Measurement:
        """Writes one format and compares it with the Keras model."""
        FORMATS[name].write(self.job, path)
        return measure(
            FORMATS[name].load(path),
            path,
            self.reference,
            num_samples=self.job.run.config.evaluation.bootstrap_samples,
        )


def judge(measured: Measurement, max_drop: float) -> str:
    """Returns why a file is refused, or ""."""
    if not measured.is_finite:
        return "it gives scores that are not finite"
    shift = measured.heatmap_shift
    if shift is not None and not shift <= MAX_HEATMAP_SHIFT:
        return (
            "the mean of its heat map gives other scores than its answer, by "
            f"up to {shift:.4f} (limit {MAX_HEATMAP_SHIFT:g})"
        )
    if measured.drop <= max_drop:
        return ""
    low, high = measured.drop_interval
    return (
        f"accuracy drops by {measured.drop:.4f} [{low:+.4f}, {high:+.4f}] "
        f"against Keras (limit {max_drop:g})"
    )


def warn(measured: Measurement, max_drop: float) -> str:
    """Returns what the gate cannot see with this many images, or ""."""
    low, high = measured.drop_interval
    if (high - low) / 2 <= max_drop:
        return ""
    return (
        f"the drop is known to +-{(high - low) / 2:.4f} only, more "
        f"than the limit of {max_drop:g}: the gate needs more images"
    )
