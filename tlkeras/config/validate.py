"""Checking a config before anything is read or computed.

ConfigDict's lock catches unknown fields and wrong types; here are ranges,
names, and combinations that cannot work. What needs the network (layers,
stages) is checked where the network is built.
"""

import math
from collections.abc import Sequence
from typing import Any

from ml_collections import ConfigDict

from tlkeras.config.defaults import phase_section
from tlkeras.errors import InputError
from tlkeras.tables import suggest

CHOICES: dict[str, tuple[str, ...]] = {
    "data.on_bad_image": ("skip", "fail"),
    "data.geometry": ("squash", "center_crop", "letterbox"),
    "data.class_weighting": ("none", "balanced"),
    "data.mean": ("none", "channel", "image"),
    "model.pooling": ("average", "max", "flatten"),
    "model.head": ("linear", "mlp", "svm", "multi_label"),
    "model.head_initializer": ("glorot_uniform", "he_normal", "small_normal"),
    "features.cache": ("auto", "on", "off"),
    "features.storage": ("float32", "float16"),
    "features.precision": ("auto", "float32", "bfloat16"),
    "tuning.mode": ("auto", "codes", "full"),
    "tuning.oracle": ("random", "bayesian", "hyperband"),
    "runtime.engine": ("auto", "keras", "openvino"),
    "runtime.precision": (
        "auto",
        "float32",
        "mixed_float16",
        "mixed_bfloat16",
    ),
}
PHASE_CHOICES: dict[str, tuple[str, ...]] = {
    "method": ("auto", "solve", "fit"),
    "solver": ("batched", "sklearn"),
    "batch_norm": ("frozen", "adapt", "train"),
    "optimizer": ("sgd", "rmsprop", "adam", "adamw", "adagrad", "lion"),
    "schedule": (
        "constant",
        "step",
        "exponential",
        "sqrt",
        "inverse_time",
        "natural_exp",
        "cosine",
        "one_cycle",
    ),
}
# (low, high, whether low itself is allowed)
Range = tuple[float, float, bool]
INFINITY = float("inf")
RANGES: dict[str, Range] = {
    "seed": (0, 2**31 - 1, True),
    "data.split_seed": (0, 2**31 - 1, True),
    "data.images_per_class": (1, INFINITY, True),
    "data.max_decoded_bytes": (0, INFINITY, True),
    "data.max_pixels": (1, 2**31 - 1, True),
    "data.image_definition": (1, 2, True),
    "data.augment.load_scale": (1, 4, True),
    "data.augment.rotation_degrees": (0, 180, True),
    "data.augment.randaugment_layers": (0, 10, True),
    "data.augment.randaugment_magnitude": (0, 30, True),
    "data.augment.erasing_probability": (0, 1, True),
    "data.augment.mixup_alpha": (0, INFINITY, True),
    "data.augment.cutmix_alpha": (0, INFINITY, True),
    "model.alpha": (0, INFINITY, False),
    "model.image_size": (1, INFINITY, True),
    "model.dropout": (0, 0.999, True),
    "model.head_l1": (0, INFINITY, True),
    "model.head_l2": (0, INFINITY, True),
    "model.head_max_norm": (0, INFINITY, False),
    "features.num_views": (1, INFINITY, True),
    "features.max_cache_bytes": (0, INFINITY, True),
    "tuning.num_trials": (1, INFINITY, True),
    "tuning.stages": (1, 5, True),
    "tuning.coarse_epochs": (1, INFINITY, True),
    "tuning.max_seconds": (0, INFINITY, False),
    "tuning.patience": (1, INFINITY, True),
    "tuning.noise_seeds": (2, 100, True),
    "tuning.final_trials": (1, 100, True),
    "tuning.final_seeds": (1, 100, True),
    "tuning.max_trial_seconds": (0, INFINITY, False),
    "tuning.max_trial_bytes": (1, INFINITY, True),
    "tuning.workers": (0, 1000, True),
    "tuning.port": (0, 65535, True),
    "evaluation.batch_size": (1, INFINITY, True),
    "evaluation.bootstrap_samples": (1, INFINITY, True),
    "evaluation.calibration_bins": (1, INFINITY, True),
    "evaluation.replace_p_value": (0, 1, True),
    "export.max_drop": (0, 1, True),
    "export.num_calibration_images": (1, INFINITY, True),
    "runtime.num_workers": (1, INFINITY, True),
}
PHASE_RANGES: dict[str, Range] = {
    "epochs": (0, INFINITY, True),
    "batch_size": (1, INFINITY, True),
    "label_smoothing": (0, 0.999, True),
    "weight_decay": (0, INFINITY, True),
    "momentum": (0, 0.9999, True),
    "clipnorm": (0, INFINITY, False),
    "global_clipnorm": (0, INFINITY, False),
    "layer_decay": (0, 1, False),
    "early_stopping_patience": (1, INFINITY, True),
    "reduce_on_plateau_patience": (1, INFINITY, True),
    "reduce_on_plateau_factor": (0, 0.9999, False),
    "divergence_factor": (1, INFINITY, False),
    "solve_num_strengths": (1, 1000, True),
    "schedule_args.warmup_epochs": (0, INFINITY, True),
    "schedule_args.drop_every_epochs": (0, INFINITY, False),
    "schedule_args.drop_factor": (0, 1, False),
    "schedule_args.decay_per_epoch": (0, 1, False),
    "schedule_args.time_constant_epochs": (0, INFINITY, False),
    "schedule_args.final_fraction": (0, 1, True),
}
GROUP_RANGES: dict[str, Range] = {
    "learning_rate_multiplier": (0, INFINITY, False),
    "learning_rate": (0, INFINITY, False),
    "weight_decay": (0, INFINITY, True),
    "clipnorm": (0, INFINITY, False),
}


