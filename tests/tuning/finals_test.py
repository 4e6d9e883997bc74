import pytest

from tlkeras.tuning.finals import (
    Repeater,
    measure_noise,
    rank_trials,
    retrain_best,
    tied_trials,
)
from tlkeras.tuning.trials.outcome import (
    COMPLETED,
    DIVERGED,
    FAILED,
    TrialOutcome,
)

L2 = "model.head_l2"


def make_outcomes():
    table = [(0.80, 0.9), (0.82, 0.7), (None, None), (0.81, 0.4), (0.5, 0.1)]
    return [
        TrialOutcome(
            {L2: float(number)},
            COMPLETED if accuracy else FAILED,
            val_accuracy=accuracy,
            val_loss=loss,
            trial_id=str(number),
        )
        for number, (accuracy, loss) in enumerate(table)
    ]


def test_trials_within_the_noise_are_ranked_by_their_loss():
    outcomes = make_outcomes()
    assert rank_trials(outcomes) == [1, 3, 0, 4]
    assert rank_trials(outcomes, 0.0101) == [3, 1, 0, 4]
    assert rank_trials(outcomes, None) == [1, 3, 0, 4]
    assert tied_trials(outcomes, 0.0101) == [1, 3]


def test_losses_of_other_kinds_are_not_compared():
    outcomes = make_outcomes()
    for number, outcome in enumerate(outcomes):
        outcome.values["model.head"] = "svm" if number % 2 else "linear"
    outcomes[3].values["model.head"] = "linear"
    assert rank_trials(outcomes, 0.0101) == [1, 3, 0, 4]


def test_the_noise_is_what_seeds_change_and_the_mean_decides(tmp_path):
    """The point that was lucky in the search loses over several seeds."""
    seen = []

    def run(asked):
        seen.extend((one.values[L2], one.seed) for one in asked)
        return [
            (
                one,
                TrialOutcome(
                    one.values,
                    COMPLETED,
                    val_accuracy=0.7 + one.values[L2] / 100 + one.seed / 1000,
                    val_loss=1.0,
                ),
            )
            for one in asked
        ]

    outcomes = make_outcomes()
    repeater = Repeater(run, tmp_path, epochs=3, seed=10)
    noise = measure_noise(outcomes, repeater, 3)
    assert noise.floor == pytest.approx(0.002)
    assert seen == [(1.0, 11), (1.0, 12), (1.0, 13)]
    finalists = retrain_best(
        outcomes, repeater, num_trials=3, num_seeds=2, floor=noise.floor
    )
    assert [finalist.trial for finalist in finalists] == [3, 1, 0]
    # The two of the noise that are wanted again are not trained again.
    assert seen[3:] == [(3.0, 11), (3.0, 12), (0.0, 11), (0.0, 12)]


def test_a_seed_that_diverges_counts_against_a_finalist(tmp_path):
    """Once 0.9 and twice nothing is worse than three times 0.88."""

    def run(asked):
        for one in asked:
            is_good = one.values[L2] == 0.0 or one.seed == 11
            yield (
                one,
                TrialOutcome(
                    one.values, COMPLETED, val_accuracy=0.88, val_loss=1.0
                )
                if is_good
                else TrialOutcome(one.values, DIVERGED, reason="NaN"),
            )

    finalists = retrain_best(
        make_outcomes(),
        Repeater(run, tmp_path, epochs=3, seed=10),
        num_trials=4,
        num_seeds=3,
        floor=None,
    )
    assert finalists[0].trial == 0
    assert finalists[1].mean == pytest.approx(0.88 / 3)
