"""A drawing of the network in each phase: what was frozen, what trained."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tlkeras.charts import shorten
from tlkeras.evaluation.phase_details import GroupRow, PhaseDetails
from tlkeras.evaluation.records import PhaseRecord
from tlkeras.report.run_files import Content, RunFiles

TOP_WIDTH, BOTTOM_WIDTH = 88.0, 40.0  # of the funnel, SVG units
MIN_HEIGHT, MAX_HEIGHT = 54.0, 104.0  # of a block: three lines of text fit
GAP = 5.0
IMAGE_HEIGHT = 30.0
MAX_LAYERS_WORDS = 42  # characters that fit beside the funnel


@dataclasses.dataclass(frozen=True)
class Block:
    """A part of the network.

    Attributes:
        name: Of its layer group.
        frozen: Whether the phase leaves it as it is.
        parameters: Of it; 0 if unknown.
        what: Line about its parameters.
        layers: Line that says from where to where it goes.
        rate: It trains at; None if it does not, or is solved.
        points: Corners of its trapezoid for SVG, x,y in SVG units.
        middle: Its height in the drawing, SVG units from the top.
    """

    name: str
    frozen: bool
    parameters: int
    what: str
    layers: str
    rate: float | None = None
    points: str = ""
    middle: float = 0.0


@dataclasses.dataclass(frozen=True)
class Drawing:
    """The funnel of a phase; lengths in SVG units.

    Attributes:
        above: What enters.
        below: What comes out.
        blocks: From the image to the head.
        width: Of the widest block.
        end: Where the last block ends.
        height: Of the whole drawing.
    """

    above: str
    below: str
    blocks: tuple[Block, ...]
    width: float
    end: float
    height: int


def build_phases(files: RunFiles) -> Content:
    """Returns what each phase did, with the shapes of its drawing."""
    return {
        "phases": [_describe_phase(row, files) for row in files.phases],
        "metric": f"val/{files.metric}",
        "metric_name": files.metric_name,
        "weights": Path(str(files.config.model.weights)).name,
    }


def _describe_phase(row: PhaseRecord, files: RunFiles) -> Content:
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
) -> list[Block]:
    """Returns the parts of the network from the image to the head, not placed.

    Args:
        details: How the phase was done.
        settings: Of the phase, from the config.
        num_parameters: Of the whole model.
    """
    groups = details.layer_groups
    if groups is None:
        how = "" if details.l2 is None else f", L2 {details.l2:.3g}"
        return [
            Block("frozen", True, 0, "runs once, codes are kept", "backbone"),
            Block("head", False, 0, f"solved exactly{how}", "logits"),
        ]
    trained = [_describe_group(group) for group in reversed(groups)]
    if settings["trainable_from"] == "all":
        return trained
    count = sum(block.parameters for block in trained)
    frozen = max(num_parameters - count, 0)
    first = groups[-1].first_layer if len(groups) > 1 else "the head"
    what, layers = f"{frozen:,} parameters", f"below {first}"
    below = Block("frozen", True, frozen, what, _shorten_layers(layers))
    return [below, *trained]


def _describe_group(group: GroupRow) -> Block:
    first, last = group.first_layer, group.last_layer
    return Block(
        shorten(group.group),
        False,
        group.parameters,
        f"{group.parameters:,} parameters, {group.optimizer}",
        _shorten_layers(first if first == last else f"{first} to {last}"),
        rate=group.learning_rate,
    )


def _shorten_layers(text: str) -> str:
    return shorten(text, MAX_LAYERS_WORDS)


def draw_blocks(blocks: Sequence[Block], above: str, below: str) -> Drawing:
    """Places the blocks as a funnel, the image on top.

    A block's height grows with the root of its parameters: a head of 10,000
    beside a backbone of 2 million would be no line at all.

    Args:
        blocks: From `list_blocks`.
        above: What enters.
        below: What comes out.
    """
    largest = max(block.parameters for block in blocks) or 1
    heights = [
        MIN_HEIGHT
        + (MAX_HEIGHT - MIN_HEIGHT) * math.sqrt(block.parameters / largest)
        for block in blocks
    ]
    total = sum(heights) + GAP * (len(blocks) - 1)
    top = IMAGE_HEIGHT + GAP

    def width_at(y: float) -> float:
        return TOP_WIDTH - (TOP_WIDTH - BOTTOM_WIDTH) * (y - top) / total

    placed, y = [], top
    for block, height in zip(blocks, heights, strict=True):
        placed.append(
            dataclasses.replace(
                block,
                points=_trapezoid(y, y + height, width_at),
                middle=round(y + height / 2, 1),
            )
        )
        y += height + GAP
    return Drawing(
        above,
        below,
        tuple(placed),
        width=TOP_WIDTH,
        end=round(y - GAP, 1),
        height=round(y + 26),
    )


def _trapezoid(
    top: float, bottom: float, width_at: Callable[[float], float]
) -> str:
    middle = TOP_WIDTH / 2
    upper, lower = width_at(top) / 2, width_at(bottom) / 2
    corners = [
        (middle - upper, top),
        (middle + upper, top),
        (middle + lower, bottom),
        (middle - lower, bottom),
    ]
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
