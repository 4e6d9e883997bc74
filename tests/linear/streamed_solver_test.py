"""Block by block is all at once."""

import numpy as np
import pytest

from tlkeras.linear import streamed_solver
from tlkeras.linear.solvers import fit_linear_classifier
from tlkeras.linear.streamed_solver import (
    CodeBlocks,
    fit_streamed_classifier,
    held_bytes,
)
from tlkeras.optim.losses import LOSSES, compute_losses

HOW = {"log10_l2": (-1.0, 3.0), "num_strengths": 5}


def make_problem(loss, num_images=300, size=20, num_classes=4, shift=0.0):
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(num_images, size)).astype(np.float32)
    codes[:, :3] *= 20.0
    codes += shift
    truth = codes @ rng.normal(size=(size, num_classes)) / 20
    truth -= truth.mean(0)
    if loss.multi_label:
        return codes, (truth > 0).astype(np.float32)
    labels = (truth + rng.normal(size=truth.shape)).argmax(1)
    return codes, np.eye(num_classes, dtype=np.float32)[labels]


def blocks_of(codes, targets, class_weights=None, seen=None):
    def read(rows):
        for start in range(0, len(codes), rows):
            part = slice(start, start + rows)
            if seen is not None:
                seen.append(len(codes[part]))
            yield codes[part], targets[part]

    return CodeBlocks(read, *targets.shape, class_weights)


def score_by(codes, targets, loss):
    def score(kernel, bias):
        return -float(
            compute_losses(targets, codes @ kernel + bias, loss).mean()
        )

    return score


@pytest.mark.parametrize("loss", LOSSES.values(), ids=lambda x: x.name)
@pytest.mark.parametrize("shift", [0.0, 100.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_blocks_give_what_all_codes_at_once_give(
    loss, shift, weighted, monkeypatch
):
    monkeypatch.setattr(streamed_solver, "BLOCK_BYTES", 64 * 4 * 4 * 20)
    codes, targets = make_problem(loss, shift=shift)
    weights = np.array([1.0, 2.0, 0.5, 1.0]) if weighted else None
    score = score_by(codes[:100], targets[:100], loss)
    seen = []
    whole = fit_linear_classifier(
        codes, targets, score, loss=loss, class_weights=weights, **HOW
    )
    parts = fit_streamed_classifier(
        blocks_of(codes, targets, weights, seen), score, loss=loss, **HOW
    )
    assert max(seen) == 64
    assert parts.l2 == whole.l2
    for (_, one), (_, other) in zip(parts.tried, whole.tried, strict=True):
        assert one == pytest.approx(other, rel=2e-3, abs=1e-4)
    logits = codes @ parts.kernel + parts.bias
    wanted = codes @ whole.kernel + whole.bias
    assert np.abs(logits - wanted).max() < 0.01 * np.abs(wanted).max()


def test_fewer_images_than_components_are_solved_too():
    loss = LOSSES["softmax"]
    codes, targets = make_problem(loss, num_images=15, size=40)
    codes[:, 7] = 3.0  # does not vary
    score = score_by(codes, targets, loss)
    whole = fit_linear_classifier(codes, targets, score, loss=loss, **HOW)
    parts = fit_streamed_classifier(
        blocks_of(codes, targets), score, loss=loss, **HOW
    )
    assert parts.l2 == whole.l2
    assert parts.score == pytest.approx(whole.score, rel=1e-2)


def test_what_is_held_grows_with_images_and_with_classes():
    few = held_bytes(1000, 1280, 10, 11)
    assert held_bytes(2000, 1280, 10, 11) == 2 * few
    assert held_bytes(1000, 1280, 1000, 11) > 5 * few
