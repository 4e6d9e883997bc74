"""Which rule chooses best between the probe and the fine-tuned weights.

Networks learn from 5, 10, 20 or all training images of a class, and many
others are held out. Candidates are the solved probe, the weights of the best
and of the last epoch, and three points between the probe and the best
(WiSE-FT). A rule sees some of the images held out, as many as a default split
would have for validation; what its choice answers to all others is compared
with the best that any candidate would have answered.

Command: TLKERAS_ASSETS=DIR python benchmarks/which_weights.py FOLDER
Runs lie in FOLDER; the command goes on where it was stopped.

References:
    Wortsman et al., Robust fine-tuning of zero-shot models, 2022 (WiSE-FT).
    Kumar et al., Fine-tuning can distort pretrained features and underperform
    out-of-distribution, 2022 (LP-FT).
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.harness import assets, mobilenet_weights

SETS = ("clothing", "blood_cells", "sign_digits", "omniglot")
A_CLASS = ("5", "10", "20", "all")  # training images
SEEDS = (0, 1)  # also of the division
HELD_OUT = {"clothing": "validation"}  # its test split stays untouched
MIXED = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the weights of the best epoch
PROBE, HALF, BEST, LAST = 0, 2, 4, 5  # candidates
OWN = 0.15 / 0.7  # validation images that a default split has, a training one
SEEN = (20, 50, 100)  # or as many, whatever was trained on
NUM_DRAWS = 60
SAMPLES = 400  # of a bootstrap

# What a rule sees: scores [candidates, n] and log losses [candidates, n].
Rule = Callable[[np.ndarray, np.ndarray], int]


def by_loss(scores: np.ndarray, losses: np.ndarray) -> int:
    """Returns the candidate of the lowest log loss."""
    return int(losses.mean(1).argmin())


def by_accuracy(scores: np.ndarray, losses: np.ndarray) -> int:
    """Returns the most accurate candidate; ties by the loss."""
    order = np.lexsort((losses.mean(1), -scores.mean(1)))
    return int(order[0])


def if_sure(
    values: str, start: int, candidates: tuple[int, ...], p: float = 0.05
) -> Rule:
    """Returns a rule that leaves a candidate only for a surely better one."""

    def rule(scores: np.ndarray, losses: np.ndarray) -> int:
        worth = scores if values == "accuracy" else -losses
        best = max(candidates, key=lambda c: worth[c].mean())
        rng = np.random.default_rng(0)
        size = worth.shape[1]
        rows = rng.integers(size, size=(SAMPLES, size))
        gains = (worth[best] - worth[start])[rows].mean(1)
        return best if (gains <= 0).mean() <= p else start

    return rule


RULES: dict[str, Rule] = {
    "the probe": lambda scores, losses: PROBE,
    "the best epoch": lambda scores, losses: BEST,
    "the last epoch": lambda scores, losses: LAST,
    "half way": lambda scores, losses: HALF,
    "best epoch if surely more accurate (before)": if_sure(
        "accuracy", PROBE, (BEST,)
    ),
    "best epoch if surely of lower loss": if_sure("loss", PROBE, (BEST,)),
    "best epoch if of lower loss": if_sure("loss", PROBE, (BEST,), p=0.5),
    "best epoch unless probe surely of lower loss (chosen)": if_sure(
        "loss", BEST, (PROBE,)
    ),
    "lowest loss of probe, best, last": if_sure(
        "loss", PROBE, (PROBE, BEST, LAST), p=1.0
    ),
    "lowest loss of all": by_loss,
    "most accurate of all": by_accuracy,
    "lowest loss of all if surely, else half way": if_sure(
        "loss", HALF, (0, 1, 3, 4, 5)
    ),
    "lowest loss of all if surely, else best epoch": if_sure(
        "loss", BEST, (0, 1, 2, 3, 5)
    ),
}


def main() -> None:
    """Prints what each rule loses, by the images that it sees."""
    if len(sys.argv) != 2:
        sys.exit("usage: TLKERAS_ASSETS=DIR which_weights.py FOLDER")
    from tlkeras.startup import import_frameworks

    import_frameworks()
    own: Losses = {}
    fixed: Losses = {}
    for name in SETS:
        for images in counts(name):
            for seed in SEEDS:
                folder = Path(sys.argv[1]) / f"{name}-{images}-{seed}"
                trained = train(name, images, seed, folder)
                targets, logits = answer(folder)
                print_candidates(folder.name, targets, logits)
                seen = max(round(OWN * trained), 2 * targets.shape[1])
                add(own, images, try_rules(targets, logits, seen))
                for seen in SEEN:
                    if 2 * seen <= len(targets):
                        add(fixed, seen, try_rules(targets, logits, seen))
    print_lost("training images a class", own)
    print_lost("validation images", fixed)


# Column -> rule -> points of accuracy and log loss that it lost, one a run.
Losses = dict[object, dict[str, list[np.ndarray]]]


def counts(name: str) -> tuple[str, ...]:
    """Returns how many images a class of a set are trained on."""
    # Omniglot has 20 in all; "all" are 14.
    return ("5", "10", "all") if name == "omniglot" else A_CLASS


def add(losses: Losses, column: object, values: dict[str, np.ndarray]) -> None:
    """Adds what the rules lost in one run."""
    for rule, value in values.items():
        losses.setdefault(column, {}).setdefault(rule, []).append(value)


def train(name: str, images: str, seed: int, directory: Path) -> int:
    """Trains the default recipe; returns on how many images.

    The weights of the last epoch are kept too, in `last.npz`.
    """
    from tlkeras.config import get_config
    from tlkeras.data.load import load_configured
    from tlkeras.training import mixing, trainer

    config = get_config()
    config.seed = config.data.split_seed = seed
    config.data.source = str(assets() / "datasets" / name)
    config.data.split = (0.5, 0.1, 0.4)
    if images == "all":
        config.data.split = (0.7, 0.1, 0.2)
    else:
        config.data.images_per_class = int(images)
    config.model.weights = mobilenet_weights()
    config.model.image_size = 96
    config.evaluation.test_at_end = False
    config.checks.enabled = config.report.enabled = False
    config.runtime.tensorboard = False

    def keep_last(result: Any, before: Any, run: Any) -> Any:
        weights = run.classifier.model.get_weights()
        np.savez(directory / "last.npz", *weights)
        return mixing.mix(result, before, run)

    with mock.patch.object(trainer, "mix", keep_last):
        trainer.train_and_evaluate(config, directory)
    return len(load_configured(config).splits["train"])


def answer(directory: Path) -> tuple[np.ndarray, np.ndarray]:
    """Returns targets [N, C] and logits [candidates, N, C] of a run.

    Logits are of the weights as trained, for the images of `HELD_OUT`.
    """
    from tlkeras.evaluation.run import load_run

    path = directory / "which_weights.npz"
    if not path.exists():
        run = load_run(directory)
        split = HELD_OUT.get(directory.name.split("-")[0], "test")
        examples = run.load_dataset(split).splits[split]
        logits = []
        for weights in read_candidates(directory):
            run.model.set_weights(weights)
            logits.append(run.compute_logits(examples))
        np.savez(path, targets=examples.targets, logits=np.array(logits))
    with np.load(path) as stored:
        return stored["targets"], stored["logits"].astype(np.float64)


def read_candidates(directory: Path) -> Iterator[list[np.ndarray]]:
    """Yields the weights [...] of each candidate of a finished run."""
    from tlkeras import workdir
    from tlkeras.training.mixing import mix_weights
    from tlkeras.training.progress import RunProgress
    from tlkeras.training.state import Checkpoints

    folder = directory / workdir.CHECKPOINTS
    with np.load(folder / workdir.STATE) as stored:
        progress, _ = RunProgress.from_json(stored["record"].tobytes())
    checkpoints = Checkpoints(folder, {})
    probe, best = (
        checkpoints.read_weights(outcome.best.file)
        for outcome in progress.outcomes
    )
    for share in MIXED:
        yield mix_weights(probe, best, share)
    with np.load(directory / "last.npz") as stored:
        yield [stored[name] for name in stored.files]


def measure(
    targets: np.ndarray, logits: np.ndarray, temperatures: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns scores and log losses, both [candidates, N]."""
    from tlkeras.optim.losses import LOSSES, compute_log_losses

    scores = targets.argmax(-1) == logits.argmax(-1)
    losses = [
        compute_log_losses(targets, z / t, LOSSES["softmax"])
        for z, t in zip(logits, temperatures, strict=True)
    ]
    return scores.astype(np.float64), np.array(losses)


