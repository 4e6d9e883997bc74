"""The average of several networks' weights.

Reference:
    Wortsman et al., Model soups: averaging weights of multiple fine-tuned
    models improves accuracy without increasing inference time, 2022.
"""

from collections.abc import Iterable, Sequence

import keras
import numpy as np

from tlkeras.models.batch_norm import estimate_statistics
from tlkeras.models.graph import batch_norm_layers

Weights = Sequence[np.ndarray]  # as `model.get_weights()` gives them


def load_average(
    model: keras.Model,
    members: Sequence[Weights],
    batches: Iterable[np.ndarray],
) -> None:
    """Puts the average of several networks into a model, which then is frozen.

    Statistics of BatchNormalization on which they disagree were trained, and
    their average is not the statistics of the averaged network: those are
    computed again.

    Args:
        model: Of the members' architecture, changed in place.
        members: For each network its weights, arrays [...].
        batches: Training images, [n, S, S, 3] in 0..255.
    """
    model.trainable = False
    model.set_weights(average_weights(members))
    # A loaded model takes a list of its one input, and warns of an array.
    plain = keras.Model(model.inputs[0], model.outputs[0])
    norms = differing_statistics(model, members)
    estimate_statistics(plain, norms, batches)


def average_weights(members: Sequence[Weights]) -> list[np.ndarray]:
    """Returns the mean of each weight; that of one member is its own, exactly.

    Args:
        members: For each network its weights, arrays [...] of the same shapes.

    Returns:
        One array [...] a weight, in the dtype of the first member's.
    """
    return [
        np.mean(np.stack(arrays).astype(np.float64), axis=0).astype(
            arrays[0].dtype
        )
        for arrays in zip(*members, strict=True)
    ]


def differing_statistics(
    model: keras.Model, members: Sequence[Weights]
) -> list[keras.layers.BatchNormalization]:
    """Returns the BatchNormalization layers whose statistics are not alike.

    Args:
        model: Of the members' architecture.
        members: For each network its weights, arrays [...].
    """
    place = {id(weight): index for index, weight in enumerate(model.weights)}
    first, *others = members

    def differs(weight: keras.Variable) -> bool:
        index = place[id(weight)]
        return any(
            not np.array_equal(first[index], other[index]) for other in others
        )

    return [
        norm
        for norm in batch_norm_layers(model.layers)
        if differs(norm.moving_mean) or differs(norm.moving_variance)
    ]
