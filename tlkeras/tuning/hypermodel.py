"""A classifier as keras-tuner's own tuners take it."""

import functools
from collections.abc import Generator, Iterator, Mapping
from typing import Any

import keras
import keras_tuner
import numpy as np
from ml_collections import ConfigDict

from tlkeras import devices
from tlkeras.callbacks.divergence_guard import DivergenceGuard
from tlkeras.console import Console
from tlkeras.data.augmentation import Augmentation
from tlkeras.data.dataset import Dataset, Split
from tlkeras.data.epoch import (
    balanced_class_weights,
    steps_per_epoch,
    stream_seed,
)
from tlkeras.data.load import load_configured
from tlkeras.data.parallel import lent
from tlkeras.data.views import Views
from tlkeras.errors import InputError
from tlkeras.models.classifier import freeze
from tlkeras.models.heads import HEADS
from tlkeras.optim.multi_optimizer import build_group_optimizer
from tlkeras.training.assembly import build_metric
from tlkeras.training.frozen_part import feature_settings
from tlkeras.training.phases import (
    Phase,
    build_groups,
    optimizer_specs,
    read_phases,
)
from tlkeras.training.trainer import build_from_config, set_up_model
from tlkeras.tuning.plan import make_plan
from tlkeras.tuning.space.hyperparameters import register
from tlkeras.tuning.trials.codes import HeadCodes, load_head_codes
from tlkeras.tuning.trials.lone_head import build_lone_head, head_optimizer