def try_rules(
    targets: np.ndarray, logits: np.ndarray, seen: int
) -> dict[str, np.ndarray]:
    """Returns what each rule loses: accuracy and log loss, mean over draws.

    Every candidate is calibrated by what the rule sees, for a run is.
    """
    from tlkeras.evaluation.calibration import fit_temperature
    from tlkeras.optim.losses import LOSSES

    lost: dict[str, list[tuple[float, float]]] = {name: [] for name in RULES}
    for draw in range(NUM_DRAWS):
        order = np.random.default_rng(draw).permutation(len(targets))
        few, rest = order[:seen], order[seen:]
        temperatures = np.array(
            [
                fit_temperature(targets[few], z[few], LOSSES["softmax"])
                for z in logits
            ]
        )
        told = measure(targets[few], logits[:, few], temperatures)
        held = measure(targets[rest], logits[:, rest], temperatures)
        accuracy, loss = (values.mean(1) for values in held)
        for name, rule in RULES.items():
            chosen = rule(*told)
            lost[name].append(
                (
                    accuracy.max() - accuracy[chosen],
                    loss[chosen] - loss.min(),
                )
            )
    return {name: np.mean(values, 0) for name, values in lost.items()}


def print_candidates(
    name: str, targets: np.ndarray, logits: np.ndarray
) -> None:
    """Prints accuracy and calibrated log loss of each candidate of a run."""
    from tlkeras.evaluation.calibration import fit_temperature
    from tlkeras.optim.losses import LOSSES

    temperatures = np.array(
        [fit_temperature(targets, z, LOSSES["softmax"]) for z in logits]
    )
    scores, losses = measure(targets, logits, temperatures)
    cells = (
        f"{right:.3f} ({loss:.3f})"
        for right, loss in zip(scores.mean(1), losses.mean(1), strict=True)
    )
    print("|", name, "|", " | ".join(cells), "|", flush=True)


def print_lost(title: str, losses: Losses) -> None:
    """Prints points of accuracy and log loss that each rule loses."""
    print(f"\n| rule, by {title} |", " | ".join(map(str, losses)), "| mean |")
    print("|---" * (len(losses) + 2) + "|")
    for rule in RULES:
        cells = [np.mean(column[rule], axis=0) for column in losses.values()]
        cells.append(np.mean(cells, axis=0))
        texts = (f"{100 * points:.2f}, {loss:.3f}" for points, loss in cells)
        print("|", rule, "|", " | ".join(texts), "|")


if __name__ == "__main__":
    main()
