"""Files that serve answer the run's calibrated probabilities."""

import json

import numpy as np
import pytest
from scipy.special import softmax


def test_every_file_answers_the_calibrated_probabilities(loaded, exported):
    run = loaded
    (temperature,) = run.calibration.temperature
    assert temperature != pytest.approx(1, abs=0.01)
    record = json.loads((exported / "export.json").read_text())
    examples = run.load_dataset("validation").splits["validation"]
    served = run.compute_logits(examples)
    trained = run.calibration.undo(served)
    scores = np.array([p.probabilities for p in run.predict(examples.paths)])
    np.testing.assert_allclose(
        scores, softmax(trained / temperature, -1), atol=1e-5
    )
    moved = np.abs(softmax(trained, -1) - scores).max()
    for name in ("saved_model", "float32"):
        shift = record["formats"][name]["largest_probability_shift"]
        assert shift < min(1e-4, moved / 10), name
