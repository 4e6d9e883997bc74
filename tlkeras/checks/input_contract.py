"""What arrives at the first convolution is what the backbone was trained on.

The pixels of the same files, decoded by another library, go through the
contract in NumPy. For both, the means of an 8 x 8 grid of cells are fitted as
`scale * pixel + offset` of one of the true channels: a second rescaling, 0..1
in place of 0..255 or BGR in place of RGB shows in scale, mean or order. Means,
because two libraries resize fine detail differently.

Channels that follow from each other, as in grey or sepia photos, tell no order:
then each value is held against the channel that the contract says.
"""

import dataclasses
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import keras
import numpy as np

from tlkeras.checks.result import FAIL, PASS, SKIP, CheckResult
from tlkeras.data.contents import read_content
from tlkeras.data.definition import (
    CURRENT,
    GREY,
    IMAGE_FORMATS,
    ImageDefinition,
)
from tlkeras.data.orientation import turn_upright
from tlkeras.models.classifier import Classifier
from tlkeras.models.graph import graph_nodes
from tlkeras.models.preprocessing import contract_values

if TYPE_CHECKING:
    from PIL.Image import Image

PREPROCESSING = (keras.layers.Rescaling, keras.layers.Normalization)
CHANNELS = "RGB"
CELLS = 8  # a side
# The contracts differ by a factor of 2 and more in scale, or by 0.4 in mean.
MAX_SCALE_RATIO = 1.5
MAX_MEAN_ERROR = 0.1  # of the span of 255 grey levels
MIN_CONTRAST = 2.0  # grey levels; a flatter channel tells nothing
MIN_COLOR = 4.0  # grey levels that no other channel explains; less is noise
NUM_COLORS = 16  # plain images that show which channel goes where


@dataclasses.dataclass(frozen=True)
class ChannelFit:
    """How the values of three channels follow from true pixels.

    Attributes:
        order: Which true channel each is, e.g. `RGB`.
        scales: [3] slope against the pixel in 0..255.
        offsets: [3] value at pixel 0.
        means: [3] value at the mean pixel.
    """

    order: str
    scales: np.ndarray
    offsets: np.ndarray
    means: np.ndarray

    def __str__(self) -> str:
        scale, offset = float(self.scales.mean()), float(self.offsets.mean())
        ends = sorted((offset, offset + 255 * scale))
        return f"{self.order} in {ends[0]:.3g}..{ends[1]:.3g}"


def cell_means(values: np.ndarray) -> np.ndarray:
    """Returns means over an 8 x 8 grid of each image, float64 [N * 64, 3].

    Args:
        values: [N, H, W, 3].
    """
    rows = np.array_split(np.arange(values.shape[1]), CELLS)
    columns = np.array_split(np.arange(values.shape[2]), CELLS)
    means = [
        values[:, r[0] : r[-1] + 1, c[0] : c[-1] + 1].mean((1, 2), np.float64)
        for r in rows
        for c in columns
    ]
    return np.concatenate(means)


def fit_channels(
    values: np.ndarray, pixels: np.ndarray, order: str = ""
) -> ChannelFit:
    """Fits each channel of values as an affine function of a true channel.

    Args:
        values: [M, 3] cell means at the first convolution.
        pixels: [M, 3] cell means of RGB in 0..255.
        order: Which true channels those are, where it is known; "" = those
            that leave least unexplained.
    """
    cross = np.cov(values, pixels, rowvar=False)
    scales = cross[:3, 3:] / np.maximum(np.diag(cross)[None, 3:], 1e-12)
    left = np.diag(cross)[:3, None] - scales * cross[:3, 3:]
    sources = left.argmin(1) if np.isfinite(left).all() else np.arange(3)
    if order:
        sources = np.array([CHANNELS.index(channel) for channel in order])
    chosen = scales[np.arange(3), sources]
    means = values.mean(0)
    return ChannelFit(
        "".join(CHANNELS[source] for source in sources),
        chosen,
        means - chosen * pixels.mean(0)[sources],
        means,
    )


def tells_order(pixels: np.ndarray) -> bool:
    """Says whether each true channel shows what no other one explains.

    Args:
        pixels: [M, 3] cell means of RGB in 0..255.
    """
    covariance = np.cov(pixels, rowvar=False)
    variances = np.diag(covariance)
    explained = covariance**2 / np.maximum(variances, 1e-12)
    left = variances[:, None] - explained
    return bool(left[~np.eye(3, dtype=bool)].min() >= MIN_COLOR**2)


def contract_order(classifier: Classifier, size: int) -> str:
    """Returns which true channel each channel should be, e.g. `BGR`.

    Args:
        classifier: Whole.
        size: Of its images, pixels.
    """
    colors = np.random.default_rng(0).uniform(0, 255, (NUM_COLORS, 1, 1, 3))
    plain = np.tile(colors, (1, size, size, 1)).astype(np.float32)
    values = cell_means(expected_values(classifier, plain))
    return fit_channels(values, cell_means(plain)).order


