import numpy as np

from tlkeras.evaluation.suspect_labels import find_suspects


def draw(num_images, num_classes, seed=0):
    """True labels, and probabilities that mostly favour them."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(num_classes, size=num_images)
    logits = rng.normal(size=(num_images, num_classes))
    logits[np.arange(num_images), labels] += 4
    powers = np.exp(logits)
    return labels, powers / powers.sum(1, keepdims=True)


def test_planted_labels_come_first():
    labels, probabilities = draw(1000, 5)
    given = labels.copy()
    given[:50] = (given[:50] + 1) % 5
    found = find_suspects(given, probabilities)
    assert np.mean(found.rows[:40] < 50) > 0.9
    assert np.isin(np.arange(50), found.rows).mean() > 0.7
    right = found.rows < 50
    assert (found.likely[right] == labels[found.rows[right]]).mean() > 0.9
    margins = probabilities[found.rows, given[found.rows]] - found.confidence
    assert (np.diff(margins) >= 0).all()
    assert (margins < 0).all()


def test_labels_that_all_predictions_confirm_are_not_in_doubt():
    _, probabilities = draw(200, 4)
    assert len(find_suspects(probabilities.argmax(1), probabilities).rows) == 0


def test_a_class_that_is_seldom_sure_is_not_suspected_as_a_whole():
    # Images of class 1 get .4 for it and .6 for class 0, where images of
    # class 0 get .95: none of them is as sure as those.
    labels = np.repeat([0, 1], 50)
    first = np.where(labels == 0, 0.95, 0.6)
    probabilities = np.stack([first, 1 - first], 1)
    assert len(find_suspects(labels, probabilities).rows) == 0
    # A single one that is as sure as they are is found.
    probabilities[60] = [0.96, 0.04]
    assert find_suspects(labels, probabilities).rows.tolist() == [60]


def test_a_class_without_images_is_nobodys_likely_label_by_default():
    labels, probabilities = draw(100, 3)
    wide = np.concatenate([probabilities, np.zeros((100, 1))], 1)
    one, other = (find_suspects(labels, p) for p in (probabilities, wide))
    np.testing.assert_array_equal(one.rows, other.rows)
