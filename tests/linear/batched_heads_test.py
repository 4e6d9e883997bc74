"""Heads trained at once are the heads that Keras trains one by one."""

import itertools

import keras
import numpy as np
import pytest

from tlkeras.evaluation.metrics import compute_summary, primary_metric
from tlkeras.linear.batched_heads import dropout_uniforms, train_heads
from tlkeras.linear.head_specs import HeadData, HeadPlan, HeadSettings
from tlkeras.models.heads import kernel_penalty
from tlkeras.optim.losses import LOSSES
from tlkeras.optim.optimizers import OptimizerSpec, build_optimizer
from tlkeras.optim.schedules import ScheduleArgs, make_learning_rate

IMAGES, SIZE, CLASSES, BATCH, STEPS = 200, 48, 4, 25, 50
SPREAD = ((1e-4, 1e-4), (1e-3, 1.0), (1e-2, 1e-2), (3e-2, 0.0))


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    codes = np.maximum(rng.normal(size=(IMAGES, SIZE)), 0).astype(np.float32)
    mixed = codes @ rng.normal(size=(SIZE, CLASSES)) + rng.normal(
        size=(IMAGES, CLASSES)
    )
    targets = np.eye(CLASSES, dtype=np.float32)[mixed.argmax(1)]
    batches = [
        order[start : start + BATCH]
        for order in (rng.permutation(IMAGES) for _ in range(7))
        for start in range(0, IMAGES, BATCH)
    ][:STEPS]
    kernel = rng.normal(0, 1e-2, (SIZE, CLASSES)).astype(np.float32)
    return codes, targets, batches, kernel


def make_data(codes, targets, loss="softmax", weights=None):
    return HeadData(
        codes,
        targets,
        weights,
        lambda logits: compute_summary(targets, logits, loss=LOSSES[loss]),
        codes,
    )


def train_all(settings, data, plan, **rest):
    """Trains heads and returns those that began, in their order."""
    heads = {}
    for some in train_heads(settings, data, plan, **rest):
        heads |= some
    return [heads[number] for number in sorted(heads)]


def make_plan(batches, kernel, loss="softmax", optimizer="sgd", epoch=STEPS):
    return HeadPlan(
        loss=LOSSES[loss],
        optimizer=optimizer,
        batches=batches,
        steps_per_epoch=epoch,
        kernel=kernel,
        seed=7,
        metric=primary_metric(LOSSES[loss].multi_label),
        divergence_factor=3.0,
    )


def train_with_keras(problem, setting, rate, *, loss, optimizer, l1=0.0):
    """Returns kernel and bias of one head after all steps, by Keras alone."""
    codes, targets, batches, kernel = problem
    inputs = keras.Input((SIZE,))
    dense = keras.layers.Dense(
        CLASSES, kernel_regularizer=kernel_penalty(l1, setting.l2)
    )
    model = keras.Model(inputs, dense(inputs))
    dense.set_weights([kernel, np.zeros(CLASSES, np.float32)])
    model.compile(
        optimizer=build_optimizer(
            OptimizerSpec(
                optimizer,
                rate,
                weight_decay=setting.weight_decay,
                momentum=setting.momentum,
            ),
            name="head",
            variables=model.trainable_variables,
        ),
        loss=LOSSES[loss].build(setting.label_smoothing),
        jit_compile=False,
    )
    for step, rows in enumerate(batches):
        seen = codes[rows]
        if setting.dropout:
            kept = dropout_uniforms(7, step, seen.shape) >= setting.dropout
            seen = seen * kept / np.float32(1 - setting.dropout)
        model.train_on_batch(seen, targets[rows])
    return dense.get_weights()


def assert_same(mine, theirs):
    for a, b in zip(mine, theirs, strict=True):
        error = np.linalg.norm(a - b) / np.linalg.norm(b)
        assert error < 1e-5, error


# Every value of one with every value of another; the rest is slow.
QUICK = {
    ("softmax", "sgd", 0.0),
    ("softmax", "adam", 0.5),
    ("squared_hinge", "sgd", 0.5),
    ("squared_hinge", "adam", 0.0),
}


