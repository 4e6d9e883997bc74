"""The rows of the fields of a phase, its schedule and its layer groups."""

import functools
from typing import Any

from tlkeras.config.auto_epochs import AUTO, are_epochs
from tlkeras.config.conditions import (
    HAS_MOMENTUM,
    HAS_TEACHER,
    IN_GROUP,
    LEFT_TO_PHASE,
    ON_PLATEAU,
    SMOOTHED_HEADS,
    SOLVED,
    TRAINS,
    When,
    one_of,
    unset,
)
from tlkeras.config.field import (
    BATCH,
    BELOW_ONE,
    COUNT,
    IN_FULL,
    LARGEST,
    NEVER,
    NOT_NEGATIVE,
    ON_CODES,
    POSITIVE,
    SHARE,
    Field,
    Range,
)
from tlkeras.config.values import (
    OPTIMIZER_NAMES,
    check_pair,
    check_start_of_head,
    check_words,
)


def _phase(name: str, *, search: str = IN_FULL, **rest: Any) -> Field:
    """Of a phase that fits, if the row does not say otherwise."""
    rest = {"method": "fit", **rest}
    return Field(f"phases.*.{name}", search=search, **rest)


def _solving(name: str, **rest: Any) -> Field:
    return _phase(name, method="solve", when=SOLVED, **rest)


def _schedule(name: str, limits: Range, *by: str, word: str = "") -> Field:
    """Of the schedules that read it."""
    return _phase(
        f"schedule_args.{name}",
        limits=limits,
        word=word,
        search=ON_CODES,
        when=(one_of("phases.*.schedule", *by),),
    )


def _group(name: str, *when: When, **rest: Any) -> Field:
    """Of a layer group; on codes there is only the head's."""
    return _phase(
        f"groups.*.{name}", search=ON_CODES, when=(*IN_GROUP, *when), **rest
    )


PHASE_ROWS = (
    Field("phases.phase_order", check=check_words),
    _phase("method", choices=("auto", "solve", "fit"), method=""),
    # Trials decide about it themselves.
    _phase(
        "epochs", limits=NOT_NEGATIVE, word=AUTO, search=NEVER, check=are_epochs
    ),
    _phase("trainable_from", method=""),
    _phase("batch_norm", choices=("frozen", "adapt", "train"), method=""),
    _phase("augment", method=""),
    _phase("batch_size", limits=BATCH, search=ON_CODES),
    _phase(
        "label_smoothing",
        limits=BELOW_ONE,
        search=ON_CODES,
        when=(one_of("model.head", *SMOOTHED_HEADS),),
    ),
    _phase("teacher", method=""),
    _phase("teacher_share", limits=SHARE, when=(HAS_TEACHER,)),
    _phase("teacher_temperature", limits=POSITIVE, when=(HAS_TEACHER,)),
    _phase(
        "optimizer",
        choices=OPTIMIZER_NAMES,
        search=ON_CODES,
        when=LEFT_TO_PHASE["optimizer"],
    ),
    _phase(
        "learning_rate",
        limits=POSITIVE,
        word="auto",
        scale="log",
        search=ON_CODES,
        when=LEFT_TO_PHASE["learning_rate"],
    ),
    _phase(
        "weight_decay",
        limits=NOT_NEGATIVE,
        scale="log",
        search=ON_CODES,
        when=LEFT_TO_PHASE["weight_decay"],
    ),
    _phase(
        "momentum",
        limits=(0, 0.9999, True),
        search=ON_CODES,
        when=(HAS_MOMENTUM,),
    ),
    _phase(
        "clipnorm",
        limits=POSITIVE,
        scale="log",
        search=ON_CODES,
        when=LEFT_TO_PHASE["clipnorm"],
    ),
    _phase("global_clipnorm", limits=POSITIVE, scale="log", search=ON_CODES),
    _phase(
        "schedule",
        choices=(
            "constant",
            "step",
            "exponential",
            "sqrt",
            "inverse_time",
            "natural_exp",
            "cosine",
            "one_cycle",
        ),
        search=ON_CODES,
    ),
    _schedule("warmup_epochs", NOT_NEGATIVE, "cosine", word=AUTO),
    _schedule("drop_every_epochs", POSITIVE, "step"),
    _schedule("drop_factor", (0, 1, False), "step"),
    _schedule("decay_per_epoch", (0, 1, False), "exponential"),
    _schedule("time_constant_epochs", POSITIVE, "inverse_time", "natural_exp"),
    _schedule("final_fraction", SHARE, "cosine", "one_cycle"),
    _phase("layer_decay", limits=(0, 1, False), when=(TRAINS,)),
    _phase("groups.head.starts_at", search=NEVER, check=check_start_of_head),
    _group("starts_at"),
    _group(
        "learning_rate_multiplier",
        unset("phases.*.groups.*.learning_rate"),
        limits=POSITIVE,
        scale="log",
    ),
    _group("learning_rate", limits=POSITIVE, scale="log"),
    _group("optimizer", choices=OPTIMIZER_NAMES),
    _group("weight_decay", limits=NOT_NEGATIVE, scale="log"),
    _group("clipnorm", limits=POSITIVE, scale="log"),
    _phase("early_stopping_patience", limits=COUNT),
    _phase("reduce_on_plateau_patience", limits=COUNT),
    _phase(
        "reduce_on_plateau_factor",
        limits=(0, 0.9999, False),
        when=(ON_PLATEAU,),
    ),
    # The rule that quits a trial.
    _phase("divergence_factor", limits=(1, LARGEST, False), search=NEVER),
    _solving(
        "solve_log10_l2",
        check=functools.partial(check_pair, low=-20.0, high=20.0),
    ),
    _solving("solve_num_strengths", limits=(1, 1000, True)),
    # The same answer, by other ways.
    _solving("solver", choices=("batched", "sklearn"), search=NEVER),
)
