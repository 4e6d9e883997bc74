"""The average of some runs, with statistics and a temperature of its own."""

import dataclasses
from collections.abc import Sequence

from tlkeras.data.dataset import Dataset
from tlkeras.evaluation.calibration import Calibration, fit_calibration
from tlkeras.evaluation.run import Run
from tlkeras.models.averaging import load_average
from tlkeras.models.heads import LOGITS, move_logits
from tlkeras.studies.soup_answers import Answers, answer, judge
from tlkeras.studies.soup_members import Member


def pour(
    members: Sequence[Member], soup: Run, dataset: Dataset
) -> tuple[Run, Answers]:
    """Puts the soup of some members into its one model.

    What is averaged is weights as they were trained; the average is calibrated
    like any run.

    Args:
        members: At least one.
        soup: Whose model is changed.
        dataset: With the splits train and validation.

    Returns:
        The soup, and what it says of the validation images.
    """
    if len(members) == 1:
        soup.model.set_weights(members[0].weights)
        soup = _with_calibration(soup, members[0].run.result.calibration)
        return soup, answer(soup, dataset)
    load_average(
        soup.model,
        [member.trained for member in members],
        soup.batches(dataset.splits["train"].shuffle()),
    )
    split, found = dataset.splits["validation"], None
    logits = soup.compute_logits(split)
    if soup.config.evaluation.calibrate:
        found = fit_calibration(split.targets, logits, soup.loss, split.groups)
        layer = soup.model.get_layer(LOGITS)
        move_logits(layer, found.temperature, found.shift)
        logits = found.apply(logits)
    soup = _with_calibration(soup, found)
    return soup, judge(soup, split, logits)


def _with_calibration(soup: Run, calibration: Calibration | None) -> Run:
    result = dataclasses.replace(soup.result, calibration=calibration)
    return dataclasses.replace(soup, result=result)
