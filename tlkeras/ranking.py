"""Which of two models is better: one rule for epochs, strengths and trials."""

import math

WORST = (-math.inf, -math.inf)


def rank_key(metric: float, loss: float) -> tuple[float, float]:
    """Returns what models are compared by; the larger one is better.

    The metric counts, ties are broken by the loss. What is no number ranks
    below everything, and so is never kept for ever.

    Args:
        metric: Higher is better.
        loss: Lower is better.

    Example:
    >>> rank_key(0.9, 0.4) > rank_key(0.9, 0.5) > rank_key(float("nan"), 0.1)
    True
    """
    if math.isnan(metric) or math.isnan(loss):
        return WORST
    return metric, -loss
