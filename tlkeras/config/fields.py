"""The table of fields: of each its values, its search, and when it counts.

`defaults.py` says what a field means and holds by default; a field there has
one row here, and is then checked, searched and conditional everywhere.
Names of heads and the like stand here again, for the config knows no networks.
"""

import functools
from typing import Any

from tlkeras.config.conditions import (
    AUGMENTS,
    When,
    never,
    one_of,
)
from tlkeras.config.field import (
    BATCH,
    BELOW_ONE,
    BYTES,
    COUNT,
    IN_FULL,
    NOT_NEGATIVE,
    ON_CODES,
    POSITIVE,
    SECONDS,
    SEED,
    SHARE,
    Field,
    patterns_of,
)
from tlkeras.config.image_definition import (
    FIRST_DEFINITION,
    NEWEST_DEFINITION,
    PILLOW_MAX_PIXELS,
)
from tlkeras.config.phase_fields import PHASE_ROWS
from tlkeras.config.presets import PRESETS
from tlkeras.config.values import (
    CONTRACT_NAMES,
    EXPORT_FORMATS,
    check_fractions,
    check_pair,
    check_shares,
    check_widths,
    check_words,
)
from tlkeras.devices import PRECISIONS


def _augment(name: str, *when: When, **rest: Any) -> Field:
    return Field(
        f"data.augment.{name}", search=IN_FULL, when=(*when, AUGMENTS), **rest
    )


def _penalty(name: str, **rest: Any) -> Field:
    """Of the head; a phase that solves chooses its own strength instead."""
    return Field(f"model.{name}", search=ON_CODES, method="fit", **rest)