def first_values(classifier: Classifier, images: np.ndarray) -> np.ndarray:
    """Returns what the first convolution is given, float32 [N, H, W, 3].

    Args:
        classifier: Whole, with its own preprocessing.
        images: [N, S, S, 3] as the pipeline gives them.
    """
    backbone = classifier.backbone
    (call,) = [
        node
        for node in graph_nodes(classifier.model)
        if node.operation is backbone
    ]
    front = keras.Model(classifier.model.inputs[0], call.input_tensors[0])
    values = front(images.astype(np.float32))
    for layer in own_preprocessing(backbone):
        values = layer(values)
    return keras.ops.convert_to_numpy(values).astype(np.float32)


def own_preprocessing(backbone: keras.Model) -> list[keras.layers.Layer]:
    """Returns the layers before the first one that is no preprocessing."""
    layers = []
    for node in graph_nodes(backbone):
        if isinstance(node.operation, keras.layers.InputLayer):
            continue
        if not isinstance(node.operation, PREPROCESSING):
            break
        layers.append(node.operation)
    return layers


def expected_values(classifier: Classifier, pixels: np.ndarray) -> np.ndarray:
    """Returns what true pixels should become, by the backbone's contract.

    Args:
        classifier: Its backbone's row in the table, its training mean and the
            layers of the backbone itself count; nothing else that may stand in
            front of the backbone.
        pixels: [N, S, S, 3] RGB in 0..255.
    """
    values = contract_values(pixels, classifier.spec.contract)
    means = [x for x in classifier.model.layers if x.name == "training_mean"]
    for layer in [*means, *own_preprocessing(classifier.backbone)]:
        values = layer(keras.ops.cast(values, "float32"))
    return keras.ops.convert_to_numpy(values)


def check_input_contract(
    classifier: Classifier, images: np.ndarray, pixels: np.ndarray
) -> CheckResult:
    """Compares range, mean and channel order with the backbone's contract.

    Args:
        classifier: Whole.
        images: [N, S, S, 3] as the pipeline gives them.
        pixels: [N, S, S, 3] RGB in 0..255 of the same files, decoded by
            another library.
    """
    name = "input_contract"
    true = cell_means(pixels)
    tells = true.std(0) >= MIN_CONTRAST
    if not tells.any():
        message = "The images are of one colour: nothing can be compared."
        return CheckResult(name, SKIP, None, None, message)
    order = contract_order(classifier, images.shape[1])
    has_order = tells_order(true)
    found = fit_channels(
        cell_means(first_values(classifier, images)),
        true,
        "" if has_order else order,
    )
    expected = cell_means(expected_values(classifier, pixels))
    wanted = fit_channels(expected, true, order)
    shown = tells[[CHANNELS.index(channel) for channel in order]]
    problem = _difference(found, wanted, shown)
    remark = "" if has_order else "; their order cannot be told from them"
    return CheckResult(
        name,
        FAIL if problem else PASS,
        str(found),
        str(wanted),
        problem
        or f"The first convolution of {classifier.backbone.name} sees {found}"
        f"{remark}.",
    )


def _difference(
    found: ChannelFit, wanted: ChannelFit, shown: np.ndarray
) -> str:
    """Returns what is wrong, or "".

    Args:
        found: At the first convolution.
        wanted: By the contract.
        shown: bool [3], whether a channel has contrast; others tell nothing.
    """
    seen = (
        f"the first convolution sees {found} where it was trained on {wanted}"
    )
    if not np.isfinite(found.means).all():
        return "The images hold values that are not finite."
    if found.order != wanted.order:
        return f"The channels are in another order: {seen}."
    tells = shown & (np.abs(wanted.scales) > 1e-9)
    ratio = np.abs(found.scales[tells] / wanted.scales[tells])
    span = 255 * np.abs(wanted.scales[tells])
    if (np.maximum(ratio, 1 / np.maximum(ratio, 1e-9)) > MAX_SCALE_RATIO).any():
        return f"The pixels are scaled twice, or not at all: {seen}."
    error = np.abs(found.means - wanted.means)[tells] / span
    if (error > MAX_MEAN_ERROR).any():
        return f"The pixels are shifted: {seen}."
    return ""


def decode_reference(
    paths: Sequence[str], size: int, definition: ImageDefinition = CURRENT
) -> np.ndarray:
    """Decodes files with Pillow: uint8 [N, size, size, 3], RGB.

    Args:
        paths: [N] image files.
        size: Side, pixels.
        definition: What the pixels of an image are.
    """
    from PIL import Image

    images = np.empty((len(paths), size, size, 3), np.uint8)
    for row, path in enumerate(paths):
        content = read_content(path)
        with Image.open(io.BytesIO(content), formats=IMAGE_FORMATS) as image:
            eight: Image.Image = image
            if image.mode.startswith("I"):  # 16 bits; Pillow would clip them
                grey = np.asarray(image).astype(np.float32) / 257
                eight = Image.fromarray(grey.astype(np.uint8))
            eight = eight.convert("RGB")
            if definition.is_upright:
                eight = turn_upright(eight, content)
            images[row] = np.asarray(_fill(eight, size, definition.geometry))
    return images


def _fill(image: "Image", size: int, geometry: str) -> "Image":
    from PIL import ImageOps
    from PIL.Image import Resampling

    bilinear = Resampling.BILINEAR
    if geometry == "center_crop":
        return ImageOps.fit(image, (size, size), bilinear)
    if geometry == "letterbox":
        bars = (GREY, GREY, GREY)
        return ImageOps.pad(image, (size, size), bilinear, color=bars)
    return image.resize((size, size), bilinear)
