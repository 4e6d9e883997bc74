"""`tlkeras tune` as a user types it."""

import json
import socket

import pytest

SMALL = [
    "--config.model.backbone=MobileNet",
    "--config.model.alpha=0.25",
    "--config.model.image_size=32",
    "--config.model.weights=letters",
    "--config.evaluation.bootstrap_samples=100",
]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--space=model.hed=a|b"], "Did you mean 'model.head'"),
        (["--space=model.head_l2=1:1"], "is empty"),
        (["--space=model.head_l2=1:1e-3"], "is inverted"),
        (["--space=model.head_l2=0:1:log"], "includes zero"),
        (["--space=model.head=svm"], "one choice only"),
        (["--space=model.head_l2"], "is no FIELD=RANGE"),
        (["--config.tuning.num_trials=0"], "tuning.num_trials=0"),
        (["--config.tuning.max_seconds=0"], "tuning.max_seconds=0"),
        (["--config.tuning.oracle=grid"], "tuning.oracle='grid'"),
        (
            ["--space=phases.fine_tune.trainable_from=stage3|stage9", *SMALL],
            "'stage9'",
        ),
        (
            ["--space=model.backbone=MobileNet|MobileNt", *SMALL],
            "Did you mean 'MobileNet'",
        ),
        (["--config.tuning.space.x=1"], "expected --space=FIELD=LOW:HIGH"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_bad_input_is_one_sentence_and_exit_2(
    run, arguments, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    code, _, err = run("tune", "--data=digits", *arguments)
    assert code == 2
    lines = [line for line in err.splitlines() if line.startswith("tlkeras:")]
    assert len(lines) == 1
    assert message in lines[0]
    assert "Traceback" not in err


def test_tune_with_a_source_alone(run, photo_folder, tmp_path, monkeypatch):
    """Searches the default space, prints the lines, refuses another space."""
    monkeypatch.chdir(tmp_path)
    arguments = [
        "tune",
        f"--data={photo_folder}",
        *SMALL,
        "--config.model.features_from=conv_pw_5_relu",
        "--config.tuning.num_trials=9",
        "--config.tuning.compare=false",
    ]
    code, out, err = run(*arguments)
    assert code == 0, err
    assert out.count("val_acc: ") == 9
    assert out.count("<-- best") == 1
    assert "noise floor" in out
    (directory,) = (tmp_path / "tunings").iterdir()
    assert f"written: tunings/{directory.name}" in out
    result = json.loads((directory / "tuning.json").read_text())
    assert result["mode"] == "codes"
    assert "comparison" not in result
    code, _, err = run(
        *arguments,
        f"--workdir={directory}",
        "--space=model.head_l2=1e-5:1e-2",
    )
    assert code == 2
    assert "belongs to a search of another space" in err


def test_a_port_in_use_is_exit_2(run, photo_folder, tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        code, _, err = run(
            "tune",
            f"--data={photo_folder}",
            *SMALL,
            "--config.tuning.workers=1",
            f"--config.tuning.port={other.getsockname()[1]}",
            f"--workdir={tmp_path / 'search'}",
        )
    assert code == 2
    assert "is in use" in err