def validate(config: ConfigDict) -> None:
    """Makes sure that a config can be run.

    Raises:
        InputError: Naming the first bad field, what it may be, and the flag.
    """
    for field, choices in CHOICES.items():
        _check_choice(config, field, choices)
    for field, bounds in RANGES.items():
        _check_range(config, field, bounds)
    _check_split(config.data.split)
    _check_pair(config, "data.augment.crop_area", 0.0, 1.0)
    _check_pair(config, "data.augment.crop_aspect", 0.01, 100.0)
    _check_length(config, "data.tfds_splits", 3)
    _check_hidden(config.model)
    if config.data.divide_by_std and config.data.mean == "none":
        raise InputError(
            "data.divide_by_std=True needs a mean to be subtracted first; "
            "expected data.mean=channel or image: set --config.data.mean."
        )
    if config.data.image_definition == 1 and config.data.geometry != "squash":
        raise InputError(
            f"data.geometry={config.data.geometry} is unknown to the first "
            "definition of an image; expected squash: set "
            "--config.data.image_definition=2."
        )
    _check_phases(config)


def _check_phases(config: ConfigDict) -> None:
    phases = config.phases
    known = [name for name in phases if name != "phase_order"]
    if len(set(phases.phase_order)) < len(phases.phase_order):
        raise InputError(
            f"phases.phase_order={tuple(phases.phase_order)} names a phase "
            "twice; expected each once: define another phase in a config file."
        )
    for name in phases.phase_order:
        if name not in known:
            raise InputError(
                f"phases.phase_order names the phase '{name}', which is not "
                f"defined.{suggest(name, known)} Expected some of: "
                f"{', '.join(known)}; add a new phase in a config file."
            )
        prefix = f"phases.{name}."
        for field, choices in PHASE_CHOICES.items():
            _check_choice(config, prefix + field, choices)
        if phases[name].learning_rate != "auto":
            _check_number(config, f"{prefix}learning_rate")
            _check_range(config, f"{prefix}learning_rate", (0, INFINITY, False))
        for field, bounds in PHASE_RANGES.items():
            _check_range(config, prefix + field, bounds)
        _check_pair(config, f"{prefix}solve_log10_l2", -20.0, 20.0)
        _check_groups(config, name)
        _check_plateau(name, phases[name])
        if phases[name].augment and phases[name].batch_size < 2:
            _check_mixing(config, name)
    if not any(phases[name].epochs for name in phases.phase_order):
        raise InputError(
            "No phase has any epochs; expected at least one phase with epochs "
            "above 0: set --config.phases.linear_probe.epochs."
        )


