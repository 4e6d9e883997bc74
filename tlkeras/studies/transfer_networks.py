"""Which networks a transferability study trains, and where it cuts."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras

from tlkeras.errors import InputError
from tlkeras.models.depths import block_ends
from tlkeras.models.graph import layer_stages, topological_layers
from tlkeras.studies.class_halves import Half
from tlkeras.tables import lookup, suggest


@dataclasses.dataclass(frozen=True)
class NetworkKind:
    """How the networks of one curve begin and train.

    Attributes:
        lower: Whose layers lie below the cut: `own` (the base of the same
            half), `other`, or `none`: all is initial.
        upper: What lies above it: `initial`, or `own`.
        is_frozen: Whether what is below the cut stays as it is.
        is_quick: Whether --quick trains it.
    """

    lower: str
    upper: str
    is_frozen: bool
    is_quick: bool


# Yosinski et al. 2014, section 2; `base_long` has the steps of the + kinds.
NETWORK_KINDS = {
    "base": NetworkKind("none", "initial", False, True),
    "base_long": NetworkKind("own", "own", False, True),
    "BnB": NetworkKind("own", "initial", True, True),
    "AnB": NetworkKind("other", "initial", True, True),
    "BnB+": NetworkKind("own", "initial", False, False),
    "AnB+": NetworkKind("other", "initial", False, False),
}
BASES = ("base", "base_long")
CURVES = tuple(name for name in NETWORK_KINDS if name not in BASES)


@dataclasses.dataclass(frozen=True)
class Network:
    """One network to train.

    Attributes:
        half: The target.
        kind: Key of `NETWORK_KINDS`.
        cut: Last layer of the lower part; "" for the bases.
    """

    half: Half
    kind: str
    cut: str = ""

    @property
    def name(self) -> str:
        """Of its files."""
        parts = [f"seed{self.half.seed}", self.half.name, self.kind, self.cut]
        return "-".join(part for part in parts if part)


def plan_networks(
    halves: Sequence[Half], cuts: Sequence[str], *, quick: bool
) -> list[Network]:
    """Returns all networks, in the order in which they are trained.

    Bases come first, since all others begin with them; then what shares a
    graph stands together.

    Args:
        halves: The targets.
        cuts: Layers.
        quick: Leave out what trains all layers after a transfer.
    """
    bases = [Network(half, kind) for kind in BASES for half in halves]
    kinds = [k for k in CURVES if NETWORK_KINDS[k].is_quick or not quick]
    members = [
        Network(half, kind, cut)
        for cut in cuts
        for kind in kinds
        for half in halves
    ]
    members.sort(key=lambda network: _shared(network, cuts))
    return bases + members


def _shared(network: Network, cuts: Sequence[str]) -> tuple[Any, ...]:
    """Returns what networks share that should stand together."""
    kind, half = NETWORK_KINDS[network.kind], network.half
    owner = half.name if kind.lower == "own" else half.other
    return not kind.is_frozen, cuts.index(network.cut), half.seed, owner


def default_cuts(backbone: keras.Model) -> list[str]:
    """Returns the ends of all stages but the stem, and a middle.

    The middle is that of the stage with most blocks. The stem's end is left
    out: a cut there shows noise only.

    Args:
        backbone: A functional model.
    """
    stage_of = _stages_by_layer(backbone)
    by_stage: dict[int, list[str]] = {}
    for name in block_ends(backbone):
        by_stage.setdefault(stage_of[name], []).append(name)
    stages = list(by_stage.values())
    stages = stages[1:] or stages
    longest = max(stages, key=len)
    middle = longest[(len(longest) - 1) // 2]
    chosen = {middle, *(stage[-1] for stage in stages)}
    return [name for name in block_ends(backbone) if name in chosen]


def choose_cuts(backbone: keras.Model, named: Sequence[str]) -> list[str]:
    """Returns named cuts from the stem to the top, or the default ones.

    Raises:
        InputError: For one that is no end of a block.
    """
    ends = block_ends(backbone)
    for name in named:
        if name not in ends:
            raise InputError(
                f"--cuts names '{name}', which ends no block of "
                f"{backbone.name}.{suggest(name, ends)} Expected some of: "
                f"{', '.join(ends)}."
            )
    chosen = [name for name in ends if name in named]
    return chosen or default_cuts(backbone)


def describe_cuts(
    backbone: keras.Model, cuts: Sequence[str]
) -> list[dict[str, str | int]]:
    """Returns each cut with its stage and the number of layers below it."""
    names = [layer.name for layer in topological_layers(backbone)]
    stage_of = _stages_by_layer(backbone)
    return [
        {
            "layer": name,
            "stage": lookup(stage_of, name, what="layer"),
            "layers_below": names.index(name) + 1,
        }
        for name in cuts
    ]


def _stages_by_layer(backbone: keras.Model) -> dict[str, int]:
    names = [layer.name for layer in topological_layers(backbone)]
    return dict(zip(names, layer_stages(backbone), strict=True))
