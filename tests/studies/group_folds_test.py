"""Images that belong together lie in one fold of every division."""

import numpy as np
import pytest

from tlkeras.evaluation.folds import belong_to, stratified_folds
from tlkeras.optim.losses import LOSSES
from tlkeras.studies.cross_validation import cross_validate
from tlkeras.studies.linear_trials import divide
from tlkeras.studies.papers_protocol import measure_over_splits


@pytest.fixture
def films():
    """Codes of 40 films of 6 frames, 4 classes; a film is easily recognised.

    Its class is not: nothing but the film is in the codes.
    """
    rng = np.random.default_rng(0)
    films = np.repeat(np.arange(40), 6)
    codes = rng.standard_normal((40, 64))[films]
    codes = codes + 0.1 * rng.standard_normal((240, 64))
    targets = np.eye(4, dtype=np.float32)[films % 4]
    return codes.astype(np.float32), targets, [f"film{f}" for f in films]


def test_a_group_lies_in_one_fold_and_folds_are_even(films):
    _, targets, groups = films
    fold = stratified_folds(targets, 4, 0, groups)
    for group in set(groups):
        members = [
            f for f, name in zip(fold, groups, strict=True) if name == group
        ]
        assert len(set(members)) == 1
    for number in range(4):
        assert set(targets[fold == number].sum(0)) <= {12, 18}


def test_frames_of_a_film_do_not_vouch_for_one_another(films):
    codes, targets, groups = films
    alone = cross_validate(codes, targets, loss=LOSSES["softmax"])
    whole = cross_validate(
        codes, targets, loss=LOSSES["softmax"], groups=groups
    )
    assert alone.accuracy > 0.95  # the film was seen
    assert whole.accuracy < 0.5  # chance is .25


def test_the_papers_protocol_holds_out_other_films(films):
    codes, targets, groups = films
    settings = {
        "loss": LOSSES["softmax"],
        "train_per_class": 8,
        "num_splits": 3,
        "seed": 0,
    }
    alone = measure_over_splits(codes, targets, **settings)
    whole = measure_over_splits(codes, targets, groups=groups, **settings)
    assert alone.accuracy > whole.accuracy + 0.2
    assert whole.accuracy < 0.5


def test_a_film_learns_chooses_or_is_held_out(films):
    _, targets, groups = films
    names = np.array(groups)
    fold = stratified_folds(targets, 3, 0, groups)
    for one in divide(targets, fold, 0, groups):
        parts = [set(names[rows]) for rows in (one.learn, one.choose, one.held)]
        assert sum(map(len, parts)) == len(set().union(*parts)) == 40


def test_without_groups_nothing_belongs_together():
    chosen = np.array([True, False])
    assert not belong_to(chosen, ()).any()
    assert belong_to(chosen, ["a", "a"]).all()


def test_few_images_are_divided_all_the_same():
    targets = np.eye(2, dtype=np.float32)[[0, 1, 0, 1]]
    fold = stratified_folds(targets, 5, 0, ["a", "b", "c", "d"])
    assert set(fold) == {0, 1}
    fold = stratified_folds(targets[:2], 5, 0, ["a", "b"])
    assert len(set(fold)) == 2
