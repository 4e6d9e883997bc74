"""The commands that are killed, and where each leaves what it makes."""

import dataclasses
from pathlib import Path

CONFIG = """
from tlkeras.config import defaults

def get_config():
    config = defaults.get_config()
    config.model.backbone = "MobileNet"
    config.model.alpha = 0.25
    config.model.image_size = 32
    config.model.weights = "letters"
    config.model.features_from = "conv_pw_6_relu"
    config.phases.fine_tune.epochs = 3
    config.phases.fine_tune.batch_size = 8
    config.evaluation.bootstrap_samples = 100
    config.evaluation.replace_p_value = 1.0
    config.runtime.tensorboard = False
    config.tuning.noise_seeds = 2
    config.tuning.final_trials = 1
    config.tuning.final_seeds = 1
    return config
"""
FITTED = (
    "--config.phases.linear_probe.method=fit",
    "--config.phases.linear_probe.epochs=4",
    "--config.phases.linear_probe.batch_size=8",
)
CODES = ("--space=model.head_l2=1e-6:1:log", "--config.tuning.num_trials=9")
FULL = (
    "--space=phases.fine_tune.trainable_from=conv_pw_5|conv_pw_6",
    "--config.tuning.mode=full",
    "--config.tuning.num_trials=2",
    "--config.tuning.stages=1",
    "--config.tuning.compare=False",
)


@dataclasses.dataclass(frozen=True)
class Victim:
    """A command that is killed.

    Attributes:
        command: Of tlkeras.
        flags: Beside its config, data and place.
        is_warm: Whether its cache is full when it begins.
        share: Of the kills.
    """

    command: str
    flags: tuple[str, ...] = ()
    is_warm: bool = False
    share: int = 1


VICTIMS = {
    "train, cold": Victim("train", share=4),
    "train, warm": Victim("train", is_warm=True, share=4),
    "train, fitted": Victim("train", FITTED, share=4),
    "train, fitted warm": Victim("train", FITTED, is_warm=True, share=3),
    "train, views": Victim(
        "train",
        (
            *FITTED,
            "--config.phases.linear_probe.augment=True",
            "--config.features.num_views=3",
        ),
        share=2,
    ),
    "tune, codes": Victim("tune", CODES, share=3),
    "tune, codes warm": Victim("tune", CODES, is_warm=True, share=2),
    "tune, full": Victim("tune", FULL, share=2),
    "tune, workers": Victim(
        "tune", (*FULL, "--config.tuning.workers=2"), share=1
    ),
    "export": Victim("export", ("--formats=saved_model,dynamic",), share=3),
    "features, cold": Victim("features", share=2),
    "features, warm": Victim("features", is_warm=True, share=1),
}


def arguments(victim: Victim, data: Path, run: Path, folder: Path) -> list[str]:
    """Returns the command line.

    Args:
        victim: Its command.
        data: Folder of class folders.
        run: A finished run, for an export.
        folder: Of the chain; what is made goes into `made/` there.
    """
    made = folder / "made"
    if victim.command == "export":
        return ["export", f"--workdir={run}", f"--output={made}", *victim.flags]
    place = f"--workdir={made}"
    if victim.command == "features":
        place = f"--output={made / 'codes.npz'}"
    return [
        victim.command,
        f"--config={data.parent / 'config.py'}",
        f"--data={data}",
        place,
        *victim.flags,
    ]


def write_photos(folder: Path) -> Path:
    """Writes two classes of 40 crops of a real photo each, and the config.

    Returns:
        The folder of class folders; the config lies beside it.
    """
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_sample_image

    (folder / "config.py").write_text(CONFIG)
    generator = np.random.default_rng(0)
    for name in ("china", "flower"):
        photo = load_sample_image(f"{name}.jpg")
        (folder / "data" / name).mkdir(parents=True)
        for number in range(40):
            y = generator.integers(photo.shape[0] - 96)
            x = generator.integers(photo.shape[1] - 128)
            crop = photo[y : y + 96 : 2, x : x + 128 : 2]
            path = folder / "data" / name / f"{number:02d}.jpg"
            Image.fromarray(crop).save(path, quality=90)
    return folder / "data"
