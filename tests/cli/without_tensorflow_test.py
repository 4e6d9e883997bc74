"""Commands on JAX where TensorFlow is not installed."""

import pytest

COMMANDS = """
import sys
from tlkeras.cli.main import main
from absl import flags
KNOWN = set(flags.FLAGS)
def run(command, *arguments, code=0):
    try:
        main(["tlkeras", command, *arguments])
    except SystemExit as end:
        assert (end.code or 0) == code, (command, end.code)
    for name in set(flags.FLAGS) - KNOWN:
        delattr(flags.FLAGS, name)
    flags.FLAGS.unparse_flags()
config, data, folder = {paths!r}
model = (f"--config={{config}}", f"--data={{data}}")
"""


@pytest.fixture
def run(run_on_jax, config_file, photo_folder, tmp_path, monkeypatch):
    """Runs code that gives commands, in a process of its own."""
    monkeypatch.setenv("TLKERAS_CACHE", str(tmp_path / "cache"))
    paths = (str(config_file), str(photo_folder), str(tmp_path))
    return lambda code: run_on_jax(COMMANDS.format(paths=paths) + code)


def test_a_run_is_trained_and_asked(run, photo_folder, tmp_path):
    photo = next(photo_folder.rglob("*.jpg"))
    run(f"""
run("train", *model, f"--workdir={{folder}}/run",
    "--config.phases.fine_tune.epochs=1",
    "--config.data.augment.randaugment_layers=1",
    "--config.phases.fine_tune.trainable_from=conv_pw_2",
    "--config.data.augment.mixup_alpha=0.2")
run("predict", f"--workdir={{folder}}/run", {str(photo)!r})
run("evaluate", f"--workdir={{folder}}/run", "--split=test")
run("heatmap", f"--workdir={{folder}}/run", f"--output={{folder}}/maps",
    {str(photo)!r})
run("features", *model, f"--output={{folder}}/codes.npz",
    "--augmented_copies=8")
""")
    assert (tmp_path / "run" / "report.html").exists()
    assert (tmp_path / "maps" / "heatmaps.json").exists()
    assert (tmp_path / "codes.npz").exists()


@pytest.mark.slow
def test_studies_and_searches_run(run):
    run("""
run("check", *model, "--config.checks.strict=False")
run("find_lr", *model)
run("probe", *model)
run("tune", *model, f"--workdir={folder}/tune", "--config.tuning.num_trials=4")
""")


def test_what_needs_tensorflow_says_so(run, tmp_path, photo_folder):
    from PIL import Image

    Image.new("P", (40, 30), 7).save(tmp_path / "a.gif")
    Image.new("CMYK", (40, 30), 7).save(tmp_path / "b.jpg")
    photo = next(photo_folder.rglob("*.jpg"))
    run(f"""
from tlkeras.data.inspection import inspect_file
for name in ("a.gif", "b.jpg"):
    assert "needs TensorFlow" in inspect_file(f"{{folder}}/{{name}}").problem
assert not inspect_file({str(photo)!r}).problem
run("features", *model, f"--output={{folder}}/codes.npz",
    "--config.data.image_definition=1", code=2)
run("export", f"--workdir={{folder}}/run", f"--output={{folder}}/out", code=2)
""")
