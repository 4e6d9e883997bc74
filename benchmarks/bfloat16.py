"""ResNet50 at 224 px in bfloat16, random weights, images in memory."""

import keras
import numpy as np

from benchmarks.harness import Section, interleave
from tlkeras.data.parallel import ordered_map
from tlkeras.features.engines import choose_engine, relative_error
from tlkeras.features.keras_engine import reference_outputs

IMAGES = 96


def run() -> Section:
    """Measures `predict`, OpenVINO in float32 and in bfloat16."""
    keras.utils.set_random_seed(0)
    network = keras.applications.ResNet50(
        include_top=False, pooling="avg", weights=None
    )
    rng = np.random.default_rng(0)
    images = rng.uniform(-128, 128, (IMAGES, 224, 224, 3)).astype(np.float32)
    built = [
        choose_engine(
            network,
            images[:8],
            engine="openvino",
            precision=precision,
            num_streams=2,
        ).engine
        for precision in ("float32", "bfloat16")
    ]
    # One row only where the processor does not compute in bfloat16.
    engines = {engine.precision: engine for engine in built}

    def stream(engine) -> None:  # type: ignore[no-untyped-def]
        parts = [images[i : i + 8] for i in range(0, IMAGES, 8)]
        for _ in ordered_map(engine.run, parts, num_workers=2):
            pass

    seconds = interleave(
        {
            "predict": lambda: network.predict(images, verbose=0),
            **{
                name: lambda engine=engine: stream(engine)
                for name, engine in engines.items()
            },
        },
        rounds=3,
    )
    (reference,) = reference_outputs(network, images[:8])
    rows = [["side", "images a second", "ratio", "relative L2 to Keras"]]
    for name, value in seconds.items():
        error = (
            f"{relative_error(engines[name].run(images[:8])[0], reference):.1e}"
            if name in engines
            else ""
        )
        rows.append(
            [
                name,
                f"{IMAGES / value:.0f}",
                f"{seconds['predict'] / value:.2f}x",
                error,
            ]
        )
    return Section(
        "ResNet50, 224 px, bfloat16 (random weights)",
        rows,
        [
            f"{IMAGES} images in memory. Where the processor has AMX its tile "
            "unit does the work; this one is named above.",
        ],
    )
