"""Wherever a run is stopped, its logits come on the same path."""

import pytest

from tlkeras import train_and_evaluate, workdir
from tlkeras.training import fit, solve, trainer

from .finished_runs import assert_same_weights


class Stopped(BaseException):
    """Stands for a kill."""


def stop(*_, **__):
    raise Stopped


# Where the process dies: (module, name of what it was about to do).
PLACES = {
    "before the outcome of a solved phase": (solve, "prove_stitched"),
    "before the outcome of a fitted phase": (fit, "prove_stitched"),
    "after the last commit of a phase": (trainer, "save_model"),
    "before the last looks": (trainer, "evaluate_weights"),
    "before the result": (trainer, "write_result"),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("fitted", [True, False], ids=["fit", "solve"])
def test_a_stopped_run_has_the_bits_of_one_that_was_not(
    small_config, tmp_path, monkeypatch, place, fitted
):
    module, name = PLACES[place]
    if not fitted:
        small_config.phases.phase_order = ("linear_probe",)
        if module is fit:
            pytest.skip("nothing is fitted")
    small_config.evaluation.replace_p_value = 1.0  # keep the last phase
    whole = train_and_evaluate(small_config, tmp_path / "whole")
    with monkeypatch.context() as patched:
        patched.setattr(module, name, stop)
        with pytest.raises(Stopped):
            train_and_evaluate(small_config, tmp_path / "stopped")
    again = train_and_evaluate(small_config, tmp_path / "stopped")
    for key in whole:
        if key.startswith(("val/", "test/")):
            assert again[key] == whole[key], key
    for split in ("validation", "test"):
        for file in (
            workdir.evaluation_name(split),
            workdir.predictions_name(split),
        ):
            assert (tmp_path / "stopped" / file).read_bytes() == (
                tmp_path / "whole" / file
            ).read_bytes()
    assert_same_weights(tmp_path / "stopped", tmp_path / "whole")
