"""How transferable the features of each depth are.

Yosinski et al. 2014 (How transferable are features in deep neural networks?):
networks whose lower part comes from the target's own base (BnB) or from that
of other classes (AnB), frozen or, marked +, fine-tuned. BnB below the base
shows layers that trained together and cannot be parted; AnB below BnB shows
features that are specific to their classes.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.config.validate import validate
from tlkeras.console import Console
from tlkeras.data.load import load_configured
from tlkeras.locks import sole_use
from tlkeras.studies.transfer_curves import summarize
from tlkeras.studies.transfer_networks import (
    NETWORK_KINDS,
    Network,
    choose_cuts,
    describe_cuts,
    plan_networks,
)
from tlkeras.studies.transfer_protocol import (
    StudyOptions,
    choose_halves,
    keep_protocol,
    make_protocol,
    require_random,
)
from tlkeras.studies.transfer_trainer import NetworkTrainer, Study
from tlkeras.studies.transfer_training import StudySettings, TrainedNetwork
from tlkeras.studies.transfer_workers import (
    count_workers,
    train_here,
    train_in_workers,
)
from tlkeras.training.build import set_up_model

NETWORKS = "networks"  # folder of one file a network


def run_transferability(
    config: ConfigDict,
    directory: Path | str,
    *,
    options: StudyOptions | None = None,
    settings: StudySettings | None = None,
    console: Console | None = None,
) -> dict[str, Any]:
    """Measures AnB, AnB+, BnB and BnB+ over cuts; goes on where it ended.

    Args:
        config: Its `data`, `model` and `runtime` sections and its seed count;
            `config/transferability.py` has the command's own.
        directory: Where `transferability.json`, and one file a network, are
            written.
        options: What is compared; None = the defaults.
        settings: How networks are trained; None = the defaults.
        console: For progress; None is quiet.

    Returns:
        What `transferability.json` holds.

    Raises:
        InputError: For unusable input.
    """
    options, settings = options or StudyOptions(), settings or StudySettings()
    console = console or Console(quiet=True)
    validate(config)
    require_random(config, options)
    set_up_model(config)
    dataset = load_configured(config, console=console)
    halves = choose_halves(dataset, options, config.seed)
    directory = Path(directory)
    study = Study(
        config, halves, settings, options.source, directory / NETWORKS
    )
    trainer = NetworkTrainer(study, dataset)
    backbone = trainer.template.backbone
    cuts = choose_cuts(backbone, options.cuts)
    protocol = make_protocol(config, dataset, halves, options, settings)
    workdir.require_own(directory, workdir.PROTOCOL, what="study of this kind")
    workdir.make_directory(directory / NETWORKS, what="work directory")
    with sole_use(directory):
        keep_protocol(directory / workdir.PROTOCOL, protocol)
        workdir.remove_leftovers(directory / NETWORKS)
        networks = plan_networks(halves, cuts, quick=options.quick)
        trained = _train_all(study, trainer, networks, console)
        rows = describe_cuts(backbone, cuts)
        accuracies = {n: found.accuracy for n, found in trained.items()}
        result = {
            "protocol": {
                **protocol,
                "backbone": backbone.name,
                "quick": options.quick,
                "halves": [dataclasses.asdict(half) for half in halves],
            },
            "cuts": rows,
            **summarize(accuracies, halves, rows),
            "networks": [_as_row(*pair) for pair in trained.items()],
        }
        workdir.write_json(directory / workdir.TRANSFERABILITY, result)
    return result


def _train_all(
    study: Study,
    trainer: NetworkTrainer,
    networks: Sequence[Network],
    console: Console,
) -> dict[Network, TrainedNetwork]:
    """Trains what is missing; each network has its file once it is done."""
    missing = [n for n in networks if trainer.read(n) is None]
    there = len(networks) - len(missing)
    if there:
        console.line(f"{there} networks are there")
    num_workers = count_workers(study)
    done = (
        train_in_workers(study, trainer, missing, num_workers)
        if missing and num_workers > 1
        else train_here(trainer, missing)
    )
    left = list(missing)
    seconds: dict[bool, list[float]] = {True: [], False: []}
    console.start("networks", len(networks))
    for network, took in done:
        left.remove(network)
        seconds[NETWORK_KINDS[network.kind].is_frozen].append(took)
        minutes = _seconds_left(left, seconds) / num_workers / 60
        number = len(networks) - len(left)
        trained = trainer.read(network)
        assert trained is not None
        console.line(
            f"{number} of {len(networks)}  {network.name}  "
            f"{trained.accuracy:.3f}  about {minutes:.1f} min left"
        )
        console.advance_to(number)
    console.stop()
    found = {network: trainer.read(network) for network in networks}
    return {n: stored for n, stored in found.items() if stored is not None}


def _seconds_left(
    networks: Sequence[Network], seconds: dict[bool, list[float]]
) -> float:
    """Returns an estimate; what has not run yet is taken for as slow."""
    known = [number for times in seconds.values() for number in times]
    return sum(
        float(np.median(seconds[NETWORK_KINDS[n.kind].is_frozen] or known))
        for n in networks
    )


def _as_row(network: Network, trained: TrainedNetwork) -> dict[str, Any]:
    return {
        "network": network.name,
        "kind": network.kind,
        "cut": network.cut,
        "seed": network.half.seed,
        "target": network.half.name,
        **dataclasses.asdict(trained),
    }


def format_transferability(result: dict[str, Any]) -> str:
    """Returns the table for people, and the sentences."""
    width = max(len(row["layer"]) for row in result["cuts"]) + 2
    curves = {**result["curves"], **result["contrasts"]}
    lines = [
        f"{'difference to base':<{width}}"
        + "".join(f"{name:>25}" for name in curves)
    ]
    for index, cut in enumerate(result["cuts"]):
        cells = "".join(f"{_cell(c[index]):>25}" for c in curves.values())
        lines.append(f"{cut['layer']:<{width}}{cells}")
    lines.append(
        f"base {result['base']:.3f}, base_long {result['base_long']:.3f}; "
        f"{result['num_pairs']} pairs, 95 % t-intervals over pairs"
    )
    return "\n".join([*lines, *result["sentences"]])


def _cell(point: dict[str, Any]) -> str:
    if point["interval"] is None:
        return f"{point['mean']:+.3f}"
    low, high = point["interval"]
    return f"{point['mean']:+.3f} [{low:+.3f}, {high:+.3f}]"
