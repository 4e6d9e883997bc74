"""From RGB in 0..255 to what a backbone was trained on, inside the model.

Keras' own layers and operations only, so that `model.keras` loads without this
package, and an exported graph needs no preprocessing outside.
"""

import keras
import numpy as np

CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)
TORCH_MEAN = (0.485, 0.456, 0.406)
TORCH_STD = (0.229, 0.224, 0.225)
IDENTITY = ((1.0,) * 3, (0.0,) * 3)

# name -> (scale, offset, whether channels become BGR first).
CONTRACTS = {
    "none": (*IDENTITY, False),
    "minus_one_one": ((1 / 127.5,) * 3, (-1.0,) * 3, False),
    "zero_one": ((1 / 255,) * 3, (0.0,) * 3, False),
    "caffe": ((1.0,) * 3, tuple(-mean for mean in CAFFE_MEAN_BGR), True),
    "torch": (
        tuple(1 / (255 * std) for std in TORCH_STD),
        tuple(-m / s for m, s in zip(TORCH_MEAN, TORCH_STD, strict=True)),
        False,
    ),
}


def apply_contract(
    images: keras.KerasTensor, contract: str
) -> keras.KerasTensor:
    """Applies an input contract of `CONTRACTS`.

    Args:
        images: Symbolic float32 [N, H, W, 3], RGB in 0..255.
        contract: Key of the contract.

    Returns:
        Symbolic float32 [N, H, W, 3].
    """
    scale, offset, is_bgr = CONTRACTS[contract]
    if is_bgr:
        images = keras.ops.flip(images, axis=-1)
    if (scale, offset) == IDENTITY:
        return images
    # float32 under every policy: float16 cannot tell neighbouring grey levels
    # of a caffe-style range apart.
    return keras.layers.Rescaling(
        list(scale), list(offset), dtype="float32", name="input_contract"
    )(images)


def contract_values(rgb: np.ndarray, contract: str) -> np.ndarray:
    """Applies a contract to values [..., 3] in NumPy."""
    scale, offset, is_bgr = CONTRACTS[contract]
    channels = rgb[..., ::-1] if is_bgr else rgb
    return channels * np.array(scale) + np.array(offset)


def standardize(
    images: keras.KerasTensor,
    contract: str,
    mean: np.ndarray,
    std: np.ndarray | None,
) -> keras.KerasTensor:
    """Subtracts a training mean and optionally divides by a deviation.

    Contracts are affine in each channel, so statistics of images in 0..255
    give those after the contract.

    Args:
        images: Symbolic float32 [N, H, W, 3], after the contract.
        contract: The one that was applied.
        mean: [3] per channel, or [H, W, 3] the mean image, RGB in 0..255.
        std: Like `mean`, or None.

    Returns:
        Symbolic float32 [N, H, W, 3].
    """
    origin = contract_values(np.zeros(3), contract)
    gain = (contract_values(np.full(3, 255.0), contract) - origin) / 255.0
    flipped = contract == "caffe"
    mean = (mean[..., ::-1] if flipped else mean) * gain + origin
    variance = np.ones_like(mean)
    if std is not None:
        variance = np.square((std[..., ::-1] if flipped else std) * gain)
    layer = keras.layers.Normalization(
        axis=-1 if mean.ndim == 1 else (1, 2, 3),
        mean=mean.tolist(),
        variance=variance.tolist(),
        dtype="float32",
        name="training_mean",
    )
    return layer(images)
