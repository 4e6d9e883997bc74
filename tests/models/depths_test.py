from tlkeras.models.backbones import build_backbone
from tlkeras.models.depths import block_ends


def test_every_block_of_mobilenetv2_has_its_depth():
    ends = block_ends(build_backbone("MobileNetV2", image_size=96))
    for number in range(1, 17):
        (end,) = [x for x in ends if x.startswith(f"block_{number}_")]
        assert end.endswith(("_add", "_project_BN"))
    assert ends[0] == "Conv1_relu"
    assert len(ends) == 20