# (epoch, step, rows) of a training, from `row_batches`.
Steps = Iterator[tuple[int, int, np.ndarray]]


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
        self.console = console or Console(quiet=True)

    @functools.cached_property
    def codes(self) -> HeadCodes:
        """Codes of the config's images; computed when first needed."""
        return load_head_codes(self.plan.config, self.console)

    @functools.cached_property
    def dataset(self) -> Dataset:
        """The config's images."""
        if self.plan.on_codes:
            return self.codes.dataset
        set_up_model(self.plan.config)
        return load_configured(self.plan.config)

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Builds and compiles the model of some values."""
        config, phase = self._resolve(hp)
        if self.plan.on_codes:
            return self._build_head(config, phase)
        return self._build_whole(config, phase)

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
        (phase,) = (p for p in read_phases(config.phases) if p.name == name)
        return config, phase

    def _steps(self, phase: Phase) -> int:
        return steps_per_epoch(
            len(self.dataset.splits["train"]), phase.batch_size
        )

    def _build_head(self, config: ConfigDict, phase: Phase) -> keras.Model:
        return build_lone_head(
            config,
            phase,
            head_optimizer(phase, self._steps(phase)),
            size=self.codes.size,
            num_classes=self.dataset.num_classes,
            metrics=[self._metric(config)],
        )

    def _build_whole(self, config: ConfigDict, phase: Phase) -> keras.Model:
        workers = feature_settings(config).num_workers
        classifier = build_from_config(config, self.dataset, workers)
        freeze(
            classifier,
            trainable_from=phase.trainable_from,
            batch_norm=phase.batch_norm,
        )
        groups = build_groups(phase, classifier)
        classifier.model.compile(
            optimizer=build_group_optimizer(
                {group.name: group.variables for group in groups},
                optimizer_specs(phase, groups, self._steps(phase)),
                classifier.model.trainable_variables,
                joint_clipnorm=phase.global_clipnorm,
            ),
            loss=classifier.head.loss.build(phase.label_smoothing),
            metrics=[self._metric(config)],
            jit_compile=devices.should_compile_with_xla(),
        )
        return classifier.model

    def _metric(self, config: ConfigDict) -> keras.metrics.Metric:
        # The name whose direction keras-tuner knows.
        return build_metric(
            "accuracy",
            self.dataset.num_classes,
            HEADS[config.model.head].multi_label,
        )

    def fit(
        self,
        hp: keras_tuner.HyperParameters,
        model: keras.Model,
        *args: Any,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Trains a model, on the config's data unless `search` got others."""
        config, phase = self._resolve(hp)
        loss = HEADS[config.model.head].loss.expected_at_zero(
            self.dataset.num_classes
        )
        guard = DivergenceGuard(phase.divergence_factor, loss)
        kwargs["callbacks"] = [*kwargs.pop("callbacks", []), guard]
        kwargs = {"epochs": phase.epochs, "verbose": 0, **kwargs}
        if args or "x" in kwargs:
            return model.fit(*args, **kwargs)
        data = self._data(config, phase, kwargs)
        with lent(data.pop("x")) as read:
            return model.fit(read, shuffle=False, **data, **kwargs)

    def _data(
        self, config: ConfigDict, phase: Phase, kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        """Returns what `fit` reads, in the trainer's own order."""
        from tlkeras.data.batches import row_batches  # brings TensorFlow

        train = self.dataset.splits["train"]
        seed = stream_seed(config.seed, phase.name)
        order = row_batches(
            len(train),
            batch_size=phase.batch_size,
            seed=seed,
            first_epoch=kwargs.get("initial_epoch", 0),
            num_epochs=kwargs["epochs"],
        )
        weights = None
        if config.data.class_weighting != "none":
            weights = balanced_class_weights(train.targets)
        if not self.plan.on_codes:
            read = _image_batches(config, phase, train, order, seed, weights)
            held_out = self._validation_images(config)
        else:
            codes = self.codes.codes
            read = _code_batches(codes["train"], train.targets, order, weights)
            held_out = codes["validation"]
        targets = self.dataset.splits["validation"].targets
        return {
            "x": read,
            "steps_per_epoch": self._steps(phase),
            "validation_data": (held_out, targets),
        }

    def _validation_images(self, config: ConfigDict) -> np.ndarray:
        from tlkeras.data.pipeline import decode_split  # brings TensorFlow

        size = _image_size(config)
        return decode_split(
            self.dataset.splits["validation"],
            (size, size),
            num_workers=feature_settings(config).num_workers,
        ).astype(np.float32)

    def stitch(
        self, hp: keras_tuner.HyperParameters, head: keras.Model
    ) -> keras.Model:
        """Returns the whole classifier, images -> logits, with a tuned head.

        Args:
            hp: Of the head, as from `tuner.get_best_hyperparameters()`.
            head: Trained, as from `tuner.get_best_models()`; a model of full
                mode is whole already and is returned as it is.
        """
        if not self.plan.on_codes:
            return head
        config, _ = self._resolve(hp)
        workers = feature_settings(config).num_workers
        classifier = build_from_config(config, self.dataset, workers)
        for layer in head.layers:
            if layer.weights:
                own = classifier.model.get_layer(layer.name)
                own.set_weights(layer.get_weights())
        return classifier.model


def _code_batches(
    codes: np.ndarray,
    targets: np.ndarray,
    order: Steps,
    class_weights: np.ndarray | None,
) -> Generator[tuple[np.ndarray, ...]]:
    """Yields (codes, targets[, weights]) of each step."""
    for _, _, rows in order:
        wanted = targets[rows]
        weights = () if class_weights is None else (wanted @ class_weights,)
        yield codes[rows], wanted, *weights


def _image_size(config: ConfigDict) -> int:
    from tlkeras.models.backbones import BACKBONES

    return config.model.image_size or (
        BACKBONES[config.model.backbone].default_size
    )


def _image_batches(
    config: ConfigDict,
    phase: Phase,
    train: Split,
    order: Steps,
    seed: int,
    class_weights: np.ndarray | None,
) -> Generator[tuple[np.ndarray, ...]]:
    """Returns (images, targets[, weights]) of each step, augmented."""
    from tlkeras.data.batches import training_batches
    from tlkeras.data.reader import ViewReader

    augment = Augmentation(**config.data.augment.to_dict())
    workers = feature_settings(config).num_workers
    size = _image_size(config)
    reader = ViewReader(
        train,
        (size, size),
        Views(
            augment if phase.augment else None,
            config.features.num_views,
            stream_seed(config.seed, "views"),
        ),
        num_workers=workers,
        max_decoded_bytes=config.data.max_decoded_bytes,
    )
    return training_batches(
        reader,
        order,
        seed=seed,
        class_weights=class_weights,
        num_workers=workers,
    )
