"""Epochs that the data decide, and the numbers that stood there before.

What they are is said by `training/epoch_rule.py`, once the images are counted.
The warm-up of a schedule follows from them. Runs that go on keep what stood
there when they began, and so they do where a default has changed since.
"""

import copy
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from tlkeras.errors import InputError, quote

AUTO = "auto"
# Defaults of the versions without `auto`.
BEFORE = {"linear_probe": 20, "fine_tune": 12}
WARMUP_BEFORE = 1.0
# Of `evaluation.replace_p_value`, the default and that of before.
P_VALUE, P_VALUE_BEFORE = 0.95, 0.05


def are_epochs(name: str, value: Any) -> None:
    """Refuses what is neither a whole number nor `auto`."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if not is_whole and value != AUTO:
        raise InputError(
            f"{name}={quote(value, form=repr)} is no number of epochs; "
            f"expected a whole one, 0 to skip the phase, or {AUTO}: set "
            f"--config.{name}."
        )


def with_epochs(config: ConfigDict, epochs: Mapping[str, Any]) -> ConfigDict:
    """Returns a config whose phases have numbers where they said `auto`.

    Args:
        config: Stays as it is.
        epochs: Phase -> number; what is no number counts as absent.
    """
    found = {
        name: epochs[name]
        for name in config.phases.phase_order
        if config.phases[name].epochs == AUTO
        and isinstance(epochs.get(name), int)
    }
    if not found:
        return config
    stated = copy.deepcopy(config)
    for name, number in found.items():
        stated.phases[name].epochs = number
    return stated


def follow(config: ConfigDict, stored: Mapping[str, Any] | None) -> ConfigDict:
    """Returns a config with the numbers of a run that goes on.

    They stand where the config says `auto`, and where its default is another
    one than it was.

    Args:
        config: As given.
        stored: The config of that run; None: it begins.
    """
    if not stored:
        return config
    phases = {
        name: stored["phases"][name]
        for name in config.phases.phase_order
        if name in stored["phases"]
    }
    return _with_former(
        with_epochs(config, {n: p["epochs"] for n, p in phases.items()}),
        {n: p["schedule_args"]["warmup_epochs"] for n, p in phases.items()},
        stored["evaluation"]["replace_p_value"],
    )


def as_before(config: ConfigDict) -> ConfigDict:
    """Returns the config that an earlier version would have made of flags."""
    return _with_former(
        with_epochs(config, BEFORE),
        dict.fromkeys(config.phases.phase_order, WARMUP_BEFORE),
        P_VALUE_BEFORE,
    )


def _with_former(
    config: ConfigDict, warmup: Mapping[str, Any], p_value: float
) -> ConfigDict:
    """Returns a config with numbers of before in place of today's defaults.

    Args:
        config: Stays as it is.
        warmup: Phase -> number, for a warm-up that says `auto`.
        p_value: In place of the default, if it is that of before.
    """
    found = {
        name: warmup[name]
        for name in config.phases.phase_order
        if config.phases[name].schedule_args.warmup_epochs == AUTO
        and warmup.get(name, AUTO) != AUTO
    }
    is_former = (
        p_value == P_VALUE_BEFORE
        and config.evaluation.replace_p_value == P_VALUE
    )
    if not found and not is_former:
        return config
    stated = copy.deepcopy(config)
    for name, number in found.items():
        stated.phases[name].schedule_args.warmup_epochs = number
    if is_former:
        stated.evaluation.replace_p_value = p_value
    return stated
