"""What was judged: the checks, the diagnosis of the curves, the exports."""

from collections import Counter
from typing import Any

from tlkeras.exporters.records import ExportRecord
from tlkeras.report.run_files import RunFiles

VERDICTS = ("fail", "warn", "pass", "skip")


def build_checks(files: RunFiles) -> dict[str, Any]:
    """Returns the checks, the worst first, and how many of each verdict."""
    counts = Counter(check["verdict"] for check in files.checks)
    order = {verdict: i for i, verdict in enumerate(VERDICTS)}
    return {
        "checks": [
            {**check, "value": _plain(check["value"])}
            for check in sorted(
                files.checks, key=lambda check: order.get(check["verdict"], 0)
            )
        ],
        "counts": [(v, counts[v]) for v in VERDICTS if counts[v]],
        "has_seconds": any("seconds" in check for check in files.checks),
    }


def _plain(value: Any) -> Any:
    """Returns numbers by name as text, all else as it is."""
    if not isinstance(value, dict):
        return value
    return ", ".join(f"{name} {number}" for name, number in value.items())


def build_diagnosis(files: RunFiles) -> dict[str, Any] | None:
    """Returns the findings, warnings first; None for undiagnosed runs."""
    if files.diagnosis is None:
        return None
    findings = files.diagnosis["findings"]
    return {
        "findings": sorted(findings, key=lambda f: f["severity"] != "warn"),
    }


def build_export(files: RunFiles) -> dict[str, Any] | None:
    """Returns what was exported; None where nothing was."""
    if not files.export:
        return None
    record = ExportRecord.from_dict(files.export)
    return {**vars(record), "rows": record.formats}
