"""Wherever a run is stopped, its logits come on the same path."""

import shutil

import pytest

from tlkeras import train_and_evaluate, workdir
from tlkeras.training import fit, outcome, solve, trainer

from .finished_runs import assert_same_weights

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
        config = make_small_config(
            {
                "model.weights": "none",
                "checks.enabled": False,
                "phases.fine_tune.epochs": 1,
                "phases.fine_tune.trainable_from": "stage4",
                "evaluation.replace_p_value": 1.0,
            }
        )
        if method == "solve":
            config.phases.phase_order = ("linear_probe",)
        return config

    return make


@pytest.fixture(scope="module")
def whole(tmp_path_factory, make_config):
    """Method of the last phase -> a run of it, its result, and copies.

    One for each place: the directory as a kill there would leave it.
    """
    runs = {}

    def run(method):
        if method not in runs:
            folder = tmp_path_factory.mktemp(method)
            with pytest.MonkeyPatch.context() as patch:
                for name, (module, function) in PLACES.items():
                    copier = copy_before(
                        getattr(module, function), folder, name
                    )
                    patch.setattr(module, function, copier)
                result = train_and_evaluate(
                    make_config(method), folder / "whole"
                )
            runs[method] = folder, result
        return runs[method]

    return run


def copy_before(function, folder, name):
    """Returns what keeps the run as it is before a function's first call."""

    def copy(*arguments, **settings):
        if not (folder / name).exists():
            shutil.copytree(folder / "whole", folder / name)
        return function(*arguments, **settings)

    return copy


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
    make_config, whole, method, place
):
    folder, expected = whole(method)
    directory, stopped = folder / "whole", folder / place
    assert not (stopped / workdir.RESULT).exists()
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
