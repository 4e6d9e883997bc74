"""A drawing of the network in each phase: what was frozen, what trained."""

import math
from pathlib import Path
from typing import Any

from tlkeras.charts import shorten
from tlkeras.evaluation.records import PhaseDetails, PhaseRecord
from tlkeras.report.run_files import RunFiles

TOP_WIDTH, BOTTOM_WIDTH = 88.0, 40.0  # of the funnel, SVG units
MIN_HEIGHT, MAX_HEIGHT = 54.0, 104.0  # of a block: three lines of text fit
GAP = 5.0
IMAGE_HEIGHT = 30.0


def build_phases(files: RunFiles) -> dict[str, Any]:
    """Returns what each phase did, with the shapes of its drawing."""
    return {
        "phases": [_describe_phase(row, files) for row in files.phases],
        "metric": f"val/{files.metric}",
        "metric_name": files.metric_name,
        "weights": Path(str(files.config.model.weights)).name,
    }


def _describe_phase(row: PhaseRecord, files: RunFiles) -> dict[str, Any]:
    settings = files.config.phases[row.phase].to_dict()
    return {
        **row.as_dict(),
        "solved": not row.is_fitted,
        "settings": settings,
        "drawing": draw_blocks(
            list_blocks(row.details, settings, files.result.num_parameters),
            f"{files.result.image_size} x {files.result.image_size} px",
            f"{len(files.class_names)} classes",
        ),
    }


def list_blocks(
    details: PhaseDetails, settings: dict[str, Any], num_parameters: int
) -> list[dict[str, Any]]:
    """Returns the parts of the network from the image to the head.

    Args:
        details: How the phase was done.
        settings: Of the phase, from the config.
        num_parameters: Of the whole model.

    Returns:
        For each part `name`, `frozen`, `parameters` (0 if unknown) and two
        lines, `what` and `layers`.
    """
    groups = details.layer_groups
    if groups is None:
        return [
            _block("frozen", True, 0, "runs once, codes are kept", "backbone"),
            _block(
                "head",
                False,
                0,
                f"solved exactly, L2 {details.l2:.3g}"
                if details.l2 is not None
                else "solved exactly",
                "logits",
            ),
        ]
    trained = sum(group.parameters for group in groups)
    frozen = max(num_parameters - trained, 0)
    blocks = []
    if settings["trainable_from"] != "all":
        first = groups[-1].first_layer if len(groups) > 1 else "the head"
        blocks.append(
            _block(
                "frozen",
                True,
                frozen,
                f"{frozen:,} parameters",
                f"below {first}",
            )
        )
    for group in reversed(groups):
        ends = (group.first_layer, group.last_layer)
        blocks.append(
            _block(
                group.group,
                False,
                group.parameters,
                f"{group.parameters:,} parameters, {group.optimizer}",
                ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}",
                rate=group.learning_rate,
            )
        )
    return blocks


def _block(
    name: str,
    frozen: bool,
    parameters: int,
    what: str,
    layers: str,
    rate: float | None = None,
) -> dict[str, Any]:
    return {
        "name": shorten(name),
        "frozen": frozen,
        "parameters": parameters,
        "what": what,
        "layers": shorten(layers, 42),
        "rate": rate,
    }


def draw_blocks(
    blocks: list[dict[str, Any]], above: str, below: str
) -> dict[str, Any]:
    """Places the blocks as a funnel, the image on top.

    A block's height grows with the root of its parameters.

    Args:
        blocks: From `list_blocks`.
        above: What enters.
        below: What comes out.
    """
    largest = max(block["parameters"] for block in blocks) or 1
    heights = [
        MIN_HEIGHT
        + (MAX_HEIGHT - MIN_HEIGHT) * math.sqrt(block["parameters"] / largest)
        for block in blocks
    ]
    total = sum(heights) + GAP * (len(blocks) - 1)
    top = IMAGE_HEIGHT + GAP

    def width_at(y: float) -> float:
        return TOP_WIDTH - (TOP_WIDTH - BOTTOM_WIDTH) * (y - top) / total

    placed, y = [], top
    for block, height in zip(blocks, heights, strict=True):
        placed.append(
            {
                **block,
                "points": _trapezoid(y, y + height, width_at),
                "y": round(y, 1),
                "middle": round(y + height / 2, 1),
            }
        )
        y += height + GAP
    return {
        "above": above,
        "below": below,
        "blocks": placed,
        "width": TOP_WIDTH,
        "end": round(y - GAP, 1),
        "height": round(y + 26),
    }


def _trapezoid(top: float, bottom: float, width_at: Any) -> str:
    middle = TOP_WIDTH / 2
    upper, lower = width_at(top) / 2, width_at(bottom) / 2
    corners = [
        (middle - upper, top),
        (middle + upper, top),
        (middle + lower, bottom),
        (middle - lower, bottom),
    ]
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
