"""Solving with less memory than the codes take."""

import pytest

from tlkeras.errors import InputError
from tlkeras.evaluation.records import read_result
from tlkeras.training.trainer import train_and_evaluate


@pytest.fixture(scope="module")
def make_config(make_small_config):
    def make(**rest):
        return make_small_config(
            {
                "model.weights": "none",
                "checks.enabled": False,
                "phases.phase_order": ("linear_probe",),
                **rest,
            }
        )

    return make


def solved(directory):
    (phase,) = read_result(directory).phases
    return phase.details


def test_reading_at_every_step_finds_what_holding_all_does(
    make_config, tmp_path, listening_console
):
    held = train_and_evaluate(make_config(), tmp_path / "held")
    config = make_config(**{"features.max_memory_bytes": 1000})
    read = train_and_evaluate(
        config, tmp_path / "read", console=listening_console
    )
    assert any("reads the codes again" in x for x in listening_console.lines)
    for name in ("val/loss", "val/top_1_accuracy", "test/loss"):
        assert read[name] == pytest.approx(held[name], rel=1e-2)
    assert solved(tmp_path / "read").l2 == solved(tmp_path / "held").l2


def test_codes_that_are_nowhere_are_refused(make_config, tmp_path):
    config = make_config(
        **{"features.max_memory_bytes": 1000, "features.cache": "off"}
    )
    with pytest.raises(InputError, match=r"not cached; expected a cache"):
        train_and_evaluate(config, tmp_path / "run")
