"""The quick start's phases, fitted, on half a narrow network.

Apart from the scripts that train it: each chooses its devices, or its backend,
before anything of Keras is imported.
"""

SMALL_RUN = {
    "model.backbone": "MobileNet",
    "model.alpha": 0.25,
    "model.image_size": 32,
    "model.weights": "letters",
    "model.features_from": "conv_pw_6_relu",
    "model.dropout": 0.0,
    "evaluation.bootstrap_samples": 50,
    "evaluation.replace_p_value": 1.0,
    "phases.linear_probe.method": "fit",
    "phases.linear_probe.epochs": 2,
    "phases.linear_probe.batch_size": 16,
    "phases.fine_tune.epochs": 2,
    "phases.fine_tune.batch_size": 16,
    "phases.fine_tune.trainable_from": "stage4",
}
