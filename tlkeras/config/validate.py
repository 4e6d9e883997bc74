"""Checking a config before anything is read or computed.

ConfigDict's lock catches unknown fields and wrong types; the table of fields
has ranges and names; here are combinations that cannot work. What needs the
network (layers, stages) is checked where the network is built.
"""

from typing import Any

from ml_collections import ConfigDict

from tlkeras.config.defaults import get_config, group_section, phase_section
from tlkeras.config.dotted import walk
from tlkeras.config.field import patterns_of
from tlkeras.config.fields import row_of
from tlkeras.config.image_definition import FIRST_DEFINITION
from tlkeras.config.presets import require_applied
from tlkeras.config.values import check_value
from tlkeras.errors import InputError, quote
from tlkeras.tables import suggest


def validate(config: ConfigDict) -> None:
    """Makes sure that a config can be run.

    Raises:
        InputError: Naming the first bad field, what it may be, and the flag.
    """
    for section in config:
        if not isinstance(config[section], ConfigDict):
            _check_field(section, config[section])
        elif section != "phases":
            _check_values(config[section], f"{section}.")
    require_applied(config)
    _check_hidden(config.model)
    if config.ensemble > 1:
        _check_ensemble(config)
    if config.data.divide_by_std and config.data.mean == "none":
        raise InputError(
            "data.divide_by_std=True needs a mean to be subtracted first; "
            "expected data.mean=channel or image: set --config.data.mean."
        )
    if (
        config.data.image_definition == FIRST_DEFINITION
        and config.data.geometry != "squash"
    ):
        raise InputError(
            f"data.geometry={config.data.geometry} is unknown to the first "
            "definition of an image; expected squash: set "
            "--config.data.image_definition=2."
        )
    _check_phases(config)
    _check_names(config)


def require_one_process(config: ConfigDict, command: str) -> None:
    """Refuses several processes where one does the work.

    Args:
        config: Its `runtime.devices` counts.
        command: Whose work that is.

    Raises:
        InputError: If it says `workers`.
    """
    if config.runtime.devices == "workers":
        raise InputError(
            "runtime.devices=workers is known to tlkeras train alone; expected "
            f"one or all for tlkeras {command}: set --config.runtime.devices."
        )


def _check_names(config: ConfigDict) -> None:
    """Refuses what an unlocked config takes, and nobody reads."""
    known = {patterns_of(name)[-1] for name, _ in walk(get_config())}
    for name, _ in walk(config):
        is_known = patterns_of(name)[-1] in known
        if not is_known and not name.startswith("tuning.space."):
            raise InputError(
                f"'{quote(name)}' is no field of the config."
                f"{suggest(quote(name), known)} Expected one of "
                "tlkeras/config/defaults.py: correct the config file."
            )


def _check_values(section: ConfigDict, prefix: str) -> None:
    for name, value in walk(section, prefix):
        _check_field(name, value)


def _check_field(name: str, value: Any) -> None:
    check_value(row_of(name), name, value)


def _check_phases(config: ConfigDict) -> None:
    phases = config.phases
    known = [name for name in phases if name != "phase_order"]
    _check_field("phases.phase_order", phases.phase_order)
    if len(set(phases.phase_order)) < len(phases.phase_order):
        raise InputError(
            f"phases.phase_order={quote(tuple(phases.phase_order))} names a "
            "phase twice; expected each once: define another phase in a config "
            "file."
        )
    for name in phases.phase_order:
        if name not in known:
            raise InputError(
                f"phases.phase_order names the phase '{quote(name)}', which is "
                f"not defined.{suggest(quote(name), known)} Expected some of: "
                f"{', '.join(known)}; add a new phase in a config file."
            )
        _check_complete(phases[name], phase_section(), f"phases.{name}")
        _check_values(phases[name], f"phases.{name}.")
        _check_groups(config, name)
        _check_plateau(name, phases[name])
        if phases[name].augment and phases[name].batch_size < 2:
            _check_mixing(config, name)
    if not any(phases[name].epochs for name in phases.phase_order):
        raise InputError(
            "No phase has any epochs; expected at least one phase with epochs "
            "above 0: set --config.phases.linear_probe.epochs."
        )


def _check_complete(section: Any, reference: ConfigDict, place: str) -> None:
    """Refuses a phase or group of the user's own that lacks fields."""
    for name, default in reference.items():
        if not _is_alike(default, section, name):
            raise InputError(
                f"'{place}' lacks '{name}' as defaults.phase_section() and "
                "defaults.group_section() have it; expected all their fields: "
                "begin with these in the config file."
            )
        if name == "groups":
            group = group_section(1.0, "auto")
            for key, settings in section.groups.items():
                _check_complete(settings, group, f"{place}.groups.{key}")
        elif isinstance(default, ConfigDict):
            _check_complete(section[name], default, f"{place}.{name}")


def _is_alike(default: Any, section: Any, name: str) -> bool:
    if not isinstance(section, ConfigDict) or name not in section:
        return False
    is_section = isinstance(section[name], (ConfigDict, dict))
    return is_section == isinstance(default, ConfigDict)


def _check_groups(config: ConfigDict, phase: str) -> None:
    if "head" not in config.phases[phase].groups:
        raise InputError(
            f"phases.{phase}.groups lacks 'head'; expected a group for the new "
            "layers: define groups.head in the config file."
        )
    if config.phases[phase].layer_decay is not None:
        _check_untouched(config, phase)


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


def _check_ensemble(config: ConfigDict) -> None:
    """Refuses what several networks cannot share, or cannot keep to."""
    asked = f"ensemble={config.ensemble}"
    if config.model.head == "mlp":
        raise InputError(
            f"{asked} averages last layers on the codes, and model.head=mlp "
            "has layers between; expected linear, svm or multi_label: set "
            "--config.model.head."
        )
    if config.model.weights == "none":
        raise InputError(
            f"{asked} shares the pretrained part, and model.weights=none has "
            "none: each seed would be another network; expected pretrained "
            "weights: set --config.model.weights."
        )
    if config.runtime.max_seconds:
        raise InputError(
            f"{asked} trains one network after the other, and "
            "runtime.max_seconds is a budget for one; expected one of both: "
            "leave the other out, and set phases.NAME.epochs for less time."
        )


def _check_hidden(model: ConfigDict) -> None:
    units = model.hidden_units
    if model.head == "mlp" and len(units) not in (1, 2):
        raise InputError(
            f"model.hidden_units={quote(tuple(units))} is no mlp head; "
            "expected one or two positive widths, such as (256,)."
        )
