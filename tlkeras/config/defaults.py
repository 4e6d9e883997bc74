"""Every field of an experiment, with its default, unit and meaning.

`tlkeras train --data=DIR` runs exactly this file. A file in `configs/` starts
from `get_config()` here and changes what its experiment is about.
"""

from ml_collections import ConfigDict, FieldReference
from ml_collections.config_dict import placeholder

from tlkeras.config.auto_epochs import CHANGED, P_VALUE, RATE


def data_section() -> ConfigDict:
    """Returns where the images come from and how they are prepared."""
    data = ConfigDict()
    # Folder of class folders, .csv/.parquet manifest, tfds:NAME, or a built-in
    # (digits, letters, glyphs, textures).
    data.source = ""
    # Shares of train, validation and test where the source has no splits.
    data.split = (0.7, 0.15, 0.15)
    data.split_seed = 0  # another one divides anew
    data.split_file = ""  # split.csv of another run, to share its splits
    # review.csv of tlkeras demo: images get other labels or are left out.
    data.review_file = ""
    # What an earlier run on this machine moved because a class had no image in
    # a split stays there; False = data and seed alone decide.
    data.split_memory = True
    # Regular expression that finds in a path the group (patient, film, product)
    # whose images stay in one split; "" = the manifest's column `group`.
    data.group_by = ""
    data.images_per_class = placeholder(int)  # few-shot training; None = all
    data.on_bad_image = "skip"  # skip | fail
    # Of the images, that `features` in several processes may list as bad after
    # the scan; more of them fail it.
    data.max_bad_share = 0.001
    data.on_empty_class = (
        "fail"  # of a class without a usable image: fail | drop
    )
    # How an image fills the square input: squash (each side by itself),
    # center_crop, or letterbox (grey bars).
    data.geometry = "squash"
    data.max_pixels = 100_000_000  # of an image; larger ones are left out
    # 2 = upright by EXIF, reduced alike in every format; 1 = as runs of older
    # versions have it; None = that of a run that goes on, 2 of a new one.
    data.image_definition = placeholder(int)
    data.class_weighting = "none"  # none | balanced
    # On top of the backbone's own input contract, from the training split.
    data.mean = "none"  # none | channel | image
    data.divide_by_std = False  # also by their deviation
    data.tfds_data_dir = ""  # "" = where TFDS keeps its data
    # TFDS split expressions for train, validation, test; "" = no such split.
    data.tfds_splits = ("train", "validation", "test")
    # Decoded images of a phase are kept in memory up to this size.
    data.max_decoded_bytes = 1024**3
    data.augment = augment_section()
    return data


def augment_section() -> ConfigDict:
    """Returns live augmentation; phases with `augment=True` use it."""
    augment = ConfigDict()
    # Images are loaded at load_scale x image_size and cropped to image_size.
    augment.load_scale = 1.15
    # Share of the image's area that a crop keeps, drawn in this range; (1, 1)
    # takes crops of image_size itself (the lecture's 224 out of 256).
    augment.crop_area = (0.5, 1.0)
    augment.crop_aspect = (0.75, 1.3333)  # width / height of the crop
    augment.horizontal_flip = True  # of half of the views
    augment.rotation_degrees = 0.0  # drawn in [-value, value]
    augment.randaugment_layers = 0  # operations an image; 0 = off
    augment.randaugment_magnitude = 9.0  # 0 .. 30
    augment.erasing_probability = 0.0  # of blanking one rectangle
    augment.mixup_alpha = 0.0  # Beta(alpha, alpha); 0 = off
    augment.cutmix_alpha = 0.0  # Beta(alpha, alpha); 0 = off
    return augment


