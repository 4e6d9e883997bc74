"""How an epoch is divided and weighted; needs no TensorFlow."""

import hashlib

import numpy as np

CLASS_WEIGHTINGS = ("none", "balanced")


def stream_seed(seed: int, phase: str) -> int:
    """Returns the seed of a phase's random stream, a non-negative int32."""
    digest = hashlib.blake2b(f"{seed}:{phase}".encode(), digest_size=4).digest()
    return int.from_bytes(digest) & 0x7FFFFFFF


def steps_per_epoch(num_images: int, batch_size: int) -> int:
    """Returns the number of full batches; a small split is one batch."""
    return max(1, num_images // batch_size)


def balanced_class_weights(label_counts: np.ndarray) -> np.ndarray:
    """Returns N / (C n_c) per class, as scikit-learn's `balanced`.

    Args:
        label_counts: [C] images n_c of each class.

    Returns:
        float32 [C].
    """
    counts = np.maximum(label_counts, 1.0)
    return (label_counts.sum() / (len(counts) * counts)).astype(np.float32)
