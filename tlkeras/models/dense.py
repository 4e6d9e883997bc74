"""Dense evaluation: a classifier as one that answers in every cell.

A fully connected layer is a convolution, so the head of a classifier can be
applied to each cell of the last feature map, or to each patch of a transformer,
instead of to their pooled codes:

- `average` pooling: the head of each cell. Pooling and a linear head commute,
  so the mean of the class maps is the logits.
- `max` pooling: each component's share goes to the cell that it was taken from,
  times the number of cells; again the mean is the logits.
- `flatten`: the head is an h x w convolution without padding; it slides over
  images larger than those of training.
- With hidden layers (`mlp`) the same are 1 x 1 convolutions after the first;
  what they give each cell is its own score, and no mean is the logits.

References:
    CS231n, Convolutional Networks, "Converting FC layers to CONV layers".
    Oquab et al., Is Object Localization for Free?, 2015.
"""

import dataclasses
import math

import keras
import numpy as np

from tlkeras.errors import InputError
from tlkeras.models.cells import find_backbone, find_cells, find_stride
from tlkeras.models.depths import is_isotropic
from tlkeras.models.heads import POOLING

MAX_POOLINGS = (
    keras.layers.GlobalMaxPooling2D,
    keras.layers.GlobalMaxPooling1D,
)
LARGEST_SIZE = 4096  # pixels; activations would not fit beyond


@dataclasses.dataclass(frozen=True)
class DenseClassifier:
    """A classifier that answers in every cell of an image.

    Attributes:
        model: float32 [N, S, S, 3] in 0..255 -> class maps float32
            [N, h, w, C].
        image_size: S, pixels.
        stride: Of the backbone, pixels from one cell to the next.
        window: Side of the square of cells that each answer sees; 1 but for
            `flatten`.
        is_additive: Whether the mean over the cells is the classifier's
            logits, at the size that it was built for.
    """

    model: keras.Model
    image_size: int
    stride: int
    window: int
    is_additive: bool

    @property
    def grid(self) -> tuple[int, int]:
        """(h, w) of the class maps."""
        height, width = self.model.output_shape[1:3]
        return height, width


def build_dense(
    model: keras.Model, *, image_size: int | None = None
) -> DenseClassifier:
    """Turns a classifier into a network of class maps.

    At the classifier's own size all layers are shared; at another one the
    backbone is built again and gets a copy of the weights.

    Args:
        model: As `build_classifier` makes it and a run keeps it: float32
            [N, S, S, 3] in 0..255 -> logits [N, C].
        image_size: Side of the images, a multiple of the backbone's stride;
            None = the classifier's own.

    Raises:
        InputError: If the head sees no cells, or the network cannot take the
            size.

    Example:
    >>> from tlkeras.models.classifier import build_classifier
    >>> built = build_classifier(
    ...     "MobileNet", class_names=["cat", "dog"], weights="none",
    ...     image_size=64, alpha=0.25)
    >>> build_dense(built.model, image_size=128).grid
    (4, 4)
    """
    own_size = model.inputs[0].shape[1]
    size = image_size or own_size
    stride = find_stride(model)
    images, features = find_cells(model)
    own_cells = features.shape[1:]
    if size != own_size:
        _check_size(model, size, own_size=own_size, stride=stride)
        images, features = _rebuild(images, features, size)
    maps, is_additive, window = _apply_head(model, features, own_cells)
    dense = keras.Model(images, maps, name="dense")
    return DenseClassifier(dense, size, stride, window, is_additive)


def resize_classifier(model: keras.Model, image_size: int) -> keras.Model:
    """Builds a classifier again, for images of another size.

    Its head pools over more or fewer cells.

    Args:
        model: As for `build_dense`.
        image_size: Side S of the images, a multiple of the backbone's stride.

    Returns:
        float32 [N, S, S, 3] in 0..255 -> logits [N, C], with a copy of the
        weights.

    Raises:
        InputError: If the head or the network cannot take the size.
    """
    own_size = model.inputs[0].shape[1]
    stride = find_stride(model)
    _check_size(model, image_size, own_size=own_size, stride=stride)
    if any(isinstance(layer, keras.layers.Flatten) for layer in model.layers):
        raise InputError(
            f"The head cannot take images of {image_size} pixels, for flatten "
            f"pooling has a weight for each cell of {own_size} pixels; "
            "expected a head that pools over cells: train with "
            "--config.model.pooling=average, or keep to that size."
        )
    (logits,) = model.outputs
    images, logits = _rebuild(model.inputs[0], logits, image_size)
    return keras.Model(images, logits, name=model.name)


