"""`tlkeras probe --augmented_copies` on the command line."""

import json

import pytest


def probe(run, config_file, photo_folder, folder, *arguments):
    return run(
        "probe",
        f"--config={config_file}",
        f"--data={photo_folder}",
        f"--workdir={folder}",
        *arguments,
    )


def test_the_table_is_printed_after_its_cost(
    run, config_file, photo_folder, tmp_path
):
    code, out, err = probe(
        run,
        config_file,
        photo_folder,
        tmp_path,
        "--config.model.features_from=conv_pw_1_relu",
        "--folds=2",
        "--augmented_copies=6",
        "--train_per_class=5",
        "--splits=2",
    )
    assert code == 0, err
    result = json.loads((tmp_path / "probe.json").read_text())
    cost = out.index(f"6 copies of {result['num_images']} images: ")
    table = out.index("6 copies of each image, scores summed")
    assert cost < table
    assert "svm+copies " in out
    assert (tmp_path / "probe.png").exists()


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["--augmented_copies=0"], "is no set of copies; expected one of 1 "),
        (["--augmented_copies=10"], "is no set of copies; expected one of 1 "),
        (["--augmented_copies=x"], "augmented_copies"),
        (
            [
                "--augmented_copies=16",
                "--config.data.augment.horizontal_flip=False",
            ],
            "expected at most 8 copies",
        ),
    ],
)
def test_bad_numbers_of_copies_are_one_sentence(
    run, config_file, photo_folder, tmp_path, flags, text
):
    folder = tmp_path / "probe"
    code, _, err = probe(run, config_file, photo_folder, folder, *flags)
    assert code == 2
    assert text in err
    assert "Traceback" not in err
    assert not folder.exists()
