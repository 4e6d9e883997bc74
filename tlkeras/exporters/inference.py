"""The model of a run as it is served: float32, codes and logits."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import keras

from tlkeras.data.definition import CURRENT, ImageDefinition
from tlkeras.errors import InputError
from tlkeras.evaluation.run import Run
from tlkeras.models.cells import has_cells
from tlkeras.models.dense import build_dense
from tlkeras.models.heads import LOGITS
from tlkeras.optim.losses import Loss

MIXED_POLICIES = ("mixed_float16", "mixed_bfloat16")


@dataclasses.dataclass(frozen=True)
class ServedModel:
    """What every format is written from.

    Attributes:
        model: float32 [N, S, S, 3] in 0..255 -> codes [N, d], logits [N, C]
            and, where their mean is the logits, class maps [N, h, w, C]; all
            float32.
        class_names: [C].
        loss: Decides how logits become scores.
        image_size: S, pixels.
        definition: What the pixels of an encoded image are.
    """

    model: keras.Model
    class_names: tuple[str, ...]
    loss: Loss
    image_size: int
    definition: ImageDefinition = CURRENT

    @property
    def has_maps(self) -> bool:
        """Whether it gives class maps too."""
        return len(self.model.outputs) > 2

    @property
    def multi_label(self) -> bool:
        """Whether an image may carry several labels."""
        return self.loss.multi_label

    @property
    def num_bytes(self) -> int:
        """Size of the weights in float32."""
        return 4 * self.model.count_params()


def build_served_model(run: Run) -> ServedModel:
    """Builds the model to export, float32 whatever the training policy was.

    Raises:
        InputError: If a class name does not fit on a line of labels.txt.
    """
    check_class_names(run.class_names)
    model = to_float32(run.model)
    outputs = [model.get_layer(LOGITS).input, *model.outputs]
    if has_cells(model) and (dense := build_dense(model)).is_additive:
        outputs += dense.model.outputs
    served = keras.Model(model.inputs, outputs, name="served")
    return ServedModel(
        served,
        run.class_names,
        run.loss,
        run.image_size,
        run.image_definition,
    )


def check_class_names(names: Sequence[str]) -> None:
    """Refuses class names that take more than one line of labels.txt.

    Raises:
        InputError: Naming the first one.
    """
    for name in names:
        if "\n" in name or "\r" in name:
            raise InputError(
                f"The class {name!r} holds a line break; expected names of one "
                "line, as labels.txt has them: rename the class and train "
                "again."
            )


def build_score_model(served: ServedModel) -> keras.Model:
    """Returns images [N, S, S, 3] -> scores [N, C] in 0..1."""
    logits = served.model.outputs[1]
    scores = keras.layers.Activation(served.loss.activation, dtype="float32")(
        logits
    )
    return keras.Model(served.model.inputs, scores, name="scores")


def to_float32(model: keras.Model) -> keras.Model:
    """Returns the model, or a copy of it that computes in float32.

    A mixed-precision network keeps its weights in float32; only its layers'
    policies change.
    """
    config = keras.saving.serialize_keras_object(model)
    if not any(name in json.dumps(config) for name in MIXED_POLICIES):
        return model
    copy = keras.saving.deserialize_keras_object(_without_mixed(config))
    copy.set_weights(model.get_weights())
    return copy


def _without_mixed(value: Any) -> Any:
    """Replaces the names of mixed policies anywhere in a config."""
    if isinstance(value, dict):
        return {key: _without_mixed(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_without_mixed(part) for part in value)
    return "float32" if value in MIXED_POLICIES else value