def _check_size(
    model: keras.Model, size: int, *, own_size: int, stride: int
) -> None:
    if is_isotropic(find_backbone(model)):
        raise InputError(
            f"The size {size} is not the run's {own_size}, and its transformer "
            "has a position for each patch of that size; expected the same: "
            "keep to it."
        )
    if size % stride or not stride <= size <= LARGEST_SIZE:
        below = min(max(size // stride, 1) * stride, LARGEST_SIZE)
        raise InputError(
            f"The size {size} does not fit the network; expected a multiple of "
            f"its stride {stride}, at most {LARGEST_SIZE}, or the run's own "
            f"{own_size}: {below} for example."
        )
    for layer in model.layers:
        if layer.name == "training_mean" and 1 in layer.axis:
            raise InputError(
                f"The size {size} is not the run's {own_size}, whose mean "
                "image has that size; expected the same: keep to it, or train "
                "with --config.data.mean=channel."
            )


def _rebuild(
    images: keras.KerasTensor, features: keras.KerasTensor, size: int
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Builds everything up to a tensor [N, ...] again for another size."""
    lower = keras.Model(images, features)
    try:
        copy = _clone(lower, size)
    except ValueError as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(
            f"The network cannot be built for images of {size} pixels "
            f"({reason}); expected a larger size: twice the run's own."
        ) from None
    copy.set_weights(lower.get_weights())
    return copy.inputs[0], copy.outputs[0]


def _clone(model: keras.Model, size: int) -> keras.Model:
    """Copies a functional model for images of another size.

    What padding was chosen when the network was built is kept.
    """

    def clone_layer(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, keras.Sequential):
            # Its config would fix the old size.
            inner = [clone_layer(part) for part in layer.layers]
            return keras.Sequential(inner, name=layer.name)
        if isinstance(layer, keras.Model):
            return _clone(layer, size)
        return layer.from_config(layer.get_config())

    images = model.inputs[0]
    resized = keras.Input(
        (size, size, images.shape[-1]), dtype=images.dtype, name="image"
    )
    return keras.models.clone_model(
        model,
        # A model that was loaded takes a list of one.
        input_tensors=keras.tree.map_structure(lambda _: resized, model.input),
        clone_function=clone_layer,
    )


def _apply_head(
    model: keras.Model,
    features: keras.KerasTensor,
    own_cells: tuple[int, int, int],
) -> tuple[keras.KerasTensor, bool, int]:
    """Returns the class maps, whether they are additive, and the window.

    Args:
        model: The classifier.
        features: [N, h, w, c].
        own_cells: (h, w, c) at the size that it was built for.
    """
    (pooling,) = [layer for layer in model.layers if layer.name == POOLING]
    dense_layers = [
        layer for layer in model.layers if isinstance(layer, keras.layers.Dense)
    ]
    is_linear = len(dense_layers) == 1
    x = features
    window = 1
    if isinstance(pooling, keras.layers.Flatten):
        first, *dense_layers = dense_layers
        window = own_cells[0]
        x = _as_convolution(first, own_cells)(x)
    elif is_linear and isinstance(pooling, MAX_POOLINGS):
        x = share_of_cells(x)
    for layer in dense_layers:
        x = layer(x)
    return keras.ops.cast(x, "float32"), is_linear, window


def _as_convolution(
    layer: keras.layers.Dense, shape: tuple[int, int, int]
) -> keras.layers.Conv2D:
    """Returns a fully connected layer over [h, w, c] as a convolution."""
    height, width, channels = shape
    convolution = keras.layers.Conv2D(
        layer.units,
        (height, width),
        activation=layer.activation,
        dtype=layer.dtype_policy,
        name=f"{layer.name}_convolution",
    )
    convolution.build((None, height, width, channels))
    kernel, bias = layer.get_weights()
    convolution.set_weights(
        [kernel.reshape(height, width, channels, layer.units), bias]
    )
    return convolution


def share_of_cells(features: keras.KerasTensor) -> keras.KerasTensor:
    """Puts each component's maximum into its cell, zero into the others.

    Args:
        features: [N, h, w, c].

    Returns:
        [N, h, w, c], times h w: the mean over the cells is the maximum.
    """
    height, width, channels = features.shape[1:]
    cells = math.prod((height, width))
    flat = keras.ops.reshape(features, (-1, cells, channels))
    first = keras.ops.argmax(flat, axis=1)  # of equals, one
    chosen = keras.ops.one_hot(first, cells, axis=1, dtype=flat.dtype)
    shares = flat * chosen * cells
    return keras.ops.reshape(shares, (-1, height, width, channels))


def spread_answers(maps: np.ndarray, window: int) -> np.ndarray:
    """Gives each cell the mean of the answers that saw it.

    Args:
        maps: [h, w, C], one answer for each square of window x window cells.
        window: As in `DenseClassifier`; 1 changes nothing.

    Returns:
        [h + window - 1, w + window - 1, C].
    """
    height, width, classes = maps.shape
    sums = np.zeros((height + window - 1, width + window - 1, classes))
    seen = np.zeros((*sums.shape[:2], 1))
    for row in range(window):
        for column in range(window):
            place = slice(row, row + height), slice(column, column + width)
            sums[place] += maps
            seen[place] += 1
    return sums / seen
