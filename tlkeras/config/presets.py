"""Recipes by what they cost: one row fills in the fields that decide it.

ImageNet accuracies are the published ones (keras.io/api/applications);
`python -m benchmarks presets` measures the speeds.
"""

import dataclasses
from collections.abc import Collection

from ml_collections import ConfigDict

from tlkeras.config.defaults import get_config
from tlkeras.config.dotted import get_value, set_value
from tlkeras.errors import InputError
from tlkeras.tables import lookup


@dataclasses.dataclass(frozen=True)
class Preset:
    """A backbone with its image size, phases and budget.

    Attributes:
        backbone: Of keras.applications.
        image_size: In pixels; the one that its ImageNet weights are for.
        phase_order: Names of the default phases that are run.
        max_seconds: Budget of a run, of wall clock; 0 = none.
        imagenet_top_1: Published accuracy of those weights, 0 .. 1.
        num_parameters: Of the backbone without its top.
        codes_per_second: Images through the frozen backbone, with random
            weights on 2 cores of an AMD EPYC (Zen 1).
        trained_per_second: Training images through the default fine-tuning
            there, in batches of 32.
    """

    backbone: str
    image_size: int
    phase_order: tuple[str, ...]
    max_seconds: float
    imagenet_top_1: float
    num_parameters: int
    codes_per_second: float
    trained_per_second: float

    def fields(self) -> dict[str, object]:
        """Returns the fields that it fills in, by dotted name."""
        return {
            "model.backbone": self.backbone,
            "model.image_size": self.image_size,
            "phases.phase_order": self.phase_order,
            "runtime.max_seconds": self.max_seconds,
        }


BOTH_PHASES = ("linear_probe", "fine_tune")
PRESETS = {
    "fast": Preset(
        "MobileNetV2", 224, ("linear_probe",), 0.0, 0.713, 2_257_984, 84.1, 23.0
    ),
    "balanced": Preset(
        "EfficientNetV2B0",
        224,
        BOTH_PHASES,
        3600.0,
        0.787,
        5_919_312,
        37.6,
        10.7,
    ),
    "accurate": Preset(
        "ConvNeXtTiny", 224, BOTH_PHASES, 0.0, 0.813, 27_820_128, 6.9, 0.6
    ),
}


def apply_preset(
    config: ConfigDict, name: str, keep: Collection[str] = ()
) -> None:
    """Fills a preset's fields into a config, and names it there.

    Args:
        config: Changed in place.
        name: Of a row of `PRESETS`.
        keep: Dotted names of fields that stay as they are.

    Raises:
        InputError: For a name that is none.
    """
    preset = lookup(PRESETS, name, what="preset")
    config.preset = name
    for field, value in preset.fields().items():
        if field not in keep:
            set_value(config, field, value)


def require_applied(config: ConfigDict) -> None:
    """Makes sure that the preset that a config names is filled in.

    Raises:
        InputError: If it has no effect at all.
    """
    if not config.preset:
        return
    default = get_config()
    preset = lookup(PRESETS, config.preset, what="preset")
    fields = {
        name: value
        for name, value in preset.fields().items()
        if value != get_value(default, name)
    }
    if not any(get_value(config, name) == v for name, v in fields.items()):
        raise InputError(
            f"preset='{config.preset}' is named, but none of its fields "
            f"({', '.join(fields)}) holds its value; expected a preset that is "
            "filled in: call apply_preset(config, name)."
        )


def describe_presets() -> str:
    """Returns a table of the presets for people."""
    head = (
        f"{'preset':<10}{'backbone':<18}{'pixels':>7}{'ImageNet':>10}"
        f"{'parameters':>12}{'codes/s':>9}{'train/s':>9}  phases, budget"
    )
    rows = [
        f"{name:<10}{row.backbone:<18}{row.image_size:>7}"
        f"{row.imagenet_top_1:>10.3f}{row.num_parameters:>12,}"
        f"{row.codes_per_second:>9.0f}{row.trained_per_second:>9.1f}  "
        f"{', '.join(row.phase_order)}; {_budget(row)}"
        for name, row in PRESETS.items()
    ]
    return "\n".join([head, *rows])


def _budget(preset: Preset) -> str:
    seconds = preset.max_seconds
    return f"{seconds / 60:.0f} minutes" if seconds else "no limit"
