import json

import pytest

from tlkeras.config import config_hash, default_workdir, get_config, validate
from tlkeras.config.dotted import set_value
from tlkeras.config.hashing import identity
from tlkeras.config.run_directory import open_run_directory, read_config
from tlkeras.errors import InputError


def changed(field, value):
    config = get_config()
    set_value(config, field, value)
    return config


def test_the_defaults_are_valid():
    validate(get_config())


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("model.head", "linaer", "Did you mean 'linear'"),
        ("model.pooling", "mean", "model.pooling='mean' is unknown"),
        ("data.on_bad_image", "stop", "Expected one of: skip, fail"),
        ("phases.fine_tune.optimizer", "adamm", "Did you mean 'adam'"),
        ("phases.fine_tune.schedule", "cosin", "Did you mean 'cosine'"),
        ("phases.fine_tune.method", "train", "Expected one of: auto, solve"),
        ("phases.fine_tune.epochs", -1, "expected at least 0"),
        ("phases.fine_tune.learning_rate", 0.0, "expected above 0"),
        ("phases.fine_tune.layer_decay", 1.5, "and at most 1"),
        (
            "phases.fine_tune.groups.upper.learning_rate",
            -1.0,
            "expected above 0",
        ),
        (
            "phases.fine_tune.groups.upper.optimizer",
            "sgdd",
            "Did you mean 'sgd'",
        ),
        ("phases.phase_order", ("probe",), "Did you mean 'linear_probe'"),
        ("phases.phase_order", (), "No phase has any epochs"),
        ("model.image_size", 0, "expected at least 1"),
        ("model.dropout", 1.0, "at most 0.999"),
        ("data.split", (0.5, 0.5, 0.5), "is no division"),
        ("data.split", (0.0, 0.5, 0.5), "is no division"),
        ("data.augment.crop_area", (0.9, 0.1), "is no range"),
        ("data.augment.crop_area", (0.1, 0.5, 0.9), "has 3 entries"),
        ("data.divide_by_std", True, "needs a mean"),
        ("seed", -1, "expected at least 0"),
        ("data.split", (0.7, "a", 0.3), "is no division"),
        ("data.augment.crop_area", ("a", 1.0), "is no range"),
        ("phases.fine_tune.learning_rate", float("nan"), "out of range"),
        ("phases.fine_tune.learning_rate", float("inf"), "out of range"),
        ("phases.phase_order", ("fine_tune", "fine_tune"), "twice"),
        ("runtime.precision", "float64", "runtime.precision='float64'"),
    ],
)
def test_bad_values_are_named(field, value, message):
    with pytest.raises(InputError, match=message):
        validate(changed(field, value))


def test_contradictions_are_named():
    config = changed("phases.fine_tune.reduce_on_plateau_patience", 2)
    with pytest.raises(InputError, match="expected one of them"):
        validate(config)
    config = changed("model.head", "mlp")
    config.model.hidden_units = (1, 2, 3)
    with pytest.raises(InputError, match="one or two positive widths"):
        validate(config)
    config = changed("phases.fine_tune.batch_size", 1)
    config.data.augment.mixup_alpha = 0.2
    with pytest.raises(InputError, match="combine images of a batch"):
        validate(config)
    config = changed("phases.fine_tune.layer_decay", 0.5)
    validate(config)
    config.phases.fine_tune.groups.upper.learning_rate = 1.0
    with pytest.raises(InputError, match="has both layer_decay and settings"):
        validate(config)
    config = get_config()
    with config.unlocked():
        del config.phases.fine_tune.groups["head"]
    with pytest.raises(InputError, match="lacks 'head'"):
        validate(config)


def test_the_hash_ignores_where_and_how_but_not_what():
    reference = config_hash(changed("data.source", "/a/photos"))
    assert config_hash(changed("data.source", "/b/photos")) == reference
    config = changed("data.source", "/a/photos")
    config.runtime.num_workers = 7
    config.report.enabled = False
    assert config_hash(config) == reference
    config.seed = 1
    assert config_hash(config) != reference
    assert default_workdir(config) == f"runs/photos-{config_hash(config)}"


