"""A classifier as keras-tuner's own tuners take it."""

from collections.abc import Mapping
from typing import Any

import keras
import keras_tuner
from ml_collections import ConfigDict

from tlkeras.console import Console
from tlkeras.data.dataset import Dataset
from tlkeras.data.parallel import for_fit
from tlkeras.errors import InputError
from tlkeras.models.heads import HEADS
from tlkeras.training.phases import Phase, read_phases
from tlkeras.training.stopping import build_guard
from tlkeras.tuning.head_models import HeadModels
from tlkeras.tuning.plan import make_plan
from tlkeras.tuning.space.hyperparameters import register
from tlkeras.tuning.trials.codes import HeadCodes
from tlkeras.tuning.whole_models import WholeModels

ACCURACY = "accuracy"  # the name whose direction keras-tuner knows


class ClassifierHyperModel(keras_tuner.HyperModel):
    """Builds and fits the classifiers of a space, in any tuner of keras-tuner.

    If the space stays above the backbone, a model is the head alone, codes
    [N, d] -> logits [N, C], and trains on codes that are computed once;
    `stitch` puts it onto the backbone. Otherwise a model is the whole
    classifier, images -> logits, trained as the searched phase says. `search`
    needs no data: the model brings those of its config, without the test split.
    The objective is `val_accuracy` (`val_mean_average_precision`, direction
    `max`, where images carry several labels).

    Args:
        config: From `tlkeras.get_config()`, with changes.
        space: Dotted field -> `LOW:HIGH[:log|linear|int]` or `a|b|c`; None =
            the config's `tuning.space`, or the default space.
        console: For progress of the codes; None is quiet.

    Raises:
        InputError: For a space that cannot be searched in this config.

    Example:
        tuner = keras_tuner.BayesianOptimization(
            ClassifierHyperModel(config, {"model.head_l2": "1e-5:1:log"}),
            objective="val_accuracy", max_trials=20)
        tuner.search(epochs=5)
    """

    def __init__(
        self,
        config: ConfigDict,
        space: Mapping[str, str] | None = None,
        *,
        console: Console | None = None,
    ) -> None:
        super().__init__(name="classifier")
        self.plan = make_plan(config, space or {})
        name = self.plan.phases[-1]
        rate = f"phases.{name}.learning_rate"
        is_searched = rate in {field.name for field in self.plan.space}
        if isinstance(config.phases[name].learning_rate, str) and (
            not is_searched
        ):
            raise InputError(
                f"{rate} is '{config.phases[name].learning_rate}', which only "
                "a run can resolve; expected a number, or the field in the "
                f"space: set config.{rate}."
            )
        self.models: HeadModels | WholeModels = (
            HeadModels(
                self.plan.config, console or Console(quiet=True), ACCURACY
            )
            if self.plan.on_codes
            else WholeModels(self.plan.config, ACCURACY)
        )

    @property
    def codes(self) -> HeadCodes:
        """Codes of the config's images; of a space above the backbone only."""
        assert isinstance(self.models, HeadModels)
        return self.models.codes

    @property
    def dataset(self) -> Dataset:
        """The config's images."""
        return self.models.dataset

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Builds and compiles the model of some values."""
        return self.models.build(*self._resolve(hp))

    def _resolve(
        self, hp: keras_tuner.HyperParameters
    ) -> tuple[ConfigDict, Phase]:
        """Returns the config of some values, and the searched phase."""
        space = self.plan.space
        values = {field.name: register(hp, field, space) for field in space}
        config = self.plan.trial_config(
            {name: value for name, value in values.items() if value is not None}
        )
        name = self.plan.phases[-1]
        num_images = len(self.dataset.splits["train"])
        phases = read_phases(config.phases, num_images)
        (phase,) = (p for p in phases if p.name == name)
        return config, phase

    def fit(
        self,
        hp: keras_tuner.HyperParameters,
        model: keras.Model,
        *args: Any,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Trains a model, on the config's data unless `search` got others."""
        config, phase = self._resolve(hp)
        loss = HEADS[config.model.head].loss
        guard = build_guard(phase, loss, self.dataset.num_classes)
        kwargs["callbacks"] = [*kwargs.pop("callbacks", []), guard]
        kwargs = {"epochs": phase.epochs, "verbose": 0, **kwargs}
        if args or "x" in kwargs:
            return model.fit(*args, **kwargs)
        splits = self.dataset.splits
        with self.models.read(
            config,
            phase,
            model,
            first_epoch=kwargs.get("initial_epoch", 0),
            num_epochs=kwargs["epochs"],
        ) as (batches, held_out):
            return model.fit(
                for_fit(batches),
                steps_per_epoch=phase.steps_per_epoch(len(splits["train"])),
                validation_data=(held_out, splits["validation"].targets),
                shuffle=False,  # the batches are in the trainer's own order
                **kwargs,
            )

    def stitch(
        self, hp: keras_tuner.HyperParameters, head: keras.Model
    ) -> keras.Model:
        """Returns the whole classifier, images -> logits, with a tuned head.

        Args:
            hp: Of the head, as from `tuner.get_best_hyperparameters()`.
            head: Trained, as from `tuner.get_best_models()`; a model of full
                mode is whole already and is returned as it is.
        """
        config, _ = self._resolve(hp)
        return self.models.stitch(config, head)
