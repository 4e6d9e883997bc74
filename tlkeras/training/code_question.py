"""What decides about a config's CNN codes, beside the images.

A network is remembered by all of it, the program that builds it included. What
the images themselves decide (a training mean, the contract of one's own
network, the trial of bfloat16) cannot be remembered so.
"""

import functools
import hashlib
from pathlib import Path

from ml_collections import ConfigDict

from tlkeras.config.values import HUB
from tlkeras.config.weight_files import name_and_content
from tlkeras.data.definition import configured_definition
from tlkeras.devices import installed_versions, may_have_accelerator
from tlkeras.features.code_place import CodePlace
from tlkeras.features.recipe import canonical
from tlkeras.startup import configured_backend


def ask_for_codes(config: ConfigDict, place: CodePlace) -> str:
    """Returns a hash of what decides about a config's codes, 24 hex digits.

    Args:
        config: Validated.
        place: Of the codes.

    Returns:
        "" where the images or the device decide too, where codes are of several
        copies, and where nothing is to be kept.

    Raises:
        InputError: If a file that the config names cannot be read.
    """
    model = config.model.to_dict()
    backbone = name_and_content(model["backbone"])
    weights = name_and_content(model["weights"])
    measured = backbone != model["backbone"] and model["contract"] == "auto"
    if (
        measured
        or HUB in (backbone[: len(HUB)], weights[: len(HUB)])
        or config.data.mean != "none"
        or "bfloat16" in config.features.precision
        or "bfloat16" in config.runtime.precision
        or config.features.cache == "off"  # nothing is to be kept
        or may_have_accelerator()
        or place.augmented_copies > 1
    ):
        return ""
    parts = {
        "model": model | {"backbone": backbone, "weights": weights},
        "seed": config.seed,
        "place": vars(place),
        "definition": configured_definition(config).as_dict(),
        "precisions": [config.runtime.precision, config.features.precision],
        "storage": config.features.storage,
        "engine": config.runtime.engine,
        "backend": configured_backend(),
        "versions": installed_versions(),
        "sources": _hash_sources(),
    }
    return hashlib.blake2b(
        canonical(parts).encode(), digest_size=12
    ).hexdigest()


@functools.cache
def _hash_sources() -> str:
    """Returns a hash of this package's modules: a version is no identity."""
    digest = hashlib.blake2b(digest_size=12)
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
