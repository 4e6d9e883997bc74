"""Help pages, and the commands that need no run."""

import numpy as np

from tlkeras.cli.main import COMMANDS


def test_every_command_has_a_help_page(run):
    code, out, _ = run("--help")
    assert code == 0
    for command in COMMANDS:
        assert command in out
        assert run(command, "--help")[0] == 0


def test_doctor_shows_the_machine_and_layers(run):
    code, out, _ = run("doctor")
    assert code == 0
    assert "keras" in out
    assert "weight cache" in out
    code, out, _ = run("doctor", "--layers=MobileNet", "--image_size=64")
    assert "conv_pw_13" in out
    assert code == 0


def test_features_writes_codes(run, config_file, photo_folder, tmp_path):
    code, out, err = run(
        "features",
        f"--config={config_file}",
        f"--data={photo_folder}",
        f"--output={tmp_path / 'new' / 'codes.npz'}",
        "--layer=conv_pw_2_relu",
        "--pooling=max",
        "--quiet",
    )
    assert code == 0, err
    assert "80 x 32 codes written" in out
    assert np.load(tmp_path / "new" / "codes.npz")["codes"].shape == (80, 32)


def test_probe_prints_its_table(run, config_file, photo_folder, tmp_path):
    code, out, err = run(
        "probe",
        f"--config={config_file}",
        f"--data={photo_folder}",
        f"--workdir={tmp_path}",
        "--config.model.features_from=conv_pw_2_relu",
        "--folds=2",
        "--quiet",
    )
    assert code == 0, err
    assert "conv_pw_2_relu" in out
    assert (tmp_path / "probe.json").exists()
    assert (tmp_path / "probe.png").exists()
