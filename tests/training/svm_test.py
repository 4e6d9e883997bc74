"""An SVM of scikit-learn, and the Keras head that carries its coefficients."""

import keras
import numpy as np

from tlkeras import workdir
from tlkeras.data.load import load_configured
from tlkeras.data.pipeline import decode_split
from tlkeras.evaluation.run import load_run
from tlkeras.linear.solvers import standardize
from tlkeras.training.code_table import compute_codes
from tlkeras.training.trainer import train_and_evaluate


def test_the_head_answers_like_the_svm(small_config, tmp_path, monkeypatch):
    from sklearn.svm import LinearSVC

    monkeypatch.setenv("TLKERAS_CACHE", str(tmp_path / "cache"))
    small_config.model.head = "svm"
    small_config.checks.enabled = False
    small_config.evaluation.test_at_end = False
    small_config.phases.fine_tune.epochs = 0
    small_config.phases.linear_probe.solver = "sklearn"
    small_config.phases.linear_probe.solve_num_strengths = 3
    result = train_and_evaluate(small_config, tmp_path / "run")
    table = compute_codes(small_config)
    train = np.array(table.splits) == "train"
    _, mean, scale = standardize(table.codes[train])
    codes = (table.codes - mean) / scale
    svm = LinearSVC(
        C=1 / result["phases"][0]["l2"],
        dual="auto",
        max_iter=5000,
        random_state=0,
    ).fit(codes[train].astype(np.float64), np.array(table.labels)[train])
    expected = svm.predict(codes)

    model = load_run(tmp_path / "run").model
    dataset = load_configured(small_config, tmp_path / "run")
    images = np.concatenate(
        [
            decode_split(split, (32, 32), num_workers=2)
            for split in dataset.splits.values()
        ]
    )
    logits = model.predict(images.astype(np.float32), verbose=0)
    answers = np.array(dataset.class_names)[logits.argmax(1)]
    assert list(answers) == list(expected)
    assert keras.saving.load_model(tmp_path / "run" / workdir.MODEL)