ROWS = (
    Field("preset", choices=("", *PRESETS)),
    Field("seed", limits=SEED),
    Field("ensemble", limits=(1, 100, True)),
    Field("data.source"),
    Field("data.split", check=check_shares),
    Field("data.split_seed", limits=SEED),
    Field("data.split_file"),
    Field("data.review_file"),
    Field("data.split_memory"),
    Field("data.group_by"),
    Field("data.images_per_class", limits=(1, 10**9, True)),
    Field("data.on_bad_image", choices=("skip", "fail")),
    Field("data.max_bad_share", limits=SHARE),
    Field("data.on_empty_class", choices=("fail", "drop")),
    Field("data.geometry", choices=("squash", "center_crop", "letterbox")),
    Field("data.max_pixels", limits=(1, PILLOW_MAX_PIXELS, True)),
    Field(
        "data.image_definition",
        limits=(FIRST_DEFINITION, NEWEST_DEFINITION, True),
    ),
    Field(
        "data.class_weighting", choices=("none", "balanced"), search=ON_CODES
    ),
    Field("data.mean", choices=("none", "channel", "image")),
    Field("data.divide_by_std"),
    Field("data.tfds_data_dir"),
    Field("data.tfds_splits", check=functools.partial(check_words, length=3)),
    Field("data.max_decoded_bytes", limits=BYTES),
    _augment("load_scale", limits=(1, 4, True)),
    _augment(
        "crop_area", check=functools.partial(check_pair, low=0.001, high=1.0)
    ),
    _augment(
        "crop_aspect", check=functools.partial(check_pair, low=0.01, high=100.0)
    ),
    _augment("horizontal_flip"),
    _augment("rotation_degrees", limits=(0, 180, True)),
    _augment("randaugment_layers", limits=(0, 10, True)),
    _augment(
        "randaugment_magnitude",
        never(
            "data.augment.randaugment_layers", lambda v: v > 0, "above 0", "2"
        ),
        limits=(0, 30, True),
    ),
    _augment("erasing_probability", limits=SHARE),
    _augment("mixup_alpha", limits=(0, 1000, True)),
    _augment("cutmix_alpha", limits=(0, 1000, True)),
    Field("model.backbone", search=IN_FULL),
    Field("model.alpha", limits=(0, 16, False), search=IN_FULL),
    Field("model.weights"),
    Field("model.image_size", limits=(1, 8192, True), search=IN_FULL),
    Field("model.features_from", search=IN_FULL),
    Field("model.contract", choices=CONTRACT_NAMES),
    Field(
        "model.pooling",
        choices=("average", "max", "flatten", "class_token"),
        search=IN_FULL,
    ),
    Field(
        "model.head",
        choices=("linear", "mlp", "svm", "multi_label"),
        search=ON_CODES,
    ),
    Field(
        "model.hidden_units",
        check=functools.partial(check_widths, high=2**16),
        search=ON_CODES,
        when=(one_of("model.head", "mlp"),),
    ),
    _penalty("dropout", limits=BELOW_ONE),
    _penalty(
        "head_initializer",
        choices=("glorot_uniform", "he_normal", "small_normal"),
    ),
    _penalty("head_l1", limits=NOT_NEGATIVE, scale="log"),
    _penalty("head_l2", limits=NOT_NEGATIVE, scale="log"),
    _penalty("head_max_norm", limits=POSITIVE, scale="log"),
    *PHASE_ROWS,
    Field("features.num_views", limits=(1, 1000, True)),
    Field("features.cache", choices=("auto", "on", "off")),
    Field("features.storage", choices=("float32", "float16")),
    Field("features.store"),
    Field("features.max_cache_bytes", limits=BYTES),
    Field("features.max_memory_bytes", limits=BYTES),
    Field("features.precision", choices=("auto", "float32", "bfloat16")),
    Field("checks.enabled"),
    Field("checks.strict"),
    Field("tuning.mode", choices=("auto", "codes", "full")),
    Field("tuning.oracle", choices=("random", "bayesian", "hyperband")),
    Field("tuning.num_trials", limits=(1, 10**5, True)),
    Field("tuning.stages", limits=(1, 5, True)),
    Field("tuning.coarse_epochs", limits=COUNT),
    Field("tuning.max_seconds", limits=SECONDS),
    Field("tuning.patience", limits=COUNT),
    Field("tuning.noise_seeds", limits=(2, 100, True)),
    Field("tuning.final_trials", limits=(1, 100, True)),
    Field("tuning.final_seeds", limits=(1, 100, True)),
    Field("tuning.compare"),
    Field("tuning.later_phases"),
    Field("tuning.max_trial_seconds", limits=SECONDS),
    Field("tuning.max_trial_bytes", limits=(1, 2**60, True)),
    Field("tuning.workers", limits=(0, 1000, True)),
    Field("tuning.port", limits=(0, 65535, True)),
    Field("evaluation.batch_size", limits=BATCH),
    Field("evaluation.bootstrap_samples", limits=(1, 10**5, True)),
    Field("evaluation.calibrate"),
    Field("evaluation.calibration_bins", limits=(1, 1000, True)),
    Field("evaluation.wise_ft", check=check_fractions),
    Field("evaluation.replace_p_value", limits=SHARE),
    Field("evaluation.test_at_end"),
    Field("report.enabled"),
    Field("report.license"),
    Field("report.language"),
    Field(
        "export.formats",
        check=functools.partial(check_words, choices=EXPORT_FORMATS),
    ),
    Field("export.max_drop", limits=SHARE),
    Field("export.num_calibration_images", limits=COUNT),
    Field("runtime.precision", choices=PRECISIONS),
    Field("runtime.engine", choices=("auto", "keras", "openvino")),
    Field("runtime.deterministic"),
    Field("runtime.devices", choices=("one", "all", "workers")),
    Field("runtime.num_workers", limits=(1, 1024, True)),
    Field("runtime.tensorboard"),
    Field("runtime.max_seconds", limits=(0, 1e9, True)),
)
FIELDS = {row.name: row for row in ROWS}
UNKNOWN = Field("")


def row_of(name: str) -> Field:
    """Returns the row of a field by its dotted name.

    One that has none, such as a range in `tuning.space`, may be anything and
    cannot be searched.
    """
    for pattern in patterns_of(name):
        if pattern in FIELDS:
            return FIELDS[pattern]
    return UNKNOWN
