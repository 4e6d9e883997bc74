"""What `tlkeras train` prints, stores and leaves out."""

import json
import shutil

import numpy as np
from PIL import Image

from tlkeras import workdir


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
        "--config.model.features_from=conv_pw_1_relu",
        "--config.report.enabled=False",
        "--quiet",
    )
    assert code == 0
    stored = json.loads((tmp_path / "run" / workdir.CONFIG).read_text())
    assert stored["seed"] == 3
    assert stored["model"]["head"] == "svm"


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
        "--config.model.features_from=conv_pw_1_relu",
        "--config.phases.fine_tune.epochs=1",
        "--config.phases.fine_tune.trainable_from=all",
        "--config.checks.enabled=False",
    )
    assert code == 0, err
    page = (tmp_path / "run" / workdir.REPORT).read_text()
    ledger = workdir.read_json(tmp_path / "run" / workdir.LEDGER)
    assert {item["path"] for item in ledger["left_out"]} == set(
        map(str, unusable)
    )
    for path in unusable:
        assert str(path) in page
