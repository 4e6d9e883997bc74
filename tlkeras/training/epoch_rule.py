"""How long a phase trains where its config leaves that to the data."""

from tlkeras.data.epoch import steps_per_epoch

USUAL_EPOCHS = 8
# What 1000 images take in 8 epochs of batches of 32.
FEWEST_STEPS = 250
MOST_STEPS = 20_000
# A step of a few images ends an epoch, which costs a validation of its own.
MOST_EPOCHS = 100


def auto_epochs(num_images: int, batch_size: int) -> int:
    """Returns the epochs of a phase, by the steps that its images ask for.

    BiT-HyperRule counts steps, not epochs, and has three sizes of data: few
    images get as many steps as some thousands, and beyond half a million they
    stay at 20 000. So do these; in between it is eight epochs, which were
    chosen by measurement (docs/measurements.md).

        steps = clip(8 N / B, 250, 20 000)

    Args:
        num_images: N of the training split, at least 1.
        batch_size: B, at least 1.

    Returns:
        From 1 to 100.

    Reference:
        Kolesnikov et al. 2020, Big Transfer (BiT), section 3.3.

    Example:
    >>> [auto_epochs(n, 32) for n in (100, 1000, 10_000, 100_000, 1_000_000)]
    [83, 8, 8, 6, 1]
    """
    steps = steps_per_epoch(num_images, batch_size)
    wanted = min(max(USUAL_EPOCHS * steps, FEWEST_STEPS), MOST_STEPS)
    return min(max(round(wanted / steps), 1), MOST_EPOCHS)
