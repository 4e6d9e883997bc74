"""CNN codes of a config's data, for other programs."""

from typing import Any

from ml_collections import ConfigDict

from tlkeras.config.validate import validate
from tlkeras.console import Console
from tlkeras.data.load import load_configured
from tlkeras.errors import InputError
from tlkeras.features.codes import (
    build_code_model,
    signed_power,
)
from tlkeras.features.codes import (
    l2_normalize as normalize,
)
from tlkeras.features.frozen import FrozenPrefix
from tlkeras.features.table import CodeTable, compute_code_table
from tlkeras.training.build import build_from_config, set_up_model
from tlkeras.training.reading import (
    build_views,
    feature_settings,
    reader_factory,
)


def compute_codes(
    config: ConfigDict,
    *,
    layer: str = "",
    pooling: str = "average",
    before_activation: bool = False,
    l2_normalize: bool = False,
    power: float = 1.0,
    augmented_copies: int = 1,
    console: Console | None = None,
) -> CodeTable:
    """Computes the codes of all images of a config's data at one layer.

    Args:
        config: Its `data`, `model`, `features` and `runtime` sections count.
        layer: Of the backbone; "" is the top.
        pooling: average | max | flatten | class_token | spatial.
        before_activation: Take what goes into the layer's nonlinearity.
        l2_normalize: Scale codes to length 1.
        power: Signed power, in (0, 1], after the normalisation.
        augmented_copies: K >= 1; above 1, codes are the mean over K copies
            augmented as `data.augment` says.
        console: For progress; None is quiet.

    Raises:
        InputError: For unusable input.
    """
    if augmented_copies < 1:
        raise InputError(
            f"--augmented_copies={augmented_copies} is out of range; expected "
            "at least 1."
        )
    if not 0 < power <= 1:
        raise InputError(
            f"--power={power} is out of range; expected above 0 and at most 1."
        )
    console = console or Console(quiet=True)
    validate(config)
    set_up_model(config)
    dataset = load_configured(config, console=console)
    settings = feature_settings(config)
    classifier = build_from_config(config, dataset)
    network = build_code_model(
        classifier,
        [layer],
        pooling=pooling,
        before_activation=before_activation,
    )
    views = build_views(
        config, augment=augmented_copies > 1, num_views=augmented_copies
    )
    prefix = FrozenPrefix(
        network,
        next(iter(dataset.splits.values())),
        reader_factory(classifier.image_size),
        views,
        settings,
        console,
    )

    def transform(codes: Any) -> Any:
        if l2_normalize:
            shape = codes.shape
            codes = normalize(codes.reshape(len(codes), -1)).reshape(shape)
        return codes if power == 1 else signed_power(codes, power)

    return compute_code_table(dataset, prefix, transform=transform)
