"""Every private name of keras-tuner that a search needs, under a public one.

A test holds them against the installed version. No other file may use one.
"""

from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial

from tlkeras.tuning.space.hyperparameters import Values


class OpenOracle(keras_tuner.Oracle):
    """keras-tuner's oracle, whose files, queue and draws can be reached.

    First among the bases, before an oracle of keras-tuner's.
    """

    def set_folder(self, directory: Path, name: str) -> None:
        """Says where the oracle keeps its files: `DIRECTORY/NAME`."""
        self._set_project_dir(str(directory), name)

    @property
    def state_file(self) -> Path:
        """File of the oracle's state."""
        return Path(self._get_oracle_fname())

    def trial_file(self, trial_id: str) -> Path:
        """Returns the file of a trial; its folder exists by then."""
        return Path(self._get_trial_dir(trial_id)) / "trial.json"

    @property
    def lost_trials(self) -> list[str]:
        """Ids of trials to run again, the last one first."""
        return self._retry_queue

    @lost_trials.setter
    def lost_trials(self, trial_ids: list[str]) -> None:
        self._retry_queue = trial_ids

    def take_note(self, trial: Trial) -> None:
        """Notes that the values of a trial are tried."""
        self._record_values(trial)

    def skip_draws(self, count: int) -> None:
        """Goes on as if values had been drawn so many times."""
        self._seed_state += count

    def draw_values(self) -> Values | None:
        """Returns values not tried before; None where it finds none."""
        return self._random_values()

    def write_trial(self, trial: Trial) -> None:
        """Writes the file of a trial, whenever keras-tuner wants it."""
        super()._save_trial(trial)

    def compared_values(self, values: Values) -> Values:
        """Returns the values that tell one trial from another."""
        return values

    def _save_trial(self, trial: Trial) -> None:
        self.write_trial(trial)

    def _compute_values_hash(self, values: Values) -> str:
        return super()._compute_values_hash(self.compared_values(values))


def add_servicer(oracle: keras_tuner.Oracle, server: Any) -> Any:
    """Lets a gRPC server answer for an oracle, as keras-tuner's chief does.

    Args:
        oracle: To serve.
        server: Of `grpc.server`.

    Returns:
        The servicer; `stop_triggered` says that a worker was told to stop.
    """
    from keras_tuner.src import protos
    from keras_tuner.src.distribute.oracle_chief import OracleServicer

    servicer = OracleServicer(oracle)
    protos.get_service_grpc().add_OracleServicer_to_server(servicer, server)
    return servicer


def have_all_left(oracle: keras_tuner.Oracle) -> bool:
    """Says whether no worker runs a trial or will ask for one."""
    from keras_tuner.src.distribute.oracle_chief import exit_chief

    return bool(exit_chief(oracle))


def connect(oracle: keras_tuner.Oracle) -> Any:
    """Returns the chief's oracle as a worker reaches it.

    Args:
        oracle: One of the same kind as the chief's.
    """
    from keras_tuner.src.distribute.oracle_client import OracleClient

    return OracleClient(oracle)
