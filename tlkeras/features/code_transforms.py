"""What is done to CNN codes before a linear classifier sees them.

Razavian et al. 2014 (CNN Features off-the-shelf): codes are L2-normalised,
their components raised to a signed power, and averaged over augmented copies
(CNNaug). What helps is measured by `tlkeras probe`, not assumed.
"""

from collections.abc import Callable

import numpy as np


def l2_normalize(codes: np.ndarray) -> np.ndarray:
    """Scales each row to length 1; zero rows stay zero.

    Args:
        codes: float [N, d].

    Returns:
        [N, d], in the dtype of the codes.
    """
    norms = np.linalg.norm(codes, axis=1, keepdims=True)
    return codes / np.maximum(norms, 1e-12)


def signed_power(codes: np.ndarray, power: float) -> np.ndarray:
    """Returns sign(x) |x|^power, which evens out large components.

    Args:
        codes: float [N, d], or of any shape.
        power: In (0, 1]; 1 changes nothing, 0.5 is the signed root.

    Returns:
        Of the shape and dtype of the codes.
    """
    return np.sign(codes) * np.abs(codes) ** power


# Name -> transform of codes [N, d]; in the order of Razavian et al., section 3.
TRANSFORMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "none": lambda codes: codes,
    "l2": l2_normalize,
    "power": lambda codes: signed_power(codes, 0.5),
    "l2+power": lambda codes: signed_power(l2_normalize(codes), 0.5),
}
