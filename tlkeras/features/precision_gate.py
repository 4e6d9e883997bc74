"""Whether lower precision is safe on the user's own images.

bfloat16 moves the codes of some networks by a fifth and changes one prediction
in twenty (MobileNetV2), those of others hardly at all (ResNet50), so that
numbers measured on the images at hand decide.
"""

import dataclasses

import numpy as np

from tlkeras.features.engines import relative_error

MAX_CODE_ERROR = 0.02
MIN_AGREEMENT = 0.99


@dataclasses.dataclass(frozen=True)
class PrecisionReport:
    """How far lower precision is from Keras in float32.

    Attributes:
        num_images: That were compared.
        relative_error: ||difference|| / ||reference|| over all of them, L2.
        min_cosine: Smallest cosine between an image's two codes.
        agreement: Share of held-out images to which a quick linear probe,
            fitted on the reference, gives the same class from both.
    """

    num_images: int
    relative_error: float
    min_cosine: float
    agreement: float

    @property
    def passed(self) -> bool:
        """Whether the lower precision may be used."""
        return (
            self.relative_error <= MAX_CODE_ERROR
            and self.agreement >= MIN_AGREEMENT
        )

    def __str__(self) -> str:
        return (
            f"relative L2 {self.relative_error:.4f} (limit "
            f"{MAX_CODE_ERROR}), smallest cosine {self.min_cosine:.4f}, "
            f"a quick probe agrees on {self.agreement:.1%} (limit "
            f"{MIN_AGREEMENT:.0%}) of {self.num_images} images against Keras "
            "float32"
        )


def compare_precision(
    reference: list[np.ndarray],
    values: list[np.ndarray],
    targets: np.ndarray,
) -> PrecisionReport:
    """Compares the frontier in lower precision with Keras in float32.

    Args:
        reference: float32 [n, ...] for each frontier tensor.
        values: float32 [n, ...] each, computed in lower precision.
        targets: float32 [n, C] multi-hot.
    """
    exact, approximate = _pool(reference), _pool(values)
    norms = np.linalg.norm(exact, axis=1) * np.linalg.norm(approximate, axis=1)
    cosines = (exact * approximate).sum(1) / np.maximum(norms, 1e-30)
    return PrecisionReport(
        num_images=len(exact),
        relative_error=relative_error(approximate, exact),
        min_cosine=float(cosines.min()),
        agreement=_probe_agreement(exact, approximate, targets),
    )


def _pool(tensors: list[np.ndarray]) -> np.ndarray:
    """Averages over space: [n, ..., c] each -> float64 [n, sum of c]."""
    return np.concatenate(
        [t.reshape(len(t), -1, t.shape[-1]).mean(1) for t in tensors], axis=1
    ).astype(np.float64)


def _probe_agreement(
    exact: np.ndarray, approximate: np.ndarray, targets: np.ndarray
) -> float:
    """Fits a ridge probe on every other image and asks it about the rest.

    Args:
        exact: float64 [n, d] reference codes.
        approximate: float64 [n, d] codes in lower precision.
        targets: float32 [n, C] multi-hot.

    Returns:
        Share of the rest that gets the same class from both, in 0..1.
    """
    mean, scale = exact.mean(0), exact.std(0) + 1e-12
    exact, approximate = (exact - mean) / scale, (approximate - mean) / scale
    fit = np.arange(len(exact)) % 2 == 0
    # Dual form: n x n, however many dimensions the codes have.
    gram = exact[fit] @ exact[fit].T
    ridge = np.eye(len(gram)) * exact.shape[1]
    centred = targets[fit] - targets[fit].mean(0)
    kernel = exact[fit].T @ np.linalg.solve(gram + ridge, centred)
    answers = [(x[~fit] @ kernel).argmax(1) for x in (exact, approximate)]
    return float((answers[0] == answers[1]).mean())