@pytest.mark.parametrize(
    ("loss", "optimizer", "dropout"),
    [
        pytest.param(*case, marks=[] if case in QUICK else pytest.mark.slow)
        for case in itertools.product(
            ("softmax", "squared_hinge"), ("sgd", "adam"), (0.0, 0.5)
        )
    ],
)
def test_heads_at_once_equal_heads_of_keras(problem, loss, optimizer, dropout):
    codes, targets, batches, kernel = problem
    settings = [
        HeadSettings(np.full(STEPS, rate), l2=l2, dropout=dropout)
        for rate, l2 in SPREAD
    ]
    heads = train_all(
        settings,
        make_data(codes, targets, loss),
        make_plan(batches, kernel, loss, optimizer),
    )
    for head, setting in zip(heads, settings, strict=True):
        assert not head.stopped
        assert head.epoch == 1
        theirs = train_with_keras(
            problem,
            setting,
            float(setting.rates[0]),
            loss=loss,
            optimizer=optimizer,
        )
        assert_same((head.kernel, head.bias), theirs)


def test_every_constant_is_a_heads_own(problem):
    """Schedule, decay, smoothing, momentum, dropout and l1 differ by head."""
    codes, targets, batches, kernel = problem
    args = ScheduleArgs(STEPS / 8, decay_per_epoch=0.9)
    cosine = make_learning_rate("cosine", 1e-2, 8, args)
    falling = make_learning_rate("exponential", 3e-2, 8, args)
    table = [
        (cosine, {"l2": 0.1, "label_smoothing": 0.2, "momentum": 0.5}),
        (falling, {"dropout": 0.3, "weight_decay": 0.2}),
        (1e-2, {"dropout": 0.6, "l1": 1e-2, "momentum": 0.0}),
    ]
    settings = [
        HeadSettings(
            np.array([float(rate(s)) for s in range(STEPS)])
            if callable(rate)
            else np.full(STEPS, rate),
            **rest,
        )
        for rate, rest in table
    ]
    heads = train_all(
        settings, make_data(codes, targets), make_plan(batches, kernel)
    )
    for head, setting, (rate, _) in zip(heads, settings, table, strict=True):
        theirs = train_with_keras(
            problem,
            setting,
            rate,
            loss="softmax",
            optimizer="sgd",
            l1=setting.l1,
        )
        assert_same((head.kernel, head.bias), theirs)


def test_independent_classes_equal_those_of_keras(problem):
    codes, targets, batches, kernel = problem
    several = np.maximum(targets, np.roll(targets, 3, axis=0))
    setting = HeadSettings(np.full(STEPS, 1e-2), l2=0.1, label_smoothing=0.1)
    (head,) = train_all(
        [setting],
        make_data(codes, several, "binary"),
        make_plan(batches, kernel, "binary"),
    )
    theirs = train_with_keras(
        (codes, several, batches, kernel),
        setting,
        1e-2,
        loss="binary",
        optimizer="sgd",
    )
    assert_same((head.kernel, head.bias), theirs)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_head_among_others_is_the_head_alone(problem, optimizer):
    codes, targets, batches, kernel = problem
    rng = np.random.default_rng(1)
    settings = [
        HeadSettings(
            np.full(STEPS, 10 ** rng.uniform(-4, -1)),
            l2=10 ** rng.uniform(-5, 0),
            dropout=float(rng.choice([0.0, 0.5])),
        )
        for _ in range(12)
    ]
    data = make_data(codes, targets)
    plan = make_plan(batches, kernel, optimizer=optimizer, epoch=10)
    together = train_all(settings, data, plan)
    for setting, head in zip(settings, together, strict=True):
        (alone,) = train_all([setting], data, plan)
        assert (alone.epoch, alone.stopped) == (head.epoch, head.stopped)
        assert_same((head.kernel, head.bias), (alone.kernel, alone.bias))


def test_a_diverging_head_ends_with_its_reason_and_harms_no_other(problem):
    codes, targets, batches, kernel = problem
    data, plan = make_data(codes, targets), make_plan(batches, kernel, epoch=10)
    good = HeadSettings(np.full(STEPS, 1e-2), l2=1e-3)
    fast = HeadSettings(np.full(STEPS, 1e3), l2=1e-3)
    broken = HeadSettings(np.full(STEPS, 1e30), l2=1e30)
    heads = train_all([fast, good, broken], data, plan)
    assert "3x the initial loss" in heads[0].stopped
    assert "the loss became" in heads[2].stopped
    assert not heads[1].stopped
    (alone,) = train_all([good], data, plan)
    assert_same((heads[1].kernel, heads[1].bias), (alone.kernel, alone.bias))
    assert len(heads[1].history) == STEPS // 10
    assert heads[1].history[-1]["val/top_1_accuracy"] > 0.6


