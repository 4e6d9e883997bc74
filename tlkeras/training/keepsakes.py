"""What a run leaves behind for its report: codes and first-layer filters."""

import keras
import numpy as np

from tlkeras import workdir
from tlkeras.models.graph import leaf_layers, topological_layers
from tlkeras.training.context import RunContext

MAX_CODES = 5000
MAX_CODE_BYTES = 64 * 1024**2
LARGEST_FLOAT16 = float(np.finfo(np.float16).max)


def first_kernel(backbone: keras.Model) -> np.ndarray | None:
    """Returns a copy of the first convolution's kernel.

    Args:
        backbone: A functional model.

    Returns:
        float32 [height, width, channels, filters], or None where no layer has
        such a weight.
    """
    for layer in topological_layers(backbone):
        for leaf in leaf_layers(layer):
            for weight in leaf.weights:
                if len(weight.shape) == 4:
                    return np.array(
                        keras.ops.convert_to_numpy(weight), np.float32
                    )
    return None


def write_filters(run: RunContext) -> None:
    """Writes `filters.npz`: the first kernel `before` training and `after`."""
    after = first_kernel(run.classifier.backbone)
    if run.first_kernel is None or after is None:
        return
    with workdir.replacing(run.directory / workdir.FILTERS) as temporary:
        np.savez(temporary, before=run.first_kernel, after=after)


def write_codes(run: RunContext, codes: np.ndarray) -> None:
    """Writes `codes_validation.npz`, for pictures of the validation images.

    `codes` [n, d] are float16 where they fit, `labels` [n] the names of each
    image's classes joined by `|`. At most 5000 images and 64 MiB, evenly
    spaced over the split.

    Args:
        run: In progress.
        codes: float32 [N, d] of the validation split, in its order.
    """
    split = run.dataset.splits["validation"]
    limit = max(min(MAX_CODES, MAX_CODE_BYTES // (2 * codes.shape[1])), 1)
    count = min(limit, len(codes))
    rows = np.linspace(0, len(codes) - 1, count).round().astype(int)
    labels = split.take(rows).label_names(run.dataset.class_names)
    kept = codes[rows]
    if np.abs(kept).max(initial=0.0) <= LARGEST_FLOAT16:
        kept = kept.astype(np.float16)
    with workdir.replacing(run.directory / workdir.CODES) as temporary:
        np.savez(temporary, codes=kept, labels=np.array(labels))
