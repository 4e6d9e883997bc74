"""Where in a network codes are taken."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class CodePlace:
    """A place of codes, and the copies of an image that have them.

    Attributes:
        layer: Of the backbone; "" is the top.
        pooling: average | max | flatten | class_token | spatial.
        before_activation: Take what goes into the layer's nonlinearity.
        augmented_copies: K >= 1; above 1, K copies augmented as
            `data.augment` says.
    """

    layer: str = ""
    pooling: str = "average"
    before_activation: bool = False
    augmented_copies: int = 1
