"""How much of the answer each depth of a backbone knows.

Nearest neighbours answer at every depth, which costs no fit; linear classifiers
at a few of them: spread over the network, and where the neighbours were best.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tlkeras.evaluation.folds import stratified_folds
from tlkeras.evaluation.metrics import bootstrap_interval, per_image_scores
from tlkeras.features.code_transforms import l2_normalize
from tlkeras.linear.solvers import standardize
from tlkeras.optim.losses import Loss
from tlkeras.studies.cross_validation import CrossValidated, cross_validate

NUM_LINEAR = 6
NEIGHBOURS = 5
# Strengths of L2, in powers of ten on standardised codes. Weaker ones take most
# of the time and are right for narrow layers only.
STRENGTHS = (1.0, 3.0)
NUM_STRENGTHS = 3


@dataclasses.dataclass(frozen=True)
class Depth:
    """What is known after one layer.

    Attributes:
        layer: Its name.
        k_nn: Accuracy of the nearest neighbours.
        k_nn_interval: 95 %, over images.
        linear: Of a linear classifier, where one was fitted.
    """

    layer: str
    k_nn: float
    k_nn_interval: tuple[float, float]
    linear: CrossValidated | None


@dataclasses.dataclass(frozen=True)
class Profile:
    """Accuracy by depth, on the same folds throughout.

    Attributes:
        depths: From the stem to the top.
        raw_pixels: A linear classifier without a network.
        chance: [N] scores of ranking classes by how frequent they are.
        fold: [N] in which each image was held out.
    """

    depths: tuple[Depth, ...]
    raw_pixels: CrossValidated
    chance: np.ndarray
    fold: np.ndarray

    @property
    def top(self) -> np.ndarray:
        """[N] scores of the linear classifier on the top."""
        return _linear(self.depths[-1]).scores

    @property
    def fitted(self) -> list[Depth]:
        """The depths with a linear classifier."""
        return [depth for depth in self.depths if depth.linear]

    @property
    def best(self) -> Depth:
        """The depth of the best linear classifier; of equals the highest."""
        return max(self.fitted[::-1], key=lambda d: _linear(d).accuracy)

    @property
    def best_earlier(self) -> Depth:
        """The best depth below the top, where there is one."""
        below = self.fitted[:-1] or self.fitted
        return max(below[::-1], key=lambda d: _linear(d).accuracy)

    def pick_earlier(self) -> tuple[np.ndarray, list[str]]:
        """Picks the best depth below the top for each fold by the others.

        The best of several accuracies is too high an estimate: part of it is
        luck. The images of a fold have no say in the depth that answers them.

        Returns:
            Scores [N], and the depth that was picked for each fold.
        """
        return self._pick(self.fitted[:-1] or self.fitted)

    def pick_any(self) -> np.ndarray:
        """Does what `pick_earlier` does, over all depths; scores [N]."""
        return self._pick(self.fitted)[0]

    def _pick(self, depths: list[Depth]) -> tuple[np.ndarray, list[str]]:
        table = np.stack([_linear(depth).scores for depth in depths])
        scores = np.empty(table.shape[1])
        picked = []
        for number in range(self.fold.max() + 1):
            held = self.fold == number
            best = int(table[:, ~held].mean(1).argmax())
            scores[held] = table[best, held]
            picked.append(depths[best].layer)
        return scores, picked


def _linear(depth: Depth) -> CrossValidated:
    assert depth.linear is not None
    return depth.linear


def measure_profile(
    layers: list[str],
    codes: list[np.ndarray],
    pixels: np.ndarray,
    targets: np.ndarray,
    *,
    loss: Loss,
    num_folds: int,
    seed: int,
    groups: Sequence[str] = (),
) -> Profile:
    """Measures a profile.

    Args:
        layers: Names of the depths, from the stem to the top.
        codes: float [N, d] of each.
        pixels: [N, ...] of the images themselves, small.
        targets: [N, C] multi-hot.
        loss: Of the linear classifiers; row of `optim.losses.LOSSES`.
        num_folds: Of the cross-validation, at least 2.
        seed: Of the folds.
        groups: [N] of images that belong together, or empty; a group lies in
            one fold.
    """
    fold = stratified_folds(targets, num_folds, seed, groups)

    def fit(values: np.ndarray) -> CrossValidated:
        return cross_validate(
            values,
            targets,
            loss=loss,
            log10_l2=STRENGTHS,
            num_strengths=NUM_STRENGTHS,
            num_folds=num_folds,
            seed=seed,
            groups=groups,
        )

    neighbours = [answer_by_neighbours(c, targets, fold) for c in codes]
    chosen = choose_depths([scores.mean() for scores in neighbours])
    frequent = np.broadcast_to(targets.mean(0), targets.shape)
    return Profile(
        depths=tuple(
            Depth(
                layer,
                float(scores.mean()),
                bootstrap_interval(scores, num_samples=1000),
                fit(values) if index in chosen else None,
            )
            for index, (layer, values, scores) in enumerate(
                zip(layers, codes, neighbours, strict=True)
            )
        ),
        raw_pixels=fit(pixels.reshape(len(pixels), -1).astype(np.float32)),
        chance=per_image_scores(
            targets, frequent, multi_label=has_several_labels(targets)
        ),
        fold=fold,
    )


def has_several_labels(targets: np.ndarray) -> bool:
    """Says whether some row of targets [N, C] is not one-hot."""
    return bool((targets.sum(-1) != 1).any())


def choose_depths(accuracies: list[float]) -> set[int]:
    """Returns the places of at most `NUM_LINEAR` depths.

    The top, the best below it, and others spread evenly.

    Args:
        accuracies: Of each depth by its nearest neighbours, stem to top.
    """
    top = len(accuracies) - 1
    if top < NUM_LINEAR:
        return set(range(top + 1))
    chosen = {top, int(np.argmax(accuracies[:-1]))}
    spread = np.linspace(0, top, NUM_LINEAR).round().astype(int).tolist()
    for place in spread[::-1]:
        if len(chosen) < NUM_LINEAR:
            chosen.add(place)
    return chosen


def answer_by_neighbours(
    codes: np.ndarray, targets: np.ndarray, fold: np.ndarray
) -> np.ndarray:
    """Lets the nearest images of the other folds answer each image.

    They vote with their cosine to it, on standardised codes.

    Args:
        codes: float [N, d].
        targets: [N, C] multi-hot.
        fold: [N] of each image.

    Returns:
        [N] scores, as of `per_image_scores`.
    """
    from sklearn.neighbors import NearestNeighbors

    scores = np.empty(len(codes))
    for number in range(fold.max() + 1):
        held = fold == number
        known, mean, scale = standardize(codes[~held])
        search = NearestNeighbors(
            n_neighbors=min(NEIGHBOURS, len(known)),
            metric="cosine",
            algorithm="brute",
        ).fit(l2_normalize(known).astype(np.float32))
        asked = l2_normalize((codes[held] - mean) / scale)
        distances, rows = search.kneighbors(asked.astype(np.float32))
        votes = targets[~held][rows] * (1 - distances)[..., None]
        scores[held] = per_image_scores(
            targets[held],
            votes.sum(1),
            multi_label=has_several_labels(targets),
        )
    return scores
