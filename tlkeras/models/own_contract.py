"""Which values a network of one's own expects, measured.

What stands before the network in its file, a rescaling for example, is held
against the known contracts by its answers. Where nothing does, the moving
statistics of the first BatchNormalization tell which contract gives them back.
"""

from pathlib import Path

import keras
import numpy as np

from tlkeras.errors import InputError
from tlkeras.models.graph import graph_nodes, topological_layers
from tlkeras.models.preprocessing import CONTRACTS, contract_values

PROBE_SIDE = 32  # pixels, where a model takes any size
# Relative to the largest value: how well a contract must be hit.
TOLERANCE = 1e-3
# The next best contract's distance must be so many times the best one's. Photos
# leave a factor of 13 and more, drawings 1.2; see docs/measurements.md.
CLEAR = 1.1


def recognise_contract(front: keras.Model, path: Path) -> str:
    """Returns the contract that layers before a network amount to, or "".

    Args:
        front: Images [N, S, S, 3] in 0..255 -> what the network gets.
        path: Of the file, for people.

    Raises:
        InputError: If they do something that no contract does.
    """
    side = front.inputs[0].shape[1] or PROBE_SIDE
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, side, side, 3)).astype(np.float32)
    values = np.asarray(front(images, training=False), np.float32)
    for contract in CONTRACTS:
        wanted = contract_values(images, contract)
        if wanted.shape == values.shape and np.allclose(
            values, wanted, rtol=0, atol=TOLERANCE * np.abs(wanted).max()
        ):
            # As it came: the one who called the model had to know.
            return "" if contract == "none" else contract
    raise InputError(
        f"What '{path}' does to images before its network "
        f"({', '.join(layer.name for layer in topological_layers(front))}: "
        f"0..255 becomes {values.min():.3g}..{values.max():.3g}) is none of "
        f"the known contracts; expected one of {', '.join(CONTRACTS)}: save "
        "the network without it, and pass --config.model.contract."
    )


def measure_contract(network: keras.Model, pixels: np.ndarray) -> str:
    """Returns the contract under which images look most like the source's.

    The moving statistics of the first BatchNormalization are those of the
    images that the network was trained on (`source_distance`).

    Args:
        network: Images after the contract, [N, S, S, 3] -> features.
        pixels: uint8 [N, S, S, 3], RGB.

    Returns:
        Key of `CONTRACTS`.

    Raises:
        InputError: If it has no BatchNormalization, or several contracts would
            do.
    """
    ask = (
        "pass --config.model.contract=" + "|".join(CONTRACTS) + ", as it was "
        "trained."
    )
    norm = next(
        (
            node
            for node in graph_nodes(network)
            if isinstance(node.operation, keras.layers.BatchNormalization)
        ),
        None,
    )
    if norm is None:
        raise InputError(
            f"The network '{network.name}' neither rescales its input nor has "
            "a BatchNormalization, so that nothing says which values it "
            f"expects: {ask}"
        )
    below = keras.Model(network.inputs[0], norm.input_tensors[0])
    distances = {
        contract: _distance(norm.operation, below, pixels, contract)
        for contract in CONTRACTS
    }
    (best, least), (other, next_least) = sorted(
        distances.items(), key=lambda item: item[1]
    )[:2]
    if next_least < CLEAR * least:
        raise InputError(
            f"The network '{network.name}' may expect '{best}' or '{other}' "
            "(these images are about as far from its own under both: "
            f"{least:.2g} and {next_least:.2g}): {ask}"
        )
    return best


def _distance(
    norm: keras.layers.BatchNormalization,
    below: keras.Model,
    pixels: np.ndarray,
    contract: str,
) -> float:
    """Returns how far images are from the source at a layer's input."""
    values = contract_values(pixels, contract).astype(np.float32)
    found = np.asarray(below.predict_on_batch(values), np.float64)
    axes = tuple(range(found.ndim - 1))
    mean, variance = (
        keras.ops.convert_to_numpy(x)
        for x in (norm.moving_mean, norm.moving_variance)
    )
    scale = np.sqrt(variance + norm.epsilon)
    shift = (found.mean(axes) - mean) / scale
    spread = np.sqrt(found.var(axes) + norm.epsilon) / scale
    return float(np.mean(shift**2 + (spread - 1) ** 2))
