"""Layer groups: which layers share an optimizer and a learning rate.

By default two groups besides the head: `upper` is the last stage (highest
output stride; the upper third of a transformer), `lower` is all below it. The
lecture's rule gives the head the full rate, upper layers a tenth, intermediate
layers a hundredth.
"""

import dataclasses
from collections.abc import Mapping

import keras

from tlkeras.errors import InputError
from tlkeras.models.cutoffs import find_cutoff
from tlkeras.models.depths import depth_sections, upper_start
from tlkeras.models.graph import topological_layers

HEAD = "head"


@dataclasses.dataclass(frozen=True)
class LayerGroup:
    """Trainable layers that share an optimizer.

    Attributes:
        name: Of the group; `head`, `upper`, `lower`, `stageN`, a block, or the
            user's.
        layers: Keras layers that own trainable variables.
    """

    name: str
    layers: tuple[keras.layers.Layer, ...]

    @property
    def variables(self) -> list[keras.Variable]:
        """The trainable variables of the group's layers."""
        return [v for layer in self.layers for v in layer.trainable_variables]


def group_layers(
    backbone: keras.Model,
    head_layers: list[keras.layers.Layer],
    starts: Mapping[str, str],
) -> list[LayerGroup]:
    """Divides the trainable layers into the head and backbone groups.

    A backbone layer belongs to the group that starts last at or before it.

    Args:
        backbone: With `trainable` set.
        head_layers: Layers above the backbone.
        starts: Group name -> where it starts, as for `trainable_from`, or
            `auto`: the default places of `upper` and `lower`; such a group may
            turn out empty and is then left out.

    Returns:
        Groups with at least one trainable variable: head, then downwards.

    Raises:
        InputError: If an explicitly placed group holds no trainable layer, or
            a trainable layer lies below all groups.
    """
    layers = topological_layers(backbone)
    places = {
        name: _start_index(backbone, name, start)
        for name, start in starts.items()
        if name != HEAD
    }
    members: dict[str, list[keras.layers.Layer]] = {name: [] for name in places}
    for index, layer in enumerate(layers):
        if not layer.trainable_variables:
            continue
        below = {name: at for name, at in places.items() if at <= index}
        if not below:
            raise InputError(
                f"The trainable layer '{layer.name}' lies below every layer "
                "group; expected groups that cover all trainable layers: let "
                "one group start at 'all'."
            )
        members[max(below, key=lambda name: below[name])].append(layer)
    for name, start in starts.items():
        if name != HEAD and start != "auto" and not members[name]:
            raise InputError(
                f"The layer group '{name}' (starts_at='{start}') matches no "
                "trainable layer; expected at least one: move its start or "
                "lower trainable_from."
            )
    ordered = sorted(members, key=lambda name: -places[name])
    return [
        LayerGroup(
            HEAD, tuple(x for x in head_layers if x.trainable_variables)
        ),
        *(LayerGroup(n, tuple(members[n])) for n in ordered if members[n]),
    ]


def _start_index(backbone: keras.Model, name: str, start: str) -> int:
    if start != "auto":
        return find_cutoff(backbone, start, what=f"groups.{name}.starts_at")
    if name == "lower":
        return 0
    if name == "upper":
        return upper_start(backbone)
    raise InputError(
        f"The layer group '{name}' has starts_at='auto', which only 'upper' "
        "and 'lower' know; expected a layer, stageN, -20, 0.3 or all."
    )


def section_group_starts(backbone: keras.Model) -> dict[str, str]:
    """Returns a group for each part by depth, from the top, for layer decay.

    Those are stages, or the blocks of a network of one resolution. Only those
    with a trainable layer count.

    Returns:
        Name of a group -> where it starts, as for `group_layers`.

    Reference:
        Bao et al., BEiT, 2022, appendix (layer-wise learning rate decay).
    """
    sections = depth_sections(backbone)
    layers = topological_layers(backbone)
    ends = [*list(sections.values())[1:], len(layers)]
    groups = {}
    for (start, begin), end in zip(sections.items(), ends, strict=True):
        if any(layer.trainable_variables for layer in layers[begin:end]):
            groups["stage0" if start == "all" else start] = start
    return dict(reversed(groups.items()))
