"""Which class a key means, where there are more classes than keys."""

from tlkeras.demo.cards import ReviewCard, choose_classes
from tlkeras.demo.run_images import RunImage
from tlkeras.evaluation.mistakes import Mistake

CLASSES = tuple(f"class {n:02d}" for n in range(12))


def card(own, likely):
    image = RunImage("d", "a.jpg", "train", own)
    return ReviewCard("label", image, likely)


def mistake(label, predicted):
    return Mistake("b.jpg", label, predicted, 0.9)


def test_few_classes_keep_their_keys():
    few = CLASSES[:9]
    assert choose_classes(card(few[5], few[2]), few, []) == few


def test_of_many_those_that_it_may_be_come_first():
    own, likely = CLASSES[7], CLASSES[11]
    often, seldom = CLASSES[4], CLASSES[9]
    mistakes = [
        mistake(own, often),
        mistake(often, own),  # either way
        mistake(own, seldom),
        mistake(CLASSES[0], CLASSES[1]),  # of others
    ]
    chosen = choose_classes(card(own, likely), CLASSES, mistakes)
    assert chosen[:4] == (own, likely, often, seldom)
    assert chosen[4:] == CLASSES[:4] + CLASSES[5:6]


def test_a_copy_has_no_likely_class():
    chosen = choose_classes(card(CLASSES[3], ""), CLASSES, [])
    assert chosen == (CLASSES[3], *CLASSES[:3], *CLASSES[4:9])
