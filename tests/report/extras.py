"""Changes run directories: what other commands add, what older ones lack."""

import numpy as np

from tlkeras import workdir
from tlkeras.exporters.records import ExportRecord, ExportRow, Measurement


def write_extras(directory):
    """Adds what other commands and checks leave in a run directory."""
    workdir.write_json(
        directory / workdir.CHECKS,
        [
            {
                "name": "initial_loss",
                "verdict": verdict,
                "value": value,
                "expected": 2.3,
                "message": f"<i>It {verdict}s.",
                "seconds": 0.1,
            }
            for verdict, value in (
                ("pass", 2.31),
                ("warn", "high"),
                ("fail", 9.0),
                ("skip", None),
            )
        ],
    )
    finding = {
        "name": "overfitting",
        "phase": "fine_tune",
        "severity": "warn",
        "message": "Training passes <validation>.",
        "evidence": {"gap": 9.4, "group": "head"},
        "change": "Add weight decay.",
        "flag": "--config.phases.fine_tune.weight_decay=0.01",
    }
    workdir.write_json(
        directory / workdir.DIAGNOSIS,
        {"findings": [{**finding, "severity": "info"}, finding]},
    )
    rates = np.geomspace(1e-6, 10, 40).tolist()
    losses = [2.3] * 20 + [1.0] * 18 + [float("nan"), float("inf")]
    workdir.write_json(
        directory / workdir.LR_FINDER,
        {
            "fine_tune": {
                "rates": rates,
                "losses": losses,
                "smoothed": losses,
                "suggestions": {"valley": 1e-3, "steepest": None},
                "rule": "valley",
                "learning_rate": 1e-3,
                "regions": [
                    {"name": "barely changes", "low": 1e-6, "high": 1e-4},
                    {"name": "learns", "low": 1e-4, "high": 0.1},
                ],
                "initial_loss": 2.3,
                "stopped": "the loss passed 3 times the initial one",
                "groups": {"head": 1.0, "upper": 0.1},
            }
        },
    )
    trials = [
        {
            "values": {"a.learning_rate": 10.0**-i, "a.decay": 10.0 ** (i - 6)},
            "val_accuracy": 0.9 - 0.1 * i,
            "status": "completed",
            "reason": "",
        }
        for i in range(1, 5)
    ]
    trials[3] |= {"val_accuracy": None, "status": "diverged", "reason": "x"}
    workdir.write_json(
        directory / workdir.TUNING,
        {
            "metric": "val/top_1_accuracy",
            "num_trials": 4,
            "trials": trials,
            "best": 0,
            "noise_floor": 0.016,
            "space": {
                "a.learning_rate": "1e-05:1:log",
                "a.decay": "1e-06:0.01:log",
            },
        },
    )
    workdir.write_json(directory / workdir.EXPORT, make_export().as_dict())


def make_export():
    """An export of two formats, one of which could not be written."""
    measured = Measurement(
        num_bytes=2_000_000,
        is_finite=True,
        accuracy=0.9,
        accuracy_interval=(0.8, 1.0),
        drop=0.001,
        drop_interval=(-0.01, 0.01),
        num_disagreements=1,
        mcnemar_p=1.0,
        largest_probability_shift=0.1,
        worst_class="china",
        worst_class_drop=0.01,
        latency_p50_ms=2.0,
        latency_p99_ms=3.0,
        note="",
        operators=["Conv2D"],
    )
    return ExportRecord(
        name="photos",
        version=1,
        run="runs/photos",
        config_hash="0" * 8,
        split="validation",
        num_images=60,
        max_drop=0.01,
        keras_accuracy=0.9,
        formats={
            "saved_model": ExportRow("1", "", measured, "", 1.0),
            "onnx": ExportRow("", "<onnx> is not installed", None, "", 0.1),
        },
    )


def make_older(directory):
    """Takes away what the first version did not write."""
    for name in (workdir.CODES, workdir.FILTERS):
        (directory / name).unlink()
    for split in ("validation", "test"):
        (directory / workdir.predictions_name(split)).unlink()


def make_few_codes(directory):
    """Leaves codes that have no picture."""
    codes = np.full((9, 4), np.nan, np.float16)
    np.savez(directory / workdir.CODES, codes=codes, labels=np.array(["a"] * 9))
