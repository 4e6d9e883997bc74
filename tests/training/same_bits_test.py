"""Wherever a run is stopped, its logits come on the same path."""

import pytest

from tlkeras import train_and_evaluate, workdir
from tlkeras.training import fit, outcome, solve, trainer

from .finished_runs import assert_same_weights


class Stopped(BaseException):
    """Stands for a kill."""


def stop(*_, **__):
    raise Stopped


# Where the process dies: (module, name of what it was about to do).
PLACES = {
    "before the outcome of a solved phase": (solve, "prove_stitched"),
    "before the outcome of a fitted phase": (fit, "prove_stitched"),
    "after the last commit of a phase": (trainer, "calibrate_and_evaluate"),
    "after the weights are calibrated": (outcome, "evaluate_split"),
    "after the last looks": (trainer, "save_model"),
    "before the result": (trainer, "write_result"),
}


@pytest.fixture(scope="module")
def make_config(make_small_config):
    """Returns what makes the config of a run that keeps its last phase."""

    def make(method):
        config = make_small_config({"evaluation.replace_p_value": 1.0})
        if method == "solve":
            config.phases.phase_order = ("linear_probe",)
        return config

    return make


@pytest.fixture(scope="module")
def whole(tmp_path_factory, make_config):
    """Method of the last phase -> directory and result of a run of it."""
    runs = {}

    def run(method):
        if method not in runs:
            directory = tmp_path_factory.mktemp(method) / "whole"
            result = train_and_evaluate(make_config(method), directory)
            runs[method] = directory, result
        return runs[method]

    return run


QUICK = {
    ("fit", "before the outcome of a fitted phase"),
    ("fit", "after the weights are calibrated"),
    ("solve", "after the last commit of a phase"),
    ("solve", "before the result"),
}
CASES = [
    (method, place)
    for method in ("fit", "solve")
    for place, (module, _) in PLACES.items()
    if method == "fit" or module is not fit  # where nothing is fitted
]


@pytest.mark.parametrize(
    ("method", "place"),
    [
        pytest.param(*case, marks=[] if case in QUICK else pytest.mark.slow)
        for case in CASES
    ],
)
def test_a_stopped_run_has_the_bits_of_one_that_was_not(
    make_config, whole, tmp_path, monkeypatch, method, place
):
    directory, expected = whole(method)
    stopped = tmp_path / "stopped"
    with monkeypatch.context() as patched:
        patched.setattr(*PLACES[place], stop)
        with pytest.raises(Stopped):
            train_and_evaluate(make_config(method), stopped)
    again = train_and_evaluate(make_config(method), stopped)
    for key in expected:
        if key.startswith(("val/", "test/")):
            assert again[key] == expected[key], key
    for split in ("validation", "test"):
        for file in (
            workdir.evaluation_name(split),
            workdir.predictions_name(split),
        ):
            assert (stopped / file).read_bytes() == (
                directory / file
            ).read_bytes()
    assert_same_weights(stopped, directory)
