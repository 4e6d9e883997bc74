"""What the machine has, and what a backbone looks like inside."""

import os

import keras

from tlkeras import devices, workdir
from tlkeras.config.presets import describe_presets
from tlkeras.features.engines import ENGINES, engine_obstacle
from tlkeras.models.backbones import build_backbone, weight_cache
from tlkeras.models.graph import (
    layer_stages,
    num_parameters,
    topological_layers,
)


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
