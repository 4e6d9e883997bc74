"""Results as plain text on a terminal."""

from pathlib import Path
from typing import Any

from tlkeras import workdir
from tlkeras.evaluation.calibration_gain import CalibrationGain
from tlkeras.evaluation.evaluate import read_test_looks
from tlkeras.evaluation.metrics import format_change
from tlkeras.evaluation.records import TEST, VALIDATION, RunResult
from tlkeras.exporters.records import ExportRecord, Measurement


def format_result(result: RunResult, directory: Path) -> str:
    """Returns the last lines of a training run."""
    metric = result.metric
    lines = [
        f"{row.phase:<14} val/{metric} {row.metrics[metric]:.4f}  "
        f"val/loss {row.metrics['loss']:.4f}  {row.seconds:.1f} s"
        f"{'  <- kept' if row.kept else ''}"
        for row in result.phases
    ]
    summary = f"val/{metric} {result.scores[VALIDATION].metric:.4f}"
    if test := result.scores.get(TEST):
        summary += (
            f"  test/{metric} {test.metric:.4f} ({test.num_examples} images)"
        )
    lines += [
        f"{summary}  {result.seconds['total']:.1f} s in all",
        f"run directory: {directory}",
    ]
    if looks := read_test_looks(directory):
        lines.append(f"looks at the test split so far: {len(looks)}")
    report = directory / workdir.REPORT
    if report.exists():
        lines.append(f"report: {report}")
    return "\n".join(lines)


def format_diagnosis(directory: Path) -> str:
    """Returns one line a finding, with what to try; "" without any."""
    path = directory / workdir.DIAGNOSIS
    if not path.exists():
        return ""
    with workdir.reading(path):
        return "\n".join(
            f"{found['phase']}: {found['name'].replace('_', ' ')}. "
            f"{found['message']} {found['change']} {found['flag']}"
            for found in workdir.read_json(path)["findings"]
        )


def format_export(record: ExportRecord, output: Path) -> str:
    """Returns what was exported as a table, a line a file.

    Args:
        record: Of the export.
        output: The export folder.
    """
    lines = [
        f"{record.name} version {record.version}: {record.num_images} "
        f"{record.split} images, Keras {record.keras_accuracy:.4f}",
        f"{'format':<12}{'MB':>8}{'top-1':>8}  {'95 % interval':<18}"
        f"{'drop':>8}  {'95 % interval':<20}{'differ':>7}{'p':>7}"
        f"{'shift':>8}{'p50 ms':>9}{'p99 ms':>9}  worst class",
    ]
    lines += [
        f"{name:<12}{_measurement_columns(row.measured)}"
        for name, row in record.formats.items()
        if row.measured
    ]
    for name, row in record.formats.items():
        where = output / row.path if row.path else "nothing written"
        verdict = f"refused, {row.refused}" if row.refused else "passed"
        lines.append(f"{name}: {verdict}: {where}")
        lines += [f"  {remark}" for remark in row.remarks]
    if "saved_model" in record.formats:
        lines.append(
            "latency: one image, encoded for saved_model and decoded for the "
            "others"
        )
    return "\n".join(lines)


def _measurement_columns(measured: Measurement) -> str:
    low, high = measured.accuracy_interval
    least, most = measured.drop_interval
    p = "" if measured.mcnemar_p is None else f"{measured.mcnemar_p:.2f}"
    return (
        f"{measured.num_bytes / 1e6:>8.2f}"
        f"{measured.accuracy:>8.4f}  [{low:.4f}, {high:.4f}]  "
        f"{measured.drop:>+8.4f}  [{least:+.4f}, {most:+.4f}]  "
        f"{measured.num_disagreements:>7}{p:>7}"
        f"{measured.largest_probability_shift:>8.4f}"
        f"{measured.latency_p50_ms:>9.2f}{measured.latency_p99_ms:>9.2f}"
        f"  {measured.worst_class} {measured.worst_class_drop:+.4f}"
    )


def format_evaluation(split: str, metrics: dict[str, Any]) -> str:
    """Returns the metrics of a split as a table."""
    header = [f"{split}: {metrics['num_examples']} images"]
    skipped = ("per_class", "confusion_matrix", "num_examples", "calibration")
    for name, value in metrics.items():
        if name in skipped or name.endswith("_interval"):
            continue
        low_high = metrics.get(f"{name}_interval")
        interval = (
            f"  [{low_high[0]:.4f}, {low_high[1]:.4f}]" if low_high else ""
        )
        header.append(f"{name:<28}{value:.4f}{interval}")
    if calibration := metrics.get("calibration"):
        gain = CalibrationGain.from_dict(calibration)
        header += [
            f"{f'  {name} by calibration':<28}{changed.before:.4f} -> "
            f"{changed.after:.4f}, "
            f"{format_change(changed.difference, changed.difference_interval)}"
            for name, changed in (
                ("log loss", gain.log_loss),
                ("error", gain.expected_calibration_error),
            )
        ]
    rows = [
        f"{'class':<20}{'precision':>10}{'recall':>8}{'f1':>8}{'images':>8}"
    ]
    rows += [
        f"{name:<20}{row['precision']:>10.3f}{row['recall']:>8.3f}"
        f"{row['f1']:>8.3f}{row['num_examples']:>8}"
        if row["num_examples"]
        else f"{name:<20}{'absent':>10}{'':>16}{0:>8}"
        for name, row in metrics["per_class"].items()
    ]
    return "\n".join([*header, "", *rows])
