"""Files that serve answer the run's calibrated probabilities."""

import numpy as np
import pytest
from scipy.special import softmax

from tlkeras.evaluation.run import load_run
from tlkeras.exporters.export import ExportSettings, export_run


def test_every_file_answers_the_calibrated_probabilities(finished, tmp_path):
    run = load_run(finished)
    (temperature,) = run.calibration.temperature
    assert temperature != pytest.approx(1, abs=0.01)
    settings = ExportSettings(formats=("saved_model", "float32"))
    record = export_run(finished, tmp_path / "photos", settings)
    examples = run.load_dataset("validation").splits["validation"]
    served = run.compute_logits(examples)
    trained = run.calibration.undo(served)
    scores = np.array([p.probabilities for p in run.predict(examples.paths)])
    np.testing.assert_allclose(
        scores, softmax(trained / temperature, -1), atol=1e-5
    )
    moved = np.abs(softmax(trained, -1) - scores).max()
    for name in settings.formats:
        shift = record["formats"][name]["largest_probability_shift"]
        assert shift < min(1e-4, moved / 10), name
