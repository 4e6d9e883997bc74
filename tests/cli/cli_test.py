"""The commands as a user types them: outputs, exit codes, one sentence."""

import csv
import io
import json
import shutil

import numpy as np
import pytest
from absl import flags
from PIL import Image

from tlkeras import workdir
from tlkeras.cli.main import COMMANDS, main

CONFIG = """
from tlkeras.config import defaults

def get_config(arguments=""):
    config = defaults.get_config()
    config.model.backbone = "MobileNet"
    config.model.alpha = 0.25
    config.model.image_size = 32
    config.model.weights = "letters"
    config.phases.fine_tune.epochs = 0
    config.evaluation.bootstrap_samples = 100
    config.seed = int(arguments or 0)
    return config
"""


@pytest.fixture(scope="module")
def config_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "small.py"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory, config_file, photo_folder):
    """A finished run, trained through the command line."""
    directory = tmp_path_factory.mktemp("cli") / "run"
    known = set(flags.FLAGS)
    with pytest.raises(SystemExit) as end:
        main(
            [
                "tlkeras",
                "train",
                f"--config={config_file}",
                f"--data={photo_folder}",
                f"--workdir={directory}",
            ]
        )
    for name in set(flags.FLAGS) - known:
        delattr(flags.FLAGS, name)
    flags.FLAGS.unparse_flags()
    assert not end.value.code
    return directory


def assert_bad_input(outcome, message):
    code, _, err = outcome
    assert code == 2, outcome
    assert "Traceback" not in err
    lines = [line for line in err.splitlines() if line.startswith("tlkeras:")]
    assert len(lines) == 1, err
    assert message in lines[0], lines[0]


def test_train_ends_with_the_result(run, finished, config_file, photo_folder):
    code, out, _ = run(
        "train",
        f"--config={config_file}",
        f"--data={photo_folder}",
        f"--workdir={finished}",
    )
    assert code == 0
    assert "linear_probe" in out
    assert "test/top_1_accuracy" in out
    assert f"report: {finished / workdir.REPORT}" in out


def test_the_model_card_states_a_licence_given_later(
    run, finished, config_file, photo_folder, tmp_path
):
    code, out, _ = run(
        "report",
        f"--workdir={finished}",
        f"--output={tmp_path / 'page'}",
        "--license=mit",
    )
    assert code == 0
    assert out.strip() == str(tmp_path / "page" / workdir.REPORT)
    card = (tmp_path / "page" / workdir.MODEL_CARD).read_text("utf-8")
    assert "license: mit\n" in card
    # The finished run is shown again, and its own card written again.
    code, _, _ = run(
        "train",
        f"--config={config_file}",
        f"--data={photo_folder}",
        f"--workdir={finished}",
        "--config.report.license=cc0-1.0",
    )
    assert code == 0
    card = (finished / workdir.MODEL_CARD).read_text("utf-8")
    assert "license: cc0-1.0\n" in card
    assert "language: en\n" in card


def test_config_arguments_reach_get_config(
    run, config_file, photo_folder, tmp_path
):
    code, _, _ = run(
        "train",
        f"--config={config_file}:3",
        f"--data={photo_folder}",
        f"--workdir={tmp_path / 'run'}",
        "--config.model.head=svm",
        "--quiet",
    )
    assert code == 0
    stored = json.loads((tmp_path / "run" / workdir.CONFIG).read_text())
    assert stored["seed"] == 3
    assert stored["model"]["head"] == "svm"


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
                "--config.phases.fine_tune.groups.upper.starts_at=conv_pw_13_relu",
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


def test_a_failed_gate_is_exit_1(
    run, config_file, photo_folder, tmp_path, monkeypatch
):
    import tlkeras.training.first_checks as first_checks
    from tlkeras.checks.result import CheckResult

    failed = CheckResult("planted", "fail", 1, 0, "Planted.")
    monkeypatch.setattr(first_checks, "check_split_leaks", lambda _: failed)
    code, _, err = run(
        "train",
        f"--config={config_file}",
        f"--data={photo_folder}",
        f"--workdir={tmp_path / 'run'}",
    )
    assert code == 1
    assert "check 'planted' failed" in err


def test_evaluate_prints_metrics_and_counts_looks(run, finished):
    code, out, _ = run("evaluate", f"--workdir={finished}")
    assert code == 0
    assert "top_1_accuracy" in out
    result = workdir.read_json(finished / workdir.RESULT)
    metrics = workdir.read_json(finished / "evaluation_validation.json")
    assert metrics["top_1_accuracy"] == result["val/top_1_accuracy"]
    before = workdir.read_json(finished / workdir.TEST_LOOKS)["count"]
    code, out, _ = run("evaluate", f"--workdir={finished}", "--split=test")
    assert f"looks at the test split so far: {before + 1}" in out


def test_predict_writes_csv_rows_and_names_bad_files(
    run, finished, photo_folder, tmp_path
):
    bad = tmp_path / "bad.jpg"
    bad.write_text("rubbish")
    code, out, _ = run(
        "predict",
        f"--workdir={finished}",
        photo_folder / "china",
        bad,
        tmp_path / "absent.jpg",
    )
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 1
    assert list(rows[0]) == ["path", "label", "score", "error"]
    assert len(rows) == 42
    assert "not a JPEG" in rows[40]["error"]
    assert "cannot be read" in rows[41]["error"]
    assert np.mean([row["label"] == "china" for row in rows[:40]]) > 0.8


