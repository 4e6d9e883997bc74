"""`python -m tlkeras.studies.transfer_worker PARENT`: trains some networks.

Which ones, of which study, comes pickled on standard input, from the process
that started this one and with which it ends.
"""

import pickle
import sys

from tlkeras.processes import end_with_parent


def main() -> None:
    """Trains networks one after the other; each writes its own file."""
    from tlkeras.startup import begin_command, import_frameworks

    begin_command()
    import_frameworks()
    from tlkeras.data.load import load_configured
    from tlkeras.studies.transfer_trainer import NetworkTrainer
    from tlkeras.training.build import set_up_model

    study, networks = pickle.load(sys.stdin.buffer)
    set_up_model(study.config)
    trainer = NetworkTrainer(study, load_configured(study.config))
    for network in networks:
        trainer.keep(network)


if __name__ == "__main__":
    end_with_parent(int(sys.argv[1]))
    main()