def test_a_run_directory_remembers_its_config(tmp_path):
    config = changed("data.source", "photos")
    open_run_directory(tmp_path / "run", config)
    stored = read_config(tmp_path / "run")
    assert json.loads(stored.to_json_best_effort()) == json.loads(
        config.to_json_best_effort()
    )
    open_run_directory(tmp_path / "run", config)


def test_a_run_of_before_a_field_existed_has_its_default(tmp_path):
    open_run_directory(tmp_path, changed("model.dropout", 0.3))
    values = json.loads((tmp_path / "config.json").read_text())
    del values["export"], values["runtime"]["engine"]
    del values["phases"]["fine_tune"]["teacher"]
    (tmp_path / "config.json").write_text(json.dumps(values))
    stored = read_config(tmp_path)
    assert stored.export.max_drop == get_config().export.max_drop
    assert stored.runtime.engine == "auto"
    assert stored.phases.fine_tune.teacher == ""
    assert stored.model.dropout == 0.3
    values["data"] = 3
    (tmp_path / "config.json").write_text(json.dumps(values))
    with pytest.raises(InputError, match="is corrupt"):
        read_config(tmp_path)


def test_the_directory_of_another_config_is_refused(tmp_path):
    open_run_directory(tmp_path / "run", get_config())
    (tmp_path / "run" / "checkpoints" / "state.npz").touch()
    with pytest.raises(
        InputError,
        match=r"belongs to another config \(model.dropout was 0.2 and",
    ):
        open_run_directory(tmp_path / "run", changed("model.dropout", 0.3))


def test_a_run_that_never_began_may_be_corrected(tmp_path):
    open_run_directory(tmp_path / "run", get_config())
    (tmp_path / "run" / "split.csv").write_text("of the mistaken run")
    open_run_directory(tmp_path / "run", changed("model.dropout", 0.3))
    assert read_config(tmp_path / "run").model.dropout == 0.3
    assert not (tmp_path / "run" / "split.csv").exists()


def test_strange_directories_are_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        open_run_directory(tmp_path, get_config())
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match="is corrupt"):
        open_run_directory(tmp_path, get_config())
    for text in ("{}", "[1]", '{"format_version": 1}'):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(InputError, match=r"is corrupt \(it lacks"):
            read_config(tmp_path)
    (tmp_path / "config.json").write_text('{"format_version": 99}')
    with pytest.raises(InputError, match="newer tlkeras"):
        read_config(tmp_path)
    with pytest.raises(InputError, match="is no run directory"):
        read_config(tmp_path / "absent")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        open_run_directory(tmp_path / "file" / "run", get_config())


def test_what_a_weights_file_holds_is_part_of_the_identity(tmp_path):
    config = changed("model.weights", str(tmp_path / "w.h5"))
    (tmp_path / "w.h5").write_text("some weights")
    first = config_hash(config)
    (tmp_path / "w.h5").write_text("other weights")
    assert config_hash(config) != first


def test_the_same_directory_name_elsewhere_is_other_data(tmp_path):
    for place in ("a", "b"):
        (tmp_path / place / "photos").mkdir(parents=True)
    run = tmp_path / "run"
    open_run_directory(run, changed("data.source", str(tmp_path / "a/photos")))
    (run / "checkpoints" / "state.npz").touch()
    elsewhere = changed("data.source", str(tmp_path / "b/photos"))
    with pytest.raises(InputError, match="its data is"):
        open_run_directory(run, elsewhere)
    (tmp_path / "a").rename(tmp_path / "moved")
    open_run_directory(
        run, changed("data.source", str(tmp_path / "moved/photos"))
    )


def test_a_field_that_came_later_leaves_the_hash_of_older_runs(tmp_path):
    config = changed("data.source", "photos")
    assert "split_memory" not in identity(config)["data"]
    open_run_directory(tmp_path, config)
    stored = json.loads((tmp_path / "config.json").read_text())
    del stored["data"]["split_memory"]
    (tmp_path / "config.json").write_text(json.dumps(stored))
    assert read_config(tmp_path).data.split_memory is True
    assert config_hash(read_config(tmp_path)) == stored["config_hash"]
    open_run_directory(tmp_path, config)
    config.data.split_memory = False
    assert config_hash(config) != stored["config_hash"]
