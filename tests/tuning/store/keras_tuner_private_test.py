"""The private names of keras-tuner, against the version that is installed."""

import ast
import inspect
import re
from pathlib import Path

import keras_tuner
import pytest
from keras_tuner import oracles

from tlkeras import tuning
from tlkeras.tuning.plan import make_plan
from tlkeras.tuning.store import keras_tuner_private
from tlkeras.tuning.store.oracles import ORACLES, build_oracle

PACKAGE = Path(tuning.__file__).parent
FILE = Path(keras_tuner_private.__file__)
# Method -> the parameters with which it is called, or overridden.
METHODS = {
    "_compute_values_hash": ["values"],
    "_get_oracle_fname": [],
    "_get_trial_dir": ["trial_id"],
    "_random_values": [],
    "_record_values": ["trial"],
    "_save_trial": ["trial"],
    "_set_project_dir": ["directory", "project_name"],
}
ATTRIBUTES = {"_retry_queue", "_seed_state"}
# What is overridden elsewhere and has no underscore.
PUBLIC = {
    "populate_space": ["trial_id"],
    "reload": [],
    "save": [],
    "set_state": ["state"],
}
KINDS = [
    oracles.RandomSearchOracle,
    oracles.BayesianOptimizationOracle,
    oracles.HyperbandOracle,
]


def private_attributes(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            yield node.attr


def test_the_tables_here_hold_the_private_names_that_are_used():
    used = {n for n in private_attributes(FILE) if not n.startswith("__")}
    assert used == METHODS.keys() | ATTRIBUTES


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("name", sorted(METHODS | PUBLIC))
def test_methods_have_the_parameters_that_are_assumed(kind, name):
    parameters = list(inspect.signature(getattr(kind, name)).parameters)
    assert parameters == ["self", *(METHODS | PUBLIC)[name]]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_attributes_are_there(kind):
    assert vars(kind("val_accuracy")).keys() >= ATTRIBUTES


def test_what_keras_tuner_writes_and_hashes_goes_through_our_methods(
    search_config, tmp_path
):
    """The hooks are called by keras-tuner itself, not by us alone."""
    search_config.tuning.oracle = "bayesian"
    plan = make_plan(search_config, {"model.head_l2": "1e-6:1:log"})
    oracle = build_oracle(plan, tmp_path)
    written, compared = [], []
    oracle.write_trial = lambda trial: written.append(trial.trial_id)
    oracle.compared_values = lambda values: compared.append(values) or values
    trial = oracle.create_trial("tuner0")
    assert written == [trial.trial_id]
    assert trial.hyperparameters.values in compared


def test_the_servicer_and_the_client_are_there():
    from keras_tuner.src import protos
    from keras_tuner.src.distribute import oracle_chief, oracle_client

    service = protos.get_service_grpc()
    assert callable(service.add_OracleServicer_to_server)
    servicer = oracle_chief.OracleServicer(oracle=None)
    assert servicer.stop_triggered is False
    parameters = inspect.signature(oracle_client.OracleClient).parameters
    assert list(parameters) == ["oracle"]
    names = ("create_trial", "update_trial", "end_trial", "get_space")
    assert all(hasattr(oracle_client.OracleClient, name) for name in names)


def test_nobody_is_left_when_no_trial_runs_and_no_worker_will_ask():
    oracle = keras_tuner.Oracle("val_accuracy")
    assert keras_tuner_private.have_all_left(oracle)
    oracle.tuner_ids.add("worker0")
    assert not keras_tuner_private.have_all_left(oracle)


def test_no_other_file_uses_a_private_name():
    private = {
        name
        for kind in KINDS
        for name in (*dir(kind), *vars(kind("val_accuracy")))
        if name.startswith("_") and not name.startswith("__")
    }
    assert private >= METHODS.keys() | ATTRIBUTES
    for path in PACKAGE.rglob("*.py"):
        if path == FILE:
            continue
        assert not private & set(private_attributes(path)), path
        assert not re.search(r"keras_tuner\.src", path.read_text()), path


def test_every_kind_of_oracle_reaches_what_is_private(search_config, tmp_path):
    for kind in ORACLES:
        search_config.tuning.oracle = kind
        plan = make_plan(search_config, {"model.head_l2": "1e-6:1:log"})
        oracle = build_oracle(plan, tmp_path / kind)
        assert oracle.state_file == tmp_path / kind / "tuning" / "oracle.json"
        assert oracle.lost_trials == []
