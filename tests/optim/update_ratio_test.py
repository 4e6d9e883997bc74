import warnings

import keras
import numpy as np
import pytest

from tlkeras.optim.update_ratio import update_ratio, values_of


def build_variables(*values):
    return [
        keras.Variable(np.asarray(v, "float32"), name=f"variable_{i}")
        for i, v in enumerate(values)
    ]


def test_the_ratio_is_of_joint_norms_and_leaves_biases_out():
    variables = build_variables([[3.0, 0.0]], [[0.0, 4.0]], [7.0])
    before = values_of(variables)
    variables[0].assign([[3.0, 0.3]])
    variables[1].assign([[0.4, 4.0]])
    variables[2].assign([-7.0])
    assert update_ratio(variables, before) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("after", "expected"),
    [(3e38, 3e38), (-np.inf, np.inf), (np.nan, np.nan)],
)
def test_weights_that_run_away_are_no_warning(after, expected):
    variables = build_variables([[1.0]])
    before = values_of(variables)
    variables[0].assign([[after]])
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        ratio = update_ratio(variables, before)
        assert ratio == pytest.approx(expected, rel=1e-5, nan_ok=True)
        still = update_ratio(variables, values_of(variables))
    assert still == pytest.approx(
        0 if np.isfinite(after) else np.nan, nan_ok=True
    )
