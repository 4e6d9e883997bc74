"""What a search changes, how its trials run, and for how long they train."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from tlkeras.config.auto_epochs import with_epochs
from tlkeras.config.field import ON_CODES, group_of, phase_of
from tlkeras.config.fields import UNKNOWN, row_of
from tlkeras.config.validate import require_one_process, validate
from tlkeras.errors import InputError
from tlkeras.training.epoch_rule import auto_epochs
from tlkeras.tuning.modes import MODES
from tlkeras.tuning.space.fields import active_phases, apply_values, copy_config
from tlkeras.tuning.space.hyperparameters import searched_values
from tlkeras.tuning.space.space import Space, parse_space
from tlkeras.tuning.space.texts import flatten_space


@dataclasses.dataclass(frozen=True)
class SearchPlan:
    """A search, resolved.

    Attributes:
        config: That the trials change; what is searched counts in it, and
            phases after the searched ones have no epochs.
        space: Fields to search.
        mode: Key of `MODES`.
        phases: Names of the searched phases; trials decide their epochs.
    """

    config: ConfigDict
    space: Space
    mode: str
    phases: tuple[str, ...]

    @property
    def epochs(self) -> int:
        """Epochs of the longest searched phase; call `resolved` before."""
        return max(self.config.phases[name].epochs for name in self.phases)

    def resolved(self, num_images: int) -> "SearchPlan":
        """Returns the plan with a number of epochs where `auto` stands.

        Args:
            num_images: In the training split.
        """
        phases = self.config.phases
        epochs = {
            name: auto_epochs(num_images, phases[name].batch_size)
            for name in self.phases
        }
        return dataclasses.replace(
            self, config=with_epochs(self.config, epochs)
        )

    @property
    def num_trials(self) -> int:
        """Budget of trials."""
        default = MODES[self.mode].num_trials
        return self.config.tuning.num_trials or default

    @property
    def on_codes(self) -> bool:
        """Whether trials are heads on cached codes, not whole runs."""
        return MODES[self.mode].on_codes

    def trial_config(
        self,
        values: Mapping[str, Any],
        *,
        epochs: int | None = None,
        seed: int | None = None,
    ) -> ConfigDict:
        """Returns the config of one trial; it never looks at the test split.

        Args:
            values: Dotted field -> value; keys of keras-tuner's own
                (`tuner/...`) are left out.
            epochs: At most so many in each searched phase; None = their own.
            seed: None = the config's.
        """
        config = apply_values(self.config, searched_values(values))
        for name in self.phases if epochs is not None else ():
            phase = config.phases[name]
            phase.epochs = min(phase.epochs, epochs)
        config.seed = self.config.seed if seed is None else seed
        config.evaluation.test_at_end = False
        config.runtime.max_seconds = 0.0  # trials of one length compare
        return config


def make_plan(config: ConfigDict, flags: Mapping[str, str]) -> SearchPlan:
    """Resolves the space, the mode and the phases of a search.

    Args:
        config: As given.
        flags: Field -> range from the command line, over `tuning.space`.

    Raises:
        InputError: For a space that cannot be searched in this config.
    """
    validate(config)
    require_one_process(config, "tune")
    if config.ensemble > 1:
        raise InputError(
            f"ensemble={config.ensemble} would train that many networks a "
            "trial; expected a search for one: leave it out, and train the "
            "config that is found with --config.ensemble."
        )
    texts = flatten_space(config.tuning.space) | dict(flags)
    mode = _resolve_mode(config, texts)
    if not texts:
        texts = default_space(config, mode)
    space = parse_space(texts, config)
    if MODES[mode].on_codes:
        phases: tuple[str, ...] = (head_phase(config),)
    else:
        phases = _searched_phases(config, space)
    changed = _let_count(config, space, phases, mode)
    return SearchPlan(changed, space, mode, phases)


def head_phase(config: ConfigDict) -> str:
    """Returns the first phase, the one that trains a head on codes."""
    return active_phases(config)[0]


def codes_obstacle(config: ConfigDict, texts: Mapping[str, str]) -> str:
    """Returns why trials cannot be heads on cached codes, or ""."""
    name = head_phase(config)
    phase = config.phases[name]
    for field in texts:
        if not _is_of_head(field, name):
            return f"'{field}' changes more than the head of phase '{name}'"
    rate = f"phases.{name}.learning_rate"
    if isinstance(phase.learning_rate, str) and texts and rate not in texts:
        return f"{rate} is '{phase.learning_rate}'"
    if phase.trainable_from != "none":
        return f"the phase '{name}' trains from '{phase.trainable_from}'"
    if phase.augment:
        return f"the phase '{name}' augments images"
    if phase.teacher:
        return f"the phase '{name}' has a teacher"
    if phase.batch_norm == "adapt":
        return f"the phase '{name}' re-estimates BatchNormalization"
    if phase.method == "solve":
        return f"phases.{name}.method is 'solve'"
    return ""


def _is_of_head(field: str, phase: str) -> bool:
    """Says whether a field changes the head and its phase, and no more.

    What is no field at all is named later, with the nearest one.
    """
    row = row_of(field)
    return row is UNKNOWN or (
        row.search == ON_CODES
        and phase_of(field) in ("", phase)
        and group_of(field) in ("", "head")
    )


def _resolve_mode(config: ConfigDict, texts: Mapping[str, str]) -> str:
    mode = config.tuning.mode
    wants_workers = config.tuning.workers > 0
    if mode == "full" or (mode == "auto" and wants_workers):
        return "full"
    obstacle = codes_obstacle(config, texts)
    if wants_workers:
        obstacle = "tuning.workers asks for processes"
    if obstacle and mode == "codes":
        raise InputError(
            f"The search cannot run on cached codes, because {obstacle}; "
            "expected fields of the head and of its phase: set "
            "--config.tuning.mode=full."
        )
    return "full" if obstacle else "codes"


def default_space(config: ConfigDict, mode: str) -> dict[str, str]:
    """Returns the space of a search that names none.

    On codes the lecture's two, rate and L2; in full mode the cutoff, the rate,
    and how much slower the layers below the head learn.
    """
    on_codes = MODES[mode].on_codes
    name = head_phase(config) if on_codes else active_phases(config)[-1]
    space = {f"phases.{name}.learning_rate": "1e-5:1e-1:log"}
    if on_codes:
        return {**space, "model.head_l2": "1e-6:1e1:log"}
    if config.phases[name].trainable_from != "none":
        space = {
            f"phases.{name}.trainable_from": "stage3|stage4|stage5",
            f"phases.{name}.learning_rate": "3e-4:3e-2:log",
            f"phases.{name}.groups.upper.learning_rate_multiplier": (
                "1e-2:1:log"
            ),
        }
    return space


def _searched_phases(config: ConfigDict, space: Space) -> tuple[str, ...]:
    """Returns the phases that the fields of the space belong to."""
    active = active_phases(config)
    found: set[str] = set()
    for field in space:
        if phase := phase_of(field.name):
            found.add(phase)
        elif field.name.startswith("data.augment"):
            found |= {n for n in active if config.phases[n].augment}
        else:
            found |= set(active)
    return tuple(name for name in active if name in found)


def _let_count(
    config: ConfigDict, space: Space, phases: tuple[str, ...], mode: str
) -> ConfigDict:
    """Returns a config in which phases fit what is searched, and end there."""
    changed = copy_config(config)
    for name in phases:
        phase = changed.phases[name]
        belongs = (name, "") if name == phases[-1] else (name,)
        own = [f.name for f in space if phase_of(f.name) in belongs]
        fitted = [field for field in own if row_of(field).method == "fit"]
        if not (fitted or MODES[mode].on_codes):
            continue
        if f"phases.{name}.method" in own:
            continue  # it decides, trial by trial
        if phase.method == "solve":
            raise InputError(
                f"The field '{fitted[0]}' has no effect, because "
                f"phases.{name}.method is 'solve'; expected a phase that fits: "
                f"set --config.phases.{name}.method=fit."
            )
        solved = [field for field in own if row_of(field).method == "solve"]
        if solved:
            raise InputError(
                f"The field '{solved[0]}' has no effect beside "
                f"'{fitted[0]}', which makes the phase fit; expected fields "
                "of solving, or of fitting: leave out one of them."
            )
        phase.method = "fit"
    if not config.tuning.later_phases:
        active = active_phases(config)
        for name in active[active.index(phases[-1]) + 1 :]:
            changed.phases[name].epochs = 0
    return changed