def _check_groups(config: ConfigDict, phase: str) -> None:
    groups = config.phases[phase].groups
    if "head" not in groups:
        raise InputError(
            f"phases.{phase}.groups lacks 'head'; expected a group for the new "
            "layers: define groups.head in the config file."
        )
    if groups.head.starts_at != "head":
        raise InputError(
            f"phases.{phase}.groups.head.starts_at='{groups.head.starts_at}' "
            "would move the new layers' group; expected 'head': let another "
            "group, such as upper, start there."
        )
    if config.phases[phase].layer_decay is not None:
        _check_untouched(config, phase)
    for group in groups:
        prefix = f"phases.{phase}.groups.{group}."
        for field, bounds in GROUP_RANGES.items():
            _check_range(config, prefix + field, bounds)
        if groups[group].optimizer is not None:
            _check_choice(
                config, f"{prefix}optimizer", PHASE_CHOICES["optimizer"]
            )


def _check_untouched(config: ConfigDict, phase: str) -> None:
    """With layer_decay each stage is a group; other settings would be lost."""
    settings = config.phases[phase].groups
    if settings.to_dict() != phase_section().groups.to_dict():
        raise InputError(
            f"phases.{phase} has both layer_decay and settings of its own in "
            "groups; expected one of them: with layer_decay each stage is a "
            f"group, so set --config.phases.{phase}.layer_decay=None or leave "
            "the groups alone."
        )


def _check_plateau(name: str, phase: ConfigDict) -> None:
    if phase.reduce_on_plateau_patience and phase.schedule != "constant":
        raise InputError(
            f"phases.{name} has both schedule='{phase.schedule}' and "
            "reduce_on_plateau_patience; expected one of them: set "
            f"--config.phases.{name}.schedule=constant."
        )


def _check_mixing(config: ConfigDict, name: str) -> None:
    augment = config.data.augment
    if augment.mixup_alpha or augment.cutmix_alpha:
        raise InputError(
            "MixUp and CutMix combine images of a batch, but "
            f"phases.{name}.batch_size is 1; expected at least 2."
        )


def _check_split(split: Sequence[float]) -> None:
    good = (
        len(split) == 3
        and all(isinstance(share, (int, float)) for share in split)
        and all(share >= 0 for share in split)
        and abs(sum(split) - 1) < 1e-6
        and split[0] > 0
    )
    if not good:
        raise InputError(
            f"data.split={tuple(split)} is no division; expected three shares "
            "for train, validation and test that sum to 1, such as "
            "(0.7, 0.15, 0.15)."
        )


def _check_hidden(model: ConfigDict) -> None:
    units = model.hidden_units
    if model.head == "mlp" and (
        len(units) not in (1, 2)
        or any(not isinstance(width, int) or width < 1 for width in units)
    ):
        raise InputError(
            f"model.hidden_units={tuple(units)} is no mlp head; expected one "
            "or two positive widths, such as (256,)."
        )


def _get(config: ConfigDict, field: str) -> Any:
    value: Any = config
    for part in field.split("."):
        value = value[part]
    return value


def _check_choice(
    config: ConfigDict, field: str, choices: Sequence[str]
) -> None:
    value = _get(config, field)
    if value not in choices:
        raise InputError(
            f"{field}='{value}' is unknown.{suggest(str(value), choices)} "
            f"Expected one of: {', '.join(choices)}; set --config.{field}."
        )


def _check_number(config: ConfigDict, field: str) -> None:
    value = _get(config, field)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InputError(
            f"{field}={value!r} is no number; expected one above 0, or auto: "
            f"set --config.{field}."
        )


def _check_range(config: ConfigDict, field: str, bounds: Range) -> None:
    value = _get(config, field)
    low, high, closed = bounds
    if value is None:
        return
    is_inside = low <= value <= high and (closed or value > low)
    if not is_inside or not math.isfinite(value):
        least = f"{'at least' if closed else 'above'} {low:g}"
        most = "" if high == INFINITY else f" and at most {high:g}"
        raise InputError(
            f"{field}={value} is out of range; expected {least}{most}: set "
            f"--config.{field}."
        )


def _check_pair(
    config: ConfigDict, field: str, low: float, high: float
) -> None:
    _check_length(config, field, 2)
    first, second = _get(config, field)
    are_numbers = all(isinstance(x, (int, float)) for x in (first, second))
    if not are_numbers or not low <= first <= second <= high:
        raise InputError(
            f"{field}={(first, second)} is no range; expected two increasing "
            f"numbers between {low:g} and {high:g}."
        )


def _check_length(config: ConfigDict, field: str, length: int) -> None:
    value = _get(config, field)
    if len(value) != length:
        raise InputError(
            f"{field}={tuple(value)} has {len(value)} entries; expected "
            f"{length}."
        )
