"""A probe's table as text."""

import math
from typing import Any

from tlkeras.studies.probe_columns import (
    COPIES,
    MULTI_LABEL_COLUMNS,
    PROBE_COLUMNS,
)


def format_probe(result: dict[str, Any]) -> str:
    """Returns the table for people."""
    columns = [
        name
        for name in {**PROBE_COLUMNS, **MULTI_LABEL_COLUMNS}
        if name in result["depths"][0]
    ]
    width = max(len(row["layer"]) for row in result["depths"]) + 2
    lines = [
        f"{'depth':<{width}}{'d':>6}"
        + "".join(f"{name:>23}" for name in columns)
        + f"{'ms a step':>12}{'KiB cached':>12}"
    ]
    for row in result["depths"]:
        cells = [
            f"{row[name]['accuracy']:>8.3f} [{row[name]['interval'][0]:.3f}, "
            f"{row[name]['interval'][1]:.3f}]"
            for name in columns
        ]
        step = row["milliseconds_per_step"]
        mark = " " if row["is_measured"] else "~"
        lines.append(
            f"{row['layer']:<{width}}{row['dimensions']:>6}"
            + "".join(cells)
            + f"{mark + format(step, '.0f'):>12}"
            f"{math.ceil(row['frontier_bytes'] / 1024):>12}"
        )
    lines.append(f"codes of {result['best_layer']}, transformed:")
    for name, cells in result["transforms"].items():
        text = ", ".join(
            f"{column} {cell['accuracy']:.3f} ({cell['difference']:+.3f} "
            f"[{cell['interval'][0]:+.3f}, {cell['interval'][1]:+.3f}])"
            for column, cell in cells.items()
        )
        lines.append(f"  {name:<9}{text}")
    lines += _format_copies(result)
    lines += _format_protocol(result)
    lines += [
        f"recommended: {result['recommended_layer']}; {result['reason']}",
        f"flags: {' '.join(result['flags'])}",
    ]
    return "\n".join(lines)


def _format_copies(result: dict[str, Any]) -> list[str]:
    if result["augmented_copies"] == 1:
        return []
    lines = [
        f"{result['augmented_copies']} copies of each image, scores summed, "
        "and the difference to the whole image alone:"
    ]
    for row in result["depths"]:
        cells = ", ".join(
            f"{name.removesuffix(COPIES)} {cell['accuracy']:.3f} "
            f"({cell['difference']:+.3f} "
            f"[{cell['difference_interval'][0]:+.3f}, "
            f"{cell['difference_interval'][1]:+.3f}])"
            for name, cell in row.items()
            if name.endswith(COPIES)
        )
        lines.append(f"  {row['layer']}: {cells}")
    return lines


def _format_protocol(result: dict[str, Any]) -> list[str]:
    rows = result.get("over_splits", [])
    if not rows:
        return []
    lines = [
        f"{result['train_per_class']} training images a class, mean per-class "
        "accuracy +- its deviation over splits:"
    ]
    for row in rows:
        cells = ", ".join(
            f"{name} {cell['accuracy']:.3f} +- {cell['deviation']:.3f}"
            for name, cell in row.items()
            if name != "layer"
        )
        lines.append(f"  {row['layer']}: {cells}")
    return lines