def test_predict_json_has_all_probabilities(run, finished, photo_folder):
    code, out, _ = run(
        "predict",
        f"--workdir={finished}",
        "--format=json",
        photo_folder / "flower",
    )
    rows = json.loads(out)
    assert code == 0
    assert len(rows) == 40
    for row in rows:
        assert set(row["probabilities"]) == {"china", "flower"}
        assert sum(row["probabilities"].values()) == pytest.approx(1.0)
        assert row["score"] == max(row["probabilities"].values())


def test_predictions_are_those_of_the_evaluation(run, finished):
    answers = workdir.read_table(
        finished / workdir.predictions_name("validation")
    )
    _, out, _ = run(
        "predict", f"--workdir={finished}", *(row["path"] for row in answers)
    )
    for row, answer in zip(
        csv.DictReader(io.StringIO(out)), answers, strict=True
    ):
        assert row["label"] == answer["predicted"]
        assert float(row["score"]) == pytest.approx(
            float(answer["probability"]), abs=1e-5
        )


def test_doctor_shows_the_machine_and_layers(run):
    code, out, _ = run("doctor")
    assert code == 0
    assert "keras" in out
    assert "weight cache" in out
    code, out, _ = run("doctor", "--layers=MobileNet", "--image_size=64")
    assert "conv_pw_13" in out
    assert code == 0


def test_every_command_has_a_help_page(run):
    code, out, _ = run("--help")
    assert code == 0
    for command in COMMANDS:
        assert command in out
        assert run(command, "--help")[0] == 0


def write_damaged_images(folder, good):
    """Writes 50 damaged or odd images; returns those that cannot be used."""
    from itertools import count

    number = count()
    unusable = []

    def path(suffix, is_usable):
        name = folder / f"odd_{next(number):02d}{suffix}"
        if not is_usable:
            unusable.append(name)
        return name

    for index in range(10):
        path(".jpg", False).write_bytes(good[: 100 + 30 * index])
    for _ in range(5):
        path(".jpg", False).write_bytes(b"")
    for index in range(5):
        path(".jpg", False).write_text(f"not an image {index}")
    for index in range(5):
        image = Image.new("RGB", (1, 1), (index, 0, 0))
        image.save(path(".png", False))
    noise = np.random.default_rng(0)

    def pixels(*shape, high=256, dtype=np.uint8):
        return noise.integers(0, high, shape).astype(dtype)

    for _ in range(4):
        wrong = path(".jpg", True)  # a PNG by another name
        Image.fromarray(pixels(40, 40, 3)).save(wrong, format="PNG")
    for _ in range(4):
        image = Image.fromarray(pixels(40, 40, high=65536, dtype=np.uint16))
        image.save(path(".png", True))
    for _ in range(4):
        image = Image.fromarray(pixels(40, 40, 3)).convert("CMYK")
        image.save(path(".jpg", True))
    for _ in range(4):
        Image.fromarray(pixels(40, 40, 3)).convert("P").save(path(".png", True))
    for _ in range(5):
        frames = [Image.fromarray(pixels(40, 40, 3)) for _ in range(3)]
        frames[0].save(
            path(".gif", True), save_all=True, append_images=frames[1:]
        )
    for _ in range(4):
        Image.fromarray(pixels(40, 40, 4)).save(path(".webp", True))
    assert next(number) == 50
    return unusable


def test_damaged_images_are_left_out_and_named(
    run, config_file, photo_folder, tmp_path
):
    shutil.copytree(photo_folder, tmp_path / "photos")
    good = (photo_folder / "china/00.jpg").read_bytes()
    unusable = write_damaged_images(tmp_path / "photos" / "china", good)
    code, _, err = run(
        "train",
        f"--config={config_file}",
        f"--data={tmp_path / 'photos'}",
        f"--workdir={tmp_path / 'run'}",
        "--config.phases.fine_tune.epochs=1",
    )
    assert code == 0, err
    page = (tmp_path / "run" / workdir.REPORT).read_text()
    ledger = workdir.read_json(tmp_path / "run" / workdir.LEDGER)
    assert {item["path"] for item in ledger["left_out"]} == set(
        map(str, unusable)
    )
    for path in unusable:
        assert str(path) in page


def test_features_writes_codes(run, config_file, photo_folder, tmp_path):
    code, out, err = run(
        "features",
        f"--config={config_file}",
        f"--data={photo_folder}",
        f"--output={tmp_path / 'new' / 'codes.npz'}",
        "--layer=conv_pw_5_relu",
        "--pooling=max",
        "--quiet",
    )
    assert code == 0, err
    assert "80 x 64 codes written" in out
    assert np.load(tmp_path / "new" / "codes.npz")["codes"].shape == (80, 64)


def test_probe_prints_its_table(run, config_file, photo_folder, tmp_path):
    code, out, err = run(
        "probe",
        f"--config={config_file}",
        f"--data={photo_folder}",
        f"--workdir={tmp_path}",
        "--folds=2",
        "--quiet",
    )
    assert code == 0, err
    assert "conv_pw_13_relu" in out
    assert (tmp_path / "probe.json").exists()
    assert (tmp_path / "probe.png").exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["features"], "pass --output=FILE"),
        (["features", "--output=a.csv"], ".npz or .parquet"),
        (
            ["features", "--output={tmp}/a.npz", "--layer=conv_pw_5_rel"],
            "Did you mean 'conv_pw_5_relu'",
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


def test_an_unwritable_cache_is_one_sentence(
    run, config_file, photo_folder, tmp_path, monkeypatch
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TLKERAS_CACHE", str(tmp_path / "file" / "cache"))
    code, _, err = run(
        "train",
        f"--config={config_file}",
        f"--data={photo_folder}",
        f"--workdir={tmp_path / 'run'}",
        "--quiet",
    )
    assert code == 2
    assert "cannot be written" in err
