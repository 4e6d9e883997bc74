"""How wide the prior of log T may be.

Of the validation images of finished runs, a few of each class are drawn, 40
times; a temperature is fitted to them under each width, and the log loss of all
other validation images is compared with that of the logits as trained. Runs
whose images carry several labels: 5-fold log loss of rules for their labels.

Command: python benchmarks/calibration_prior.py RUN ...
"""

import sys

import numpy as np
from scipy.optimize import minimize

from tlkeras.evaluation.calibration import fit_temperature
from tlkeras.evaluation.folds import stratified_folds
from tlkeras.evaluation.run import Run, load_run
from tlkeras.optim.losses import Loss, compute_log_losses

WIDTHS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 2.0, 100.0)
IMAGES_A_CLASS = (2, 3, 5, 10, 20)
NUM_DRAWS = 40


def read_logits(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Returns the targets and logits as trained of the validation images."""
    examples = run.load_dataset("validation").splits["validation"]
    logits = run.calibration.undo(run.compute_logits(examples))
    return examples.targets, logits.astype(np.float64)


def print_widths(targets: np.ndarray, logits: np.ndarray, loss: Loss) -> None:
    """Prints the mean and the worst change of log loss by number of images."""
    before = compute_log_losses(targets, logits, loss)
    print("images", *(f"{width:>15}" for width in WIDTHS))
    for count in IMAGES_A_CLASS:
        changes = []
        for seed in range(NUM_DRAWS):
            chosen = draw(targets, count, seed)
            if (~chosen).sum() < 20:
                break
            fits = [
                fit_temperature(
                    targets[chosen], logits[chosen], loss, prior_std=width
                )
                for width in WIDTHS
            ]
            changes.append(
                [
                    (compute_log_losses(targets, logits / t, loss) - before)[
                        ~chosen
                    ].mean()
                    for t in fits
                ]
            )
        if changes:
            both = zip(np.mean(changes, 0), np.max(changes, 0), strict=True)
            cells = (f"{mean:+.4f} {worst:+.4f}" for mean, worst in both)
            print(f"{count:>6}", *(f"{cell:>15}" for cell in cells))


def draw(targets: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Returns a mask [N] of up to `count` images of each class."""
    rng = np.random.default_rng(seed)
    chosen = np.zeros(len(targets), bool)
    classes = targets.argmax(-1)
    for label in np.unique(classes):
        chosen[rng.permutation(np.flatnonzero(classes == label))[:count]] = True
    return chosen


def fit_rule(
    name: str, targets: np.ndarray, logits: np.ndarray, loss: Loss
) -> tuple[np.ndarray, np.ndarray]:
    """Returns factors [C] and shifts [C] of the labels' logits by a rule."""
    num_labels = targets.shape[1]
    factors, shifts = np.ones(num_labels), np.zeros(num_labels)
    if name == "one":
        every = fit_temperature(
            targets.reshape(-1, 1), logits.reshape(-1, 1), loss
        )
        factors /= every
    elif name == "each":
        factors /= [
            fit_temperature(targets[:, [c]], logits[:, [c]], loss)
            for c in range(num_labels)
        ]
    elif name == "each, shifted":
        for c in range(num_labels):
            factors[c], shifts[c] = fit_platt(
                targets[:, [c]], logits[:, [c]], loss
            )
    return factors, shifts


def fit_platt(
    targets: np.ndarray, logits: np.ndarray, loss: Loss
) -> tuple[float, float]:
    """Fits factor and shift, both under the prior of a temperature."""

    def objective(values: np.ndarray) -> float:
        moved = logits * np.exp(-values[0]) + values[1]
        losses = compute_log_losses(targets, moved, loss)
        return float(losses.sum() + (values**2).sum() / (2 * 0.5**2))

    found = minimize(objective, np.zeros(2), method="BFGS").x
    return float(np.exp(-found[0])), float(found[1])


def print_rules(targets: np.ndarray, logits: np.ndarray, loss: Loss) -> None:
    """Prints the cross-fitted log loss of each rule for labels."""
    folds = stratified_folds(targets, 5, seed=0)
    for name in ("none", "one", "each", "each, shifted"):
        moved = np.empty_like(logits)
        for fold in range(5):
            held = folds == fold
            factors, shifts = fit_rule(
                name, targets[~held], logits[~held], loss
            )
            moved[held] = logits[held] * factors + shifts
        print(f"{name:<14}", compute_log_losses(targets, moved, loss).mean())


def main(directories: list[str]) -> None:
    """Prints one table a run."""
    for directory in directories:
        run = load_run(directory)
        print(directory, run.loss.name)
        targets, logits = read_logits(run)
        show = print_rules if run.loss.multi_label else print_widths
        show(targets, logits, run.loss)


if __name__ == "__main__":
    main(sys.argv[1:])
