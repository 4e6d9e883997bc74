"""`tlkeras transferability` as a user types it."""

import pytest

from tlkeras import workdir


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--splits=0"], "--splits=0 is out of range; expected 1 .. 1000"),
        (["--epochs=0"], "--epochs=0 is out of range"),
        (["--batch_size=0"], "--batch_size=0 is out of range"),
        (["--learning_rate=0"], "--learning_rate=0.0 is out of range"),
        ([], "have 2 classes; expected at least 8"),
        (["--source=letters", "--cuts=stage9"], "ends no block"),
        (["--config.model.weights=letters"], "as --source"),
        (["--quik"], "Did you mean 'quick'"),
    ],
)
def test_bad_input_is_one_sentence(
    run, photo_folder, tmp_path, arguments, text
):
    code, _, err = run(
        "transferability",
        f"--data={photo_folder}",
        f"--workdir={tmp_path / 'study'}",
        *arguments,
    )
    assert code == 2
    assert text in err
    assert err.count("tlkeras:") == 1
    assert not (tmp_path / "study").exists()


def test_a_source_is_studied_and_drawn(run, photo_folder, tmp_path):
    code, out, err = run(
        "transferability",
        f"--data={photo_folder}",
        f"--workdir={tmp_path / 'study'}",
        "--source=letters",
        "--config.model.features_from=conv_pw_1_relu",
        "--cuts=conv_pw_1_relu",
        "--splits=1",
        "--epochs=1",
        "--batch_size=16",
    )
    assert code == 0, err
    assert "4 of 6" in out
    assert "min left" in out
    assert "AnB+" in out
    assert "too few to claim" in out
    assert (tmp_path / "study" / workdir.TRANSFERABILITY).exists()
    assert (tmp_path / "study" / workdir.TRANSFERABILITY_PLOT).exists()
