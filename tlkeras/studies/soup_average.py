"""The average of some runs, with statistics and a temperature of its own."""

import dataclasses
from collections.abc import Sequence

from tlkeras.data.dataset import Dataset
from tlkeras.evaluation.calibration import Calibration, fit_calibration
from tlkeras.evaluation.run import Run
from tlkeras.models.averaging import load_average
from tlkeras.models.heads import LOGITS, move_logits
from tlkeras.studies.soup_members import Member


def pour(members: Sequence[Member], soup: Run, dataset: Dataset) -> Run:
    """Returns the soup of some members, in its one model.

    What is averaged is weights as they were trained; the average is calibrated
    like any run.

    Args:
        members: At least one.
        soup: Whose model is changed.
        dataset: With the splits train and validation.
    """
    if len(members) == 1:
        soup.model.set_weights(members[0].weights)
        return _with_calibration(soup, members[0].run.result.calibration)
    load_average(
        soup.model,
        [member.trained for member in members],
        soup.batches(dataset.splits["train"].shuffle()),
    )
    if not soup.config.evaluation.calibrate:
        return _with_calibration(soup, None)
    split = dataset.splits["validation"]
    logits = soup.compute_logits(split)
    found = fit_calibration(split.targets, logits, soup.loss, split.groups)
    move_logits(soup.model.get_layer(LOGITS), found.temperature, found.shift)
    return _with_calibration(soup, found)


def _with_calibration(soup: Run, calibration: Calibration | None) -> Run:
    result = dataclasses.replace(soup.result, calibration=calibration)
    return dataclasses.replace(soup, result=result)