def model_section() -> ConfigDict:
    """Returns the backbone and the head."""
    model = ConfigDict()
    # Any network of keras.applications; hub: and the name or the directory of
    # a preset of KerasHub; or one's own: a .keras or .h5 file, or a run.
    model.backbone = "MobileNetV2"
    model.alpha = 1.0  # width multiplier of MobileNet, V2 and V3
    # imagenet (of one's own network, those in its file) | none | letters | a
    # weights file | a run directory.
    model.weights = "imagenet"
    model.image_size = placeholder(int)  # pixels; None = the backbone's own
    # Layer or stageN whose output feeds the head; "" = the top. A stage here
    # means its last layer.
    model.features_from = ""
    # Values that the backbone expects: none (0..255) | minus_one_one | zero_one
    # | caffe | torch; auto = those of its own, measured where nothing says it.
    model.contract = "auto"
    model.pooling = "average"  # average | max | flatten | class_token
    model.head = "linear"  # linear | mlp | svm | multi_label
    model.hidden_units = (256,)  # adaptation layers of an mlp head, one or two
    model.dropout = 0.2  # rate before the last layer
    model.head_initializer = "small_normal"  # glorot_uniform | he_normal | ...
    # Penalties and max-norm hold in phases that fit; a phase that solves
    # chooses its own L2 strength on validation.
    model.head_l1 = 0.0
    model.head_l2 = 0.0  # lambda of lambda / 2 ||W||^2
    model.head_max_norm = placeholder(float)  # of each unit's weights
    return model


def group_section(multiplier: float, starts_at: str) -> ConfigDict:
    """Returns one layer group; None takes the phase's own value."""
    group = ConfigDict()
    # First layer of the group, as for trainable_from; the group ends where
    # the next one starts. "auto" groups vanish when they hold no layer.
    group.starts_at = starts_at
    group.learning_rate_multiplier = multiplier  # of the phase's rate
    group.learning_rate = placeholder(float)  # wins over the multiplier
    group.optimizer = placeholder(str)  # None = the phase's
    group.weight_decay = placeholder(float)  # None = the phase's
    group.clipnorm = placeholder(float)  # None = the phase's
    return group


def phase_section() -> ConfigDict:
    """Returns one phase; its name is its key in `phases`."""
    phase = ConfigDict()
    # solve: fit the linear head on codes exactly; fit: Keras training;
    # auto: solve where the head and the phase allow it.
    phase.method = "fit"
    # 0 skips the phase; "auto" = as many steps as the number of images asks
    # for (training/epoch_rule.py), the same in every trial of a search.
    phase.epochs = FieldReference(0, field_type=object)
    # First layer that trains, with all after it: none | all | LAYER | stageN |
    # -20 (last layers with weights) | 0.3 (share of parameters).
    phase.trainable_from = "none"
    phase.batch_norm = "frozen"  # frozen | adapt | train
    phase.augment = False  # train on changed views of the images
    phase.batch_size = 32  # images a step
    phase.label_smoothing = 0.0  # of softmax and sigmoid, not of svm heads
    # Directory of a finished run that teaches this phase: its probabilities,
    # softened by a temperature, are a share of the targets (distillation).
    phase.teacher = ""
    phase.teacher_share = 0.5  # of its probabilities in the targets
    phase.teacher_temperature = 1.0  # its logits are divided by this
    phase.optimizer = "adamw"  # of groups without one of their own
    # Of the head; groups multiply it. "auto" finds it by a range test.
    phase.learning_rate = FieldReference(1e-3, field_type=object)
    phase.weight_decay = 0.0  # decoupled; never on biases and normalisation
    phase.momentum = 0.9  # of sgd and rmsprop
    phase.clipnorm = placeholder(float)  # of each variable's gradient
    phase.global_clipnorm = placeholder(float)  # over all groups together
    phase.schedule = "constant"  # of all rates; see schedule_args
    phase.schedule_args = schedule_section()
    phase.layer_decay = placeholder(float)  # multiplier per stage downwards
    phase.groups = ConfigDict()
    phase.groups.head = group_section(1.0, "head")
    phase.groups.upper = group_section(0.1, "auto")
    phase.groups.lower = group_section(0.01, "auto")
    phase.early_stopping_patience = placeholder(int)  # epochs
    phase.reduce_on_plateau_patience = placeholder(int)  # epochs
    phase.reduce_on_plateau_factor = 0.1  # multiplies the rates then
    # Ends the phase when the loss passes this multiple of the initial loss.
    phase.divergence_factor = 3.0
    # Strengths tried by solve: 10**low .. 10**high, on standardised codes.
    phase.solve_log10_l2 = (-1.0, 4.0)
    phase.solve_num_strengths = 11  # evenly spaced in the logarithm
    phase.solver = "batched"  # batched (all strengths at once) | sklearn
    return phase


