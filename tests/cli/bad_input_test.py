"""A user's mistake is one sentence and exit code 2."""

import shutil

import pytest

from tlkeras import workdir


def assert_bad_input(outcome, message):
    code, _, err = outcome
    assert code == 2, outcome
    assert "Traceback" not in err
    lines = [line for line in err.splitlines() if line.startswith("tlkeras:")]
    assert len(lines) == 1, err
    assert message in lines[0], lines[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "Did you mean 'train'"),
        (["train", "--dat=x"], "Did you mean 'data'"),
        (["train", "digits"], "Unexpected argument 'digits'"),
        (["train"], "No data source is given"),
        (["train", "--data=/absent"], "does not exist"),
        (["train", "--config=/absent.py"], "The config file cannot be loaded"),
        (["train", "--config.model.hed=svm"], "Did you mean 'head'"),
        (["train", "--config.modle.head=svm"], "Did you mean 'model'"),
        (
            ["train", "--config.phases.fine_tune.groups.uper.optimizer=sgd"],
            "'upper'",
        ),
        (["train", "--config.model.image_size=big"], "wrong type"),
        (["train", "--data=digits", "--config.model.head=svn"], "'svm'"),
        (
            ["train", "--data=digits", "--config.model.backbone=ResNet5"],
            "'ResNet50'",
        ),
        (
            [
                "train",
                "--data=digits",
                "--config.phases.fine_tune.optimizer=adma",
            ],
            "Did you mean 'adam'",
        ),
        (["train", "--data=a", "--config.data.source=b"], "different sources"),
        (["evaluate"], "No run is given"),
        (["evaluate", "--workdir=/absent"], "is no run directory"),
        (
            ["evaluate", "--workdir=/absent", "--split=val"],
            "Unknown split 'val'",
        ),
        (["predict", "--workdir=/absent"], "No image is given"),
        (["predict", "x.jpg"], "No run is given"),
        (["predict", "--format=xml", "x.jpg"], "Unknown format 'xml'"),
        (["report", "--workdir=/absent"], "is no run directory"),
        (["doctor", "--layers=VGG15"], "Did you mean 'VGG1"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
def test_bad_input_is_one_sentence_and_exit_2(
    run, arguments, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert_bad_input(run(*arguments), message)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["--config.model.image_size=16"], "at least 32 pixels"),
        (["--config.model.weights=/absent.h5"], "neither a name nor a file"),
        (["--config.model.features_from=conv_pw_77"], "is no layer of"),
        (
            [
                "--config.phases.fine_tune.epochs=1",
                "--config.phases.fine_tune.trainable_from=stage9",
            ],
            "'stage9' does not exist",
        ),
        (
            [
                "--config.phases.fine_tune.epochs=1",
                "--config.phases.fine_tune.trainable_from=stage2",
                "--config.phases.fine_tune.groups.upper.starts_at=conv_pw_3_relu",
            ],
            "matches no trainable layer",
        ),
        (["--workdir=/proc/absent"], "cannot be written"),
    ],
    ids=lambda value: value[-1][-40:] if isinstance(value, list) else "",
)
def test_what_needs_the_network_is_refused_too(
    run, config_file, photo_folder, tmp_path, overrides, message
):
    arguments = [f"--config={config_file}", f"--data={photo_folder}"]
    if not any("workdir" in flag for flag in overrides):
        arguments.append(f"--workdir={tmp_path / 'run'}")
    assert_bad_input(run("train", *arguments, *overrides), message)


def test_data_that_cannot_be_trained_on(
    run, config_file, photo_folder, tmp_path
):
    def attempt(name):
        return run(
            "train",
            f"--config={config_file}",
            f"--data={tmp_path / name}",
            f"--workdir={tmp_path / 'run' / name}",
        )

    (tmp_path / "empty").mkdir()
    assert_bad_input(attempt("empty"), "holds no class folder with images")
    shutil.copytree(photo_folder / "china", tmp_path / "one" / "china")
    assert_bad_input(attempt("one"), "has one class only")
    shutil.copytree(tmp_path / "one", tmp_path / "single")
    (tmp_path / "single" / "flower").mkdir()
    shutil.copy(photo_folder / "flower/00.jpg", tmp_path / "single/flower")
    assert_bad_input(attempt("single"), "has one usable image")
    for name in ("a", "b"):
        (tmp_path / "rubbish" / name).mkdir(parents=True)
        (tmp_path / "rubbish" / name / "x.jpg").write_text("rubbish")
    assert_bad_input(attempt("rubbish"), "None of the 2 images can be read")


def test_the_directory_of_another_config_is_refused(
    run, finished, config_file, photo_folder
):
    outcome = run(
        "train",
        f"--config={config_file}",
        f"--data={photo_folder}",
        f"--workdir={finished}",
        "--config.model.dropout=0.5",
    )
    assert_bad_input(outcome, "belongs to another config")


def test_a_corrupt_config_is_refused(run, finished, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    (tmp_path / "run" / workdir.CONFIG).write_text("{")
    assert_bad_input(
        run("evaluate", f"--workdir={tmp_path / 'run'}"), "is corrupt"
    )


def test_an_unfinished_run_cannot_be_used(run, finished, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    (tmp_path / "run" / workdir.RESULT).unlink()
    for command in (["evaluate"], ["predict", "x.jpg"], ["report"]):
        outcome = run(*command, f"--workdir={tmp_path / 'run'}")
        assert_bad_input(outcome, "is not finished")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["features"], "pass --output=FILE"),
        (["features", "--output=a.csv"], ".npz or .parquet"),
        (
            ["features", "--output={tmp}/a.npz", "--layer=conv_pw_2_rel"],
            "Did you mean 'conv_pw_2_relu'",
        ),
        (["features", "--output={tmp}/a.npz", "--pooling=mean"], "pooling"),
        (["probe", "--folds=1"], "--folds=1 is out of range"),
        (
            ["probe", "--config.features.num_views=0"],
            "features.num_views=0 is out of range",
        ),
        (["train", "--config.features.cache=maybe"], "features.cache='maybe'"),
        (["train", "--config.runtime.engine=onnx"], "runtime.engine='onnx'"),
        (
            [
                "train",
                "--workdir={tmp}/run",
                "--config.features.cache=on",
                "--config.features.max_cache_bytes=5",
            ],
            "pass the limit of 5.0 B",
        ),
    ],
    ids=lambda value: "-".join(value)[:40] if isinstance(value, list) else "",
)
def test_bad_feature_input_is_one_sentence(
    run, config_file, photo_folder, tmp_path, arguments, text
):
    command, *rest = (a.replace("{tmp}", str(tmp_path)) for a in arguments)
    code, _, err = run(
        command,
        f"--config={config_file}",
        f"--data={photo_folder}",
        *rest,
        "--quiet",
    )
    assert code == 2
    assert text in err
    assert err.count("tlkeras:") == 1
    assert "Traceback" not in err


def test_an_unwritable_cache_is_one_sentence_and_no_obstacle(
    run, config_file, photo_folder, tmp_path, monkeypatch
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TLKERAS_CACHE", str(tmp_path / "file" / "cache"))
    code, out, err = run(
        "train",
        f"--config={config_file}",
        f"--data={photo_folder}",
        f"--workdir={tmp_path / 'run'}",
        "--config.model.features_from=conv_pw_1_relu",
        "--config.checks.enabled=False",
        "--config.report.enabled=False",
    )
    assert code == 0
    assert "the cache is given up" in out
    assert "cannot be written" in out
    assert err == ""
