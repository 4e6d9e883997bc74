import pytest

from tlkeras.models.backbones import BACKBONES, SMALLEST, build_backbone
from tlkeras.models.depths import block_ends
from tlkeras.models.graph import frontiers, topological_layers


@pytest.mark.parametrize("name", sorted(SMALLEST.values()))
def test_one_tensor_carries_all_after_each_depth(name):
    size = max(32, BACKBONES[name].min_size)
    backbone = build_backbone(name, image_size=size)
    names = [layer.name for layer in topological_layers(backbone)]
    alive = dict(zip(names, frontiers(backbone), strict=True))
    ends = block_ends(backbone)
    assert len(ends) == len(set(ends)) >= 2
    assert [names.index(x) for x in ends] == sorted(map(names.index, ends))
    assert all(len(alive[end].after) == 1 for end in ends)
    assert ends[-1] == names[-1]
    first = backbone.get_layer(ends[0])
    assert first.output.shape[-1] > 3


def test_every_block_of_mobilenetv2_has_its_depth():
    ends = block_ends(build_backbone("MobileNetV2", image_size=96))
    for number in range(1, 17):
        (end,) = [x for x in ends if x.startswith(f"block_{number}_")]
        assert end.endswith(("_add", "_project_BN"))
    assert ends[0] == "Conv1_relu"
    assert len(ends) == 20