def schedule_section() -> ConfigDict:
    """Returns the constants of the schedules; each uses those it names."""
    args = ConfigDict()
    # cosine; "auto" = a twelfth of the phase.
    args.warmup_epochs = FieldReference("auto", field_type=object)
    args.drop_every_epochs = 10.0  # step
    args.drop_factor = 0.1  # step
    args.decay_per_epoch = 0.97  # exponential
    args.time_constant_epochs = 5.0  # inverse_time, natural_exp
    args.final_fraction = 0.01  # cosine, one_cycle: of the peak rate
    return args


def features_section() -> ConfigDict:
    """Returns how the frozen part is computed; see docs/architecture.md."""
    features = ConfigDict()
    # Augmented copies of an image that a phase goes round, so that they can be
    # cached; None = a new one each epoch, computed live.
    features.num_views = placeholder(int)
    features.cache = "auto"  # auto | on | off; changes speed only
    features.storage = "float32"  # float32 | float16, on disk
    # Folder where codes are kept, and where those that were computed elsewhere
    # are found; "" = below the cache folder.
    features.store = ""
    # Of one phase; None = half of the free disk. Larger ones run live.
    features.max_cache_bytes = placeholder(int)
    # Where solving would hold more, every step reads the codes again; None =
    # half of the machine's memory. solver=sklearn holds them all.
    features.max_memory_bytes = placeholder(int)
    # auto = the run's own; bfloat16 is used if it passes a check against
    # float32 on the training images.
    features.precision = "auto"  # auto | float32 | bfloat16
    return features


def tuning_section() -> ConfigDict:
    """Returns how `tlkeras tune` searches; see docs/tuning.md."""
    tuning = ConfigDict()
    # Field -> "LOW:HIGH[:log|linear|int]" or "a|b|c", nested like the config:
    # config.tuning.space = {"model": {"head_l2": "1e-6:10:log"}}; on the
    # command line --space=FIELD=RANGE, repeatable. Empty = a default space.
    tuning.space = ConfigDict()
    # codes: heads on cached codes, many at once; full: each trial a process
    # that trains the whole config; auto: codes where the space allows it.
    tuning.mode = "auto"
    tuning.oracle = "random"  # random | bayesian | hyperband
    # In all; None = 100 on codes, 20 in full mode. Hyperband counts by itself.
    tuning.num_trials = placeholder(int)
    # Of random search: the first is coarse; each later one shrinks the ranges
    # around the best region and trains for the phase's own epochs.
    tuning.stages = 2
    tuning.coarse_epochs = 5  # of the searched phases in the first stage
    tuning.max_seconds = placeholder(float)  # wall clock; None = no limit
    tuning.patience = placeholder(int)  # trials without a new best; None = all
    tuning.noise_seeds = 3  # trainings of one point, for the noise floor
    tuning.final_trials = 3  # of the best, trained again
    tuning.final_seeds = 3  # trainings of each of them
    # Train the winner and the config as given, and compare them.
    tuning.compare = True
    # Whether those two go on through the phases after the searched one; codes
    # mode searches the first phase only.
    tuning.later_phases = False
    # Of one trial in full mode; a trial that passes a limit is ended.
    tuning.max_trial_seconds = placeholder(float)
    tuning.max_trial_bytes = placeholder(int)  # resident memory
    # Worker processes on this machine, full mode; 0 = trials one by one here.
    tuning.workers = 0
    tuning.port = 0  # of the chief for its workers; 0 = a free one
    return tuning


