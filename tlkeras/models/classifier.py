"""The classifier: input contract, backbone, pooling and head in one model."""

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np

from tlkeras.errors import InputError
from tlkeras.models.backbones import BackboneSpec, build_backbone, find_spec
from tlkeras.models.cutoffs import find_cutoff, truncate
from tlkeras.models.graph import (
    batch_norm_layers,
    graph_nodes,
    topological_layers,
)
from tlkeras.models.heads import (
    DEFAULT_HEAD,
    HEADS,
    LOGITS,
    HeadConfig,
    HeadSpec,
    build_head,
)
from tlkeras.models.preprocessing import (
    CONTRACTS,
    apply_contract,
    standardize,
)
from tlkeras.models.tokens import count_prefix_tokens
from tlkeras.models.weights import load_backbone_weights
from tlkeras.tables import lookup

BATCH_NORM_POLICIES = ("frozen", "adapt", "train")


@dataclasses.dataclass(frozen=True)
class Classifier:
    """A model with the names of its parts.

    Attributes:
        model: float32 [N, S, S, 3] in 0..255 -> float32 logits [N, C].
        backbone: The pretrained part, a layer of `model`.
        spec: Its row in the table of backbones.
        head: Its row in the table of heads.
        class_names: [C].
        origin: Where the backbone's weights come from, for people.
    """

    model: keras.Model
    backbone: keras.Model
    spec: BackboneSpec
    head: HeadSpec
    class_names: tuple[str, ...]
    origin: str = ""

    @property
    def image_size(self) -> int:
        """Side of the square input, pixels."""
        return self.model.inputs[0].shape[1]

    @property
    def head_layers(self) -> list[keras.layers.Layer]:
        """The layers above the backbone."""
        layers = self.model.layers
        return layers[layers.index(self.backbone) + 1 :]

    @property
    def logits_layer(self) -> keras.layers.Dense:
        """The last layer."""
        return self.model.get_layer(LOGITS)

    @property
    def codes(self) -> keras.KerasTensor:
        """Symbolic CNN codes [N, d], the input of the last layer.

        Of this model's own graph: `logits_layer.input` may belong to a suffix.
        """
        (call,) = [
            node
            for node in graph_nodes(self.model)
            if node.operation is self.logits_layer
        ]
        return call.input_tensors[0]

    @property
    def code_model(self) -> keras.Model:
        """Images -> CNN codes [N, d]."""
        (images,) = self.model.inputs
        return keras.Model(images, self.codes, name="codes")


def build_classifier(
    backbone: str = "MobileNetV2",
    *,
    class_names: Sequence[str],
    weights: str = "imagenet",
    image_size: int | None = None,
    alpha: float = 1.0,
    features_from: str = "",
    contract: str = "auto",
    head: HeadConfig = DEFAULT_HEAD,
    mean: np.ndarray | None = None,
    std: np.ndarray | None = None,
    seed: int = 0,
) -> Classifier:
    """Builds a classifier from a pretrained backbone and a new head.

    Args:
        backbone: Name of a network in `keras.applications`, `hub:` and a preset
            of KerasHub, or a `.keras` or `.h5` file or a run directory with a
            network of one's own.
        class_names: [C] names, in the order of the logits.
        weights: `imagenet` (of one's own network, those in its file), `none`,
            `letters`, a weights file or a run.
        image_size: Side of the square input, pixels; None = the backbone's.
        alpha: Width multiplier, where the backbone has one.
        features_from: Layer or `stageN` that feeds the head; "" = the top.
        contract: Which values the backbone expects, a key of
            `preprocessing.CONTRACTS`; auto = what is known of it.
        head: Its kind, pooling, dropout, penalties.
        mean: Training mean to subtract, RGB in 0..255, [3] or [S, S, 3].
        std: Like `mean`; division is off when None.
        seed: Of the head's initial weights and dropout.

    Returns:
        A `Classifier` whose model takes RGB images in 0..255.

    Raises:
        InputError: For an unknown name, an impossible size or unusable
            weights.

    Example:
    >>> built = build_classifier(
    ...     "MobileNet", class_names=["cat", "dog"], weights="none",
    ...     image_size=32, alpha=0.25)
    >>> built.model.output_shape
    (None, 2)
    """
    spec = _with_contract(find_spec(backbone), contract)
    head_spec = lookup(HEADS, head.kind, what="head")
    network = build_backbone(
        backbone,
        image_size=image_size,
        alpha=alpha,
        imagenet=weights == "imagenet",
    )
    origin = ""
    if weights not in ("imagenet", "none"):
        filled = load_backbone_weights(network, weights)
        origin = (
            f"{filled} of {len(network.weights)} variables of {backbone} "
            f"from '{weights}'"
        )
    network = truncate(network, features_from)
    size = network.inputs[0].shape[1]
    images = keras.Input((size, size, 3), dtype="float32", name="image")
    x = apply_contract(images, spec.contract)
    if mean is not None:
        x = standardize(x, spec.contract, mean, std)
    logits = build_head(
        network(x),
        head,
        num_classes=len(class_names),
        num_prefix=count_prefix_tokens(network),
        seed=seed,
    )
    model = keras.Model(images, logits, name="classifier")
    return Classifier(
        model, network, spec, head_spec, tuple(class_names), origin
    )