def test_weights_of_images_count_as_in_keras(problem):
    codes, targets, batches, kernel = problem
    weights = np.where(targets[:, 0] > 0, 3.0, 0.5).astype(np.float32)
    setting = HeadSettings(np.full(STEPS, 1e-2))
    (head,) = train_all(
        [setting],
        make_data(codes, targets, weights=weights),
        make_plan(batches, kernel),
    )
    inputs = keras.Input((SIZE,))
    dense = keras.layers.Dense(CLASSES)
    model = keras.Model(inputs, dense(inputs))
    dense.set_weights([kernel, np.zeros(CLASSES, np.float32)])
    model.compile(
        optimizer=keras.optimizers.SGD(1e-2, momentum=0.9, nesterov=True),
        loss=LOSSES["softmax"].build(0.0),
        jit_compile=False,
    )
    for rows in batches:
        model.train_on_batch(codes[rows], targets[rows], weights[rows])
    assert_same((head.kernel, head.bias), dense.get_weights())


def test_many_heads_are_trained_in_turns(problem, monkeypatch):
    codes, targets, batches, kernel = problem
    settings = [
        HeadSettings(np.full(STEPS, rate), dropout=0.9 - rate * 10)
        for rate in (1e-4, 1e-3, 1e-2, 3e-2, 5e-2)
    ]
    data, plan = make_data(codes, targets), make_plan(batches, kernel)
    whole = train_all(settings, data, plan)
    monkeypatch.setattr(
        "tlkeras.linear.batched_heads.MAX_VALUES", 2 * kernel.size
    )
    for a, b in zip(whole, train_all(settings, data, plan), strict=True):
        assert_same((a.kernel, a.bias), (b.kernel, b.bias))


def test_time_that_is_up_ends_all_after_an_epoch(problem):
    codes, targets, batches, kernel = problem
    answers = iter([False, True])
    (head,) = train_all(
        [HeadSettings(np.full(STEPS, 1e-2))],
        make_data(codes, targets),
        make_plan(batches, kernel, epoch=10),
        is_over=lambda: next(answers),
    )
    assert len(head.history) == 1
    assert not head.stopped


def test_heads_whose_turn_comes_after_the_time_do_not_begin(
    problem, monkeypatch
):
    """They would be stored with an epoch, beside heads with all of them."""
    codes, targets, batches, kernel = problem
    monkeypatch.setattr("tlkeras.linear.batched_heads.MAX_VALUES", kernel.size)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    epochs = STEPS // 10
    answers = itertools.chain([False] * (epochs + 1), itertools.repeat(True))
    settings = [HeadSettings(np.full(STEPS, 1e-2))] * 3
    found = list(
        train_heads(
            settings,
            make_data(codes, targets),
            make_plan(batches, kernel, epoch=10),
            is_over=lambda: next(answers),
        )
    )
    assert [sorted(heads) for heads in found] == [[0], [], []]
    assert len(found[0][0].history) == epochs


def test_trials_on_codes_run_on_jax_with_tensorflow_blocked(run_on_jax):
    run_on_jax("""
import numpy as np
import tlkeras.tuning.trials.head_trials as trials
from tlkeras.config import get_config
from tlkeras.data.dataset import Dataset, Ledger, Split
from tlkeras.tuning.trials.codes import HeadCodes
from tlkeras.tuning.plan import make_plan
rng = np.random.default_rng(0)
x = rng.normal(size=(80, 16)).astype("float32")
y = np.eye(2, dtype="float32")[(x[:, 0] > 0).astype(int)]
split = Split(("",) * 80, y, ("",) * 80)
data = Dataset("x", ("a", "b"), False, {"train": split, "validation": split},
               Ledger())
rows = np.arange(80).reshape(5, 16)
trials._batches = lambda job, count: ([*rows] * job.phase.epochs, 5)
config = get_config()
config.phases.linear_probe.epochs = 20
plan = make_plan(config, {"model.head": "linear|mlp"})
heads = {}
for some in trials.run_head_trials(
    [plan.trial_config({"model.head": kind, }) for kind in ("linear", "mlp")],
    HeadCodes(data, {"train": x, "validation": x})):
    heads |= some
assert [len(head.history) for head in (heads[0], heads[1])] == [20, 20]
assert heads[0].history[-1]["val/top_1_accuracy"] > 0.6
""")