def get_config() -> ConfigDict:
    """Returns the defaults, locked against unknown fields."""
    config = ConfigDict()
    # fast | balanced | accurate: as a flag it fills in the fields of its row in
    # presets.py that no other flag names; in Python call apply_preset().
    config.preset = ""
    config.seed = 0  # of weights, order, augmentation and dropout
    # Networks of the seeds seed, seed + 1, ... that share what no phase trains,
    # and answer as one.
    config.ensemble = 1
    config.data = data_section()
    config.model = model_section()

    config.phases = ConfigDict()
    config.phases.phase_order = ("linear_probe", "fine_tune")  # as run
    probe = phase_section()
    probe.method = "auto"
    probe.epochs = "auto"
    fine_tune = phase_section()
    fine_tune.epochs = "auto"
    fine_tune.trainable_from = "stage3"
    fine_tune.learning_rate = CHANGED[RATE][0]
    fine_tune.augment = True
    fine_tune.label_smoothing = 0.1
    fine_tune.schedule = "cosine"
    config.phases.linear_probe = probe
    config.phases.fine_tune = fine_tune

    config.features = features_section()

    config.checks = ConfigDict()
    config.checks.enabled = True  # the cheap ones, before training
    config.checks.strict = True  # a failed check stops the run

    config.tuning = tuning_section()

    config.evaluation = ConfigDict()
    config.evaluation.batch_size = 32  # images at once
    config.evaluation.bootstrap_samples = 1000  # behind each interval
    # Divide the logits by a temperature that is fitted on validation, in the
    # model itself, so that its scores are probabilities.
    config.evaluation.calibrate = True
    config.evaluation.calibration_bins = 15  # of the expected calibration error
    # Points between the weights before a fitted phase (0) and its own (1) that
    # are tried beside its own (WiSE-FT); the lowest log loss on validation is
    # taken.
    config.evaluation.wise_ft = ()
    # A later phase replaces an earlier one up to this one-sided p: that its log
    # loss on validation is not the lower one. 0.95 = unless it surely is the
    # higher one, 0.5 = where it is lower, 0.05 = where it surely is. A phase
    # that max_seconds cut short must have the lower one (at most 0.5 there).
    config.evaluation.replace_p_value = CHANGED[P_VALUE][0]
    config.evaluation.test_at_end = True  # one look, when all is decided

    config.report = ConfigDict()
    config.report.enabled = True  # train ends with report.html
    # For the header of MODEL_CARD.md: of the model, as model hubs name it
    # (apache-2.0, cc-by-4.0, ...); "" = not stated.
    config.report.license = ""
    config.report.language = "en"  # of the class names

    # `tlkeras export`; its flags win over these.
    config.export = ConfigDict()
    # saved_model; for LiteRT float32 | float16 | dynamic | int8, or tflite for
    # these four, and int16x8; onnx; openvino.
    config.export.formats = ("saved_model", "tflite")
    # Largest drop in accuracy against Keras that a file may cost.
    config.export.max_drop = 0.01
    config.export.num_calibration_images = 200  # of the training split, int8

    config.runtime = ConfigDict()
    config.runtime.precision = "auto"  # mixed_float16 on accelerators
    # Of the frozen part: auto (the fastest exact one) | keras | openvino.
    config.runtime.engine = "auto"
    config.runtime.deterministic = True  # exact resuming
    config.runtime.num_workers = placeholder(int)  # None = one per core
    # On which phases are fitted: one | all (of this machine) | workers
    # (processes that TF_CONFIG names; experimental). Results are the same
    # without dropout and with batch_norm frozen or adapt.
    config.runtime.devices = "one"
    config.runtime.tensorboard = True  # event files of each epoch
    # Of wall clock, from start to report; 0 = no limit. Epochs, and then the
    # layers that train, are cut to fit it before each phase.
    config.runtime.max_seconds = 0.0
    config.lock()
    return config