def _with_contract(spec: BackboneSpec, contract: str) -> BackboneSpec:
    """Returns what is known of a backbone, with a contract that is asked for.

    Raises:
        InputError: If it is unknown, or nothing says which it is.
    """
    if contract == "auto" and not spec.contract:
        raise InputError(
            f"Nothing says which values the network '{spec.name}' expects; "
            f"expected a contract: one of {', '.join(CONTRACTS)}."
        )
    if contract == "auto":
        return spec
    lookup(CONTRACTS, contract, what="model.contract")
    return dataclasses.replace(spec, contract=contract)


def freeze(
    classifier: Classifier, *, trainable_from: str, batch_norm: str
) -> dict[str, int]:
    """Sets what trains: everything from the cutoff on, and the head.

    Args:
        classifier: Changed in place.
        trainable_from: As for `cutoffs.find_cutoff`.
        batch_norm: `frozen` and `adapt` fix statistics, gamma and beta of all
            BatchNormalization; `train` leaves those above the cutoff in
            ordinary training mode.

    Returns:
        Counts for the log: `trainable_layers`, `frozen_layers`,
        `batch_norm_layers`, `batch_norm_training`.
    """
    cutoff = find_cutoff(classifier.backbone, trainable_from)
    return freeze_at(classifier, cutoff, batch_norm=batch_norm)


def freeze_at(
    classifier: Classifier, cutoff: int, *, batch_norm: str
) -> dict[str, int]:
    """Does what `freeze` does, for a cutoff that is found already.

    Args:
        classifier: Changed in place.
        cutoff: Index of the first trainable layer of the backbone, as from
            `cutoffs.find_cutoff`.
        batch_norm: As for `freeze`.

    Returns:
        As `freeze`.
    """
    layers = topological_layers(classifier.backbone)
    for index, layer in enumerate(layers):
        layer.trainable = index >= cutoff
    norms = batch_norm_layers(layers)
    for norm in norms:
        norm.trainable = norm.trainable and batch_norm == "train"
    for layer in classifier.head_layers:
        layer.trainable = True
    if keras.backend.backend() == "jax":
        # On several devices it is compiled for what trained before.
        classifier.model.predict_function = None
    owners = [layer for layer in layers if layer.weights]
    training = [layer for layer in owners if layer.trainable_variables]
    return {
        "trainable_layers": len(training),
        "frozen_layers": len(owners) - len(training),
        "batch_norm_layers": len(norms),
        "batch_norm_training": sum(norm.trainable for norm in norms),
    }
