"""What cannot be built is said before the first trial."""

import pytest

from tlkeras.errors import InputError
from tlkeras.tuning import tune as tune_module
from tlkeras.tuning.plan import make_plan
from tlkeras.tuning.trials.networks import check_networks
from tlkeras.tuning.tune import tune

CUTOFF = "phases.fine_tune.trainable_from"


@pytest.mark.parametrize(
    ("changes", "space", "message"),
    [
        ({}, {CUTOFF: "stage3|stage9"}, "'stage9'"),
        ({}, {CUTOFF: "conv_dw_6|foo"}, "'foo'"),
        ({CUTOFF: "foo"}, {"data.augment.rotation_degrees": "0:9"}, "'foo'"),
        ({}, {"model.features_from": "stage3|stage8"}, "'stage8'"),
        ({}, {"model.backbone": "MobileNet|ResNet5"}, "Did you mean"),
        ({}, {"model.image_size": "1:64"}, "size 1 is too small"),
        ({}, {"model.alpha": "0.25:0.5"}, "weights"),
        (
            {},
            {"phases.fine_tune.groups.upper.starts_at": "stage3|stage9"},
            "'stage9'",
        ),
        (
            {"phases.fine_tune.groups.upper.starts_at": "stage3"},
            {CUTOFF: "none|stage4"},
            "matches no trainable layer",
        ),
    ],
)
def test_what_no_trial_could_build_is_refused(
    small_config, changes, space, message
):
    small_config.tuning.mode = "full"
    small_config.update_from_flattened_dict(changes)
    plan = make_plan(small_config, space)
    with pytest.raises(InputError, match=message):
        check_networks(plan)


def test_what_can_be_built_passes(small_config):
    plan = make_plan(
        small_config,
        {
            CUTOFF: "none|stage3|-3|0.5",
            "phases.fine_tune.groups.upper.starts_at": "stage4|auto",
            "model.image_size": "32|48",
            "model.head": "linear|mlp",
            "phases.fine_tune.learning_rate": "1e-3:1e-1",
        },
    )
    check_networks(plan)


def test_a_refused_search_leaves_no_directory(
    small_config, tmp_path, monkeypatch
):
    monkeypatch.setattr(tune_module, "start_search", None)
    plan = make_plan(small_config, {CUTOFF: "stage3|stage9"})
    with pytest.raises(InputError, match="stage9"):
        tune(small_config, plan, tmp_path / "search")
    assert not (tmp_path / "search").exists()


def test_several_labels_need_another_head_than_the_searched_ones(
    small_config, photo_folder, tmp_path
):
    rows = [f"{p},{p.parent.name}" for p in photo_folder.glob("*/*.jpg")]
    rows[0] = f"{rows[0].partition(',')[0]},china|flower"
    (tmp_path / "m.csv").write_text("\n".join(["path,label", *rows]))
    small_config.data.source = str(tmp_path / "m.csv")
    plan = make_plan(small_config, {CUTOFF: "stage3|stage4"})
    assert plan.mode == "full"
    with pytest.raises(InputError, match="some images several labels"):
        tune(small_config, plan, tmp_path / "search")
