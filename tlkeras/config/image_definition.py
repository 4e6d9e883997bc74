"""Which definition of an image counts where a config states none.

What goes on keeps the definition that it began with; `data/definition.py` says
what they are.
"""

import copy
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from tlkeras.errors import InputError

FIRST_DEFINITION = 1
NEWEST_DEFINITION = 2
PILLOW_MAX_PIXELS = 178_956_970  # it refuses more by itself


def state_definition(
    config: ConfigDict, stored: Mapping[str, Any] | None
) -> ConfigDict:
    """Returns a config that states its `data.image_definition`.

    Args:
        config: As given.
        stored: What goes on keeps its own below `image_definition`; without
            one it is older than the second. None: it begins.

    Raises:
        InputError: If the config states another one.
    """
    asked, kept = config.data.image_definition, NEWEST_DEFINITION
    if stored is not None:
        kept = stored.get("image_definition", FIRST_DEFINITION)
        if asked not in (None, kept):
            raise InputError(
                f"data.image_definition={asked}, but the work directory began "
                f"with {kept}; expected the same one or a new directory: "
                "choose another --workdir."
            )
    if asked is not None:
        return config
    stated = copy.deepcopy(config)
    stated.data.image_definition = kept
    return stated
