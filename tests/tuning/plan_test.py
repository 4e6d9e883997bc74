import pytest

from tlkeras.config import get_config
from tlkeras.config.dotted import set_value
from tlkeras.errors import InputError
from tlkeras.tuning.plan import make_plan
from tlkeras.tuning.store.oracles import build_oracle

L2 = {"model.head_l2": "1e-5:1:log"}


def test_heads_are_searched_on_codes_and_the_rest_in_full():
    config = get_config()
    plan = make_plan(config, L2)
    assert (plan.mode, plan.phases) == ("codes", ("linear_probe",))
    assert plan.config.phases.linear_probe.method == "fit"
    assert plan.config.phases.fine_tune.epochs == 0
    assert config.phases.fine_tune.epochs == "auto"
    upper = "phases.fine_tune.groups.upper.learning_rate_multiplier"
    plan = make_plan(config, {upper: "0.01:1"})
    assert (plan.mode, plan.phases) == ("full", ("fine_tune",))
    assert plan.config.phases.linear_probe.method == "auto"
    plan = make_plan(config, {"data.augment.rotation_degrees": "0:30"})
    assert (plan.mode, plan.phases) == ("full", ("fine_tune",))


def test_without_a_space_there_is_a_default_one_of_each_mode():
    config = get_config()
    assert [f.name for f in make_plan(config, {}).space] == [
        "phases.linear_probe.learning_rate",
        "model.head_l2",
    ]
    config.tuning.mode = "full"
    plan = make_plan(config, {})
    assert plan.phases == ("fine_tune",)
    assert plan.space[0].options == ("stage3", "stage4", "stage5")


def test_a_trial_trains_for_its_epochs_and_never_sees_the_test_split():
    plan = make_plan(get_config(), L2).resolved(1000)
    config = plan.trial_config(
        {"model.head_l2": 0.1, "tuner/epochs": 3}, epochs=3, seed=5
    )
    assert config.model.head_l2 == 0.1
    assert config.phases.linear_probe.epochs == 3
    assert config.seed == 5
    assert config.evaluation.test_at_end is False
    own = plan.trial_config({"model.head_l2": 0.1})
    assert own.phases.linear_probe.epochs == plan.epochs == 8


@pytest.mark.parametrize(
    ("change", "space", "message"),
    [
        ({"tuning.mode": "codes"}, {"model.pooling": "max|average"}, "changes"),
        (
            {"tuning.mode": "codes", "phases.linear_probe.augment": True},
            L2,
            "augments images",
        ),
        ({"tuning.mode": "codes", "tuning.workers": 2}, L2, "processes"),
        (
            {"phases.linear_probe.method": "solve"},
            {"phases.linear_probe.learning_rate": "1e-3:1"},
            "method is 'solve'",
        ),
        ({"tuning.num_trials": 0}, L2, "tuning.num_trials=0 is out of range"),
        ({"tuning.max_seconds": 0.0}, L2, "expected above 0"),
        ({"tuning.oracle": "bayes"}, L2, "Did you mean 'bayesian'"),
    ],
)
def test_what_cannot_be_searched_is_refused(change, space, message):
    config = get_config()
    for name, value in change.items():
        set_value(config, name, value)
    with pytest.raises(InputError, match=message):
        make_plan(config, space)


def test_workers_mean_full_mode():
    config = get_config()
    config.tuning.workers = 2
    assert make_plan(config, L2).mode == "full"


def test_phases_after_the_searched_one_stay_where_they_are_asked_for():
    config = get_config()
    config.tuning.later_phases = True
    plan = make_plan(config, L2)
    assert plan.mode == "codes"
    epochs = config.phases.fine_tune.epochs
    assert plan.config.phases.fine_tune.epochs == epochs
    trial = plan.resolved(1000).trial_config({}, epochs=1)
    assert trial.phases.fine_tune.epochs == epochs


def test_a_penalty_is_searched_where_it_has_an_effect():
    """A phase that solves chooses its own strength."""
    config = get_config()
    config.tuning.mode = "full"
    config.phases.fine_tune.epochs = 0
    plan = make_plan(config, L2)
    assert plan.config.phases.linear_probe.method == "fit"


@pytest.mark.parametrize("mode", ["codes", "full"])
def test_heads_with_other_metrics_are_not_compared(mode):
    config = get_config()
    config.tuning.mode = mode
    with pytest.raises(InputError, match="because their metrics differ"):
        make_plan(config, {"model.head": "linear|multi_label"})


def test_a_single_stage_trains_for_all_epochs(tmp_path):
    config = get_config()
    config.tuning.stages = 1
    plan = make_plan(config, L2).resolved(1000)
    assert build_oracle(plan, tmp_path).stage_epochs == (8,)
    config.tuning.stages = 2
    plan = make_plan(config, L2).resolved(1000)
    oracle = build_oracle(plan, tmp_path / "two")
    assert oracle.stage_epochs == (config.tuning.coarse_epochs, 8)
