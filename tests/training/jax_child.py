"""A run on JAX, on one of two devices or on both, in a process of its own.

The backend and the number of devices are chosen before Keras is imported.
"""

import json
import os
import sys

from small_run_fields import SMALL_RUN


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
            **SMALL_RUN,
            "phases.fine_tune.global_clipnorm": 0.5,
            "runtime.devices": devices,
        }
    )
    result = train_and_evaluate(config, directory)
    print(json.dumps({"phases": len(result["phases"])}))


if __name__ == "__main__":
    main(*sys.argv[1:])
