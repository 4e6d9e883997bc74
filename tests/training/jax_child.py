"""A run on JAX, on one of two devices or on both, in a process of its own.

The backend and the number of devices are chosen before Keras is imported.
"""

import json
import os
import sys


def main(photos, directory, devices):
    os.environ["KERAS_BACKEND"] = "jax"
    import jax

    jax.config.update("jax_num_cpu_devices", 2)
    from tlkeras import train_and_evaluate
    from tlkeras.config import get_config

    config = get_config()
    config.update_from_flattened_dict(
        {
            "data.source": photos,
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
            "phases.fine_tune.global_clipnorm": 0.5,
            "runtime.devices": devices,
        }
    )
    result = train_and_evaluate(config, directory)
    print(json.dumps({"phases": len(result["phases"])}))


if __name__ == "__main__":
    main(*sys.argv[1:])
