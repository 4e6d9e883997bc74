"""Which rule chooses best between the probe and the fine-tuned weights.

Small parts of real sets are trained on, and most images held out. Candidates
are the solved probe, the fine-tuned weights and three points between them
(WiSE-FT). A rule sees a few of the held-out images; what its choice answers to
all others is compared with the best that any candidate would have answered.

Command: TLKERAS_ASSETS=DIR python benchmarks/which_weights.py FOLDER
Runs lie in FOLDER; the command goes on where it was stopped.

References:
    Wortsman et al., Robust fine-tuning of zero-shot models, 2022 (WiSE-FT).
    Kumar et al., Fine-tuning can distort pretrained features and underperform
    out-of-distribution, 2022 (LP-FT).
"""

import itertools
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.harness import assets, mobilenet_weights

SETS = ("clothing", "blood_cells", "sign_digits", "omniglot")
TRAIN_SHARES = (0.1, 0.3)
SEEDS = (0, 1, 2)
MIXED = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the fine-tuned weights
SEEN = (20, 50, 100, 200)  # validation images that a rule sees
NUM_DRAWS = 60
SAMPLES = 400  # of a bootstrap

# What a rule sees: scores [candidates, n] and log losses [candidates, n].
Rule = Callable[[np.ndarray, np.ndarray], int]
PROBE, HALF, TUNED = 0, 2, 4


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
    "the fine-tuned": lambda scores, losses: TUNED,
    "half way": lambda scores, losses: HALF,
    "fine-tuned if surely more accurate": if_sure("accuracy", 0, (4,)),
    "fine-tuned if surely of lower loss": if_sure("loss", 0, (4,)),
    "the lower loss of the two ends": if_sure("loss", 0, (4,), p=0.5),
    "the lowest loss of five": by_loss,
    "the most accurate of five": by_accuracy,
    "the lowest loss of five, if surely, else half way": if_sure(
        "loss", 2, (0, 1, 3, 4)
    ),
    "the lowest loss of five, if surely, else fine-tuned": if_sure(
        "loss", 4, (0, 1, 2, 3)
    ),
}


def main() -> None:
    """Prints what each rule loses, by the images that it sees."""
    if len(sys.argv) != 2:
        sys.exit("usage: TLKERAS_ASSETS=DIR which_weights.py FOLDER")
    from tlkeras.startup import import_frameworks

    import_frameworks()
    lost: dict[tuple[str, int], list[np.ndarray]] = {}
    for name, share, seed in itertools.product(SETS, TRAIN_SHARES, SEEDS):
        folder = Path(sys.argv[1]) / f"{name}-{share}-{seed}"
        targets, logits = answer(train(name, share, seed, folder))
        print_candidates(folder.name, targets, logits)
        for seen in SEEN:
            if 2 * seen <= len(targets):
                for rule, value in try_rules(targets, logits, seen).items():
                    lost.setdefault((rule, seen), []).append(value)
    print_lost(lost)


def train(name: str, share: float, seed: int, directory: Path) -> Path:
    """Trains the default recipe on a share of a set; returns its directory."""
    from tlkeras.config import get_config
    from tlkeras.training.trainer import train_and_evaluate

    config = get_config()
    config.seed = config.data.split_seed = seed
    config.data.source = str(assets() / "datasets" / name)
    config.data.split = (share, 0.95 - share, 0.05)
    config.model.weights = mobilenet_weights()
    config.model.image_size = 96
    config.evaluation.test_at_end = False
    config.checks.enabled = config.report.enabled = False
    train_and_evaluate(config, directory)
    return directory


def answer(directory: Path) -> tuple[np.ndarray, np.ndarray]:
    """Returns targets [N, C] and logits [candidates, N, C] of a run.

    Logits are of the weights as trained, for the validation images.
    """
    from tlkeras import workdir
    from tlkeras.evaluation.run import load_run
    from tlkeras.training.mixing import mix_weights
    from tlkeras.training.progress import RunProgress
    from tlkeras.training.state import Checkpoints

    path = directory / "which_weights.npz"
    if not path.exists():
        run = load_run(directory)
        folder = directory / workdir.CHECKPOINTS
        with np.load(folder / workdir.STATE) as stored:
            progress, _ = RunProgress.from_json(stored["record"].tobytes())
        checkpoints = Checkpoints(folder, {})
        probe, tuned = (
            checkpoints.read_weights(outcome.best.file)
            for outcome in progress.outcomes
        )
        examples = run.load_dataset("validation").splits["validation"]
        logits = []
        for share in MIXED:
            run.model.set_weights(mix_weights(probe, tuned, share))
            logits.append(run.compute_logits(examples))
        np.savez(path, targets=examples.targets, logits=np.array(logits))
    with np.load(path) as stored:
        return stored["targets"], stored["logits"].astype(np.float64)


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


def print_lost(lost: dict[tuple[str, int], list[np.ndarray]]) -> None:
    """Prints points of accuracy and log loss that each rule loses."""
    print("\n| rule |", " | ".join(f"{seen} seen" for seen in SEEN), "|")
    for rule in RULES:
        cells = []
        for seen in SEEN:
            points, loss = np.mean(lost[rule, seen], axis=0)
            cells.append(f"{100 * points:.2f}, {loss:.4f}")
        print("|", rule, "|", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
