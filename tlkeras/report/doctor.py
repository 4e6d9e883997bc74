"""What the machine has, and what a backbone looks like inside."""

import os
from collections.abc import Iterator
from pathlib import Path

import keras

from tlkeras import devices, workdir
from tlkeras.config.presets import describe_presets
from tlkeras.config.values import HUB
from tlkeras.errors import InputError
from tlkeras.features.engines import ENGINES, engine_obstacle
from tlkeras.models.backbone_facts import FACTS
from tlkeras.models.backbones import BACKBONES, build_backbone, weight_cache
from tlkeras.models.graph import (
    layer_stages,
    num_parameters,
    topological_layers,
)
from tlkeras.models.hub_backbone import hub_presets


def describe_machine() -> str:
    """Returns versions, devices, precision, cached weights, and presets."""
    accelerator = devices.accelerator_name()
    folder = weight_cache()
    cached = sorted(path.name for path in folder.glob("*.h5"))
    policy = devices.choose_precision("auto", accelerator)
    lines = [
        f"{name:<18}{v}" for name, v in devices.installed_versions().items()
    ]
    lines += [
        f"{'backend':<18}{keras.backend.backend()}",
        f"{'accelerator':<18}{accelerator or 'none'}",
        f"{'cpu cores':<18}{os.cpu_count()}",
        f"{'precision auto':<18}{policy}",
        f"{'xla':<18}{devices.should_compile_with_xla()}",
        *(
            f"{f'engine {name}':<18}{engine_obstacle(name) or 'usable'}"
            for name in sorted(ENGINES)
        ),
        f"{'cache folder':<18}{workdir.cache_directory()}",
        f"{'weight cache':<18}{folder} ({len(cached)} files)",
    ]
    return "\n".join(
        [*lines, *(f"  {name}" for name in cached), "", describe_presets()]
    )


def describe_backbones() -> Iterator[str]:
    """Yields the networks that `model.backbone` may name, in two tables.

    Nothing is built or fetched. The second, KerasHub's, takes seconds to
    import.
    """
    folder = weight_cache()
    lines = [_row("network", "pixels", "parameters", "contract", "weights")]
    for name, spec in BACKBONES.items():
        fact = FACTS[name]
        lines.append(
            _row(
                name,
                str(spec.default_size),
                f"{fact.parameters:,}",
                spec.contract,
                f"{_place(folder / fact.weights_file)} {fact.weights_file}",
            )
        )
    yield "\n".join([*lines, f"cached = in '{folder}'"])
    yield (
        "\none's own: FILE.keras, FILE.h5, or a run directory; size, contract "
        "and weights are the file's"
    )
    try:
        presets = hub_presets()
    except InputError as error:
        yield f"\nKerasHub: {error}"
        return
    yield "\n".join(
        [
            f"\n{'preset of KerasHub':<60}{'parameters':>14}  weights",
            *(
                f"{HUB + name:<60}{preset.parameters:>14,}  "
                f"{_place(preset.cache)} {preset.handle}"
                for name, preset in presets.items()
            ),
            "size and contract are in each preset; hub:DIRECTORY is one that "
            "lies here",
        ]
    )


def _row(*cells: str) -> str:
    name, size, parameters, contract, weights = cells
    return f"{name:<20}{size:>7}{parameters:>13}  {contract:<15}{weights}"


def _place(path: Path) -> str:
    return "cached" if path.exists() else "download"


def describe_layers(backbone: str, image_size: int | None) -> str:
    """Returns a backbone's layers in topological order, with their stages."""
    network = build_backbone(backbone, image_size=image_size)
    lines = [f"{'layer':<40}{'stage':>6}{'parameters':>12}  output"]
    for layer, stage in zip(
        topological_layers(network), layer_stages(network), strict=True
    ):
        shape = "x".join(str(side) for side in layer.output.shape[1:])
        lines.append(
            f"{layer.name:<40}{stage:>6}{num_parameters(layer):>12,}  {shape}"
        )
    return "\n".join(lines)
