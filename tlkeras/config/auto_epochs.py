"""Epochs that the data decide, and the numbers that stood there before.

What they are is said by `training/epoch_rule.py`, once the images are counted.
"""

import copy
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from tlkeras.errors import InputError, quote

AUTO = "auto"
# Defaults of the versions without `auto`.
BEFORE = {"linear_probe": 20, "fine_tune": 12}


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


def follow_epochs(
    config: ConfigDict, stored: Mapping[str, Any] | None
) -> ConfigDict:
    """Returns a config with the numbers of a run that goes on, for `auto`.

    Args:
        config: As given.
        stored: Section `phases` of that run; None: it begins.
    """
    stored = stored or {}
    return with_epochs(
        config,
        {
            name: stored[name]["epochs"]
            for name in config.phases.phase_order
            if name in stored
        },
    )


def as_before(config: ConfigDict) -> ConfigDict:
    """Returns the config that an earlier version would have made of flags."""
    return with_epochs(config, BEFORE)
