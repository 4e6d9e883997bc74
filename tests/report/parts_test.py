"""The parts of the report, each by itself."""

import io
import itertools

import numpy as np
import pytest
from absl import flags
from ml_collections import config_flags
from PIL import Image, UnidentifiedImageError

from tlkeras.checks.input_contract import decode_reference
from tlkeras.config import defaults, get_config
from tlkeras.data.inspection import inspect_file
from tlkeras.data.perceptual_hash import is_same_picture
from tlkeras.evaluation.phase_details import GroupRow, PhaseDetails
from tlkeras.report.classes import find_pairs
from tlkeras.report.command import list_flags
from tlkeras.report.curves import phase_spans, plot_groups, plot_pair
from tlkeras.report.embedding import MAX_TSNE_POINTS, embed_codes
from tlkeras.report.filters import draw_filters
from tlkeras.report.headline import wilson_interval
from tlkeras.report.ledger import REASON_KINDS, name_kind
from tlkeras.report.mistakes import find_mistakes
from tlkeras.report.network import draw_blocks, list_blocks
from tlkeras.report.thumbnails import make_thumbnail


def parse(arguments):
    """Returns the config that the command line makes of flags."""
    values = flags.FlagValues()
    argv = ["tlkeras", *arguments]
    config_flags.DEFINE_config_file(
        "config", defaults.__file__, flag_values=values, sys_argv=argv
    )
    values(argv)
    return values["config"].value


def test_the_command_makes_the_same_config_again():
    config = get_config()
    config.seed = 3
    config.data.split = (0.2, 0.3, 0.5)
    config.data.images_per_class = 10
    config.data.augment.horizontal_flip = False
    config.model.hidden_units = (64,)
    config.model.weights = "/a path/with 'quotes'.h5"
    config.phases.fine_tune.learning_rate = 1.25e-5
    config.phases.fine_tune.groups.lower.learning_rate = 1e-7
    config.phases.fine_tune.schedule_args.warmup_epochs = 0.5
    config.phases.phase_order = ("fine_tune",)
    config.export.formats = ("saved_model", "onnx")
    arguments, unsaid = list_flags(config)
    assert unsaid == []
    assert parse(arguments).to_dict() == config.to_dict()


def test_the_defaults_need_no_flag():
    assert list_flags(get_config()) == ([], [])


def test_what_flags_cannot_say_is_named():
    config = get_config()
    with config.unlocked():
        config.phases.third = (
            config.phases.fine_tune.copy_and_resolve_references()
        )
        config.phases.fine_tune.groups.stem = {"starts_at": "all"}
    arguments, unsaid = list_flags(config)
    assert unsaid == ["phases.fine_tune.groups.stem", "phases.third"]
    assert arguments == []


def test_pairs_are_counted_off_the_diagonal():
    matrix = np.array([[9, 4, 0], [1, 9, 0], [0, 2, 0]])
    pairs = find_pairs(matrix, ["a", "b", "c"])
    assert [(p.truth, p.taken_for, p.count) for p in pairs] == [
        ("a", "b", 4),
        ("c", "b", 2),
        ("b", "a", 1),
    ]
    assert sum(p.count for p in pairs) == matrix.sum() - matrix.trace()
    assert pairs[1].share == 1.0


def test_mistakes_come_surest_first_and_know_several_labels():
    rows = [
        {"label": "a|b", "predicted": "b", "probability": "0.9"},
        {"label": "a|b", "predicted": "c", "probability": "0.5"},
        {"label": "a", "predicted": "b", "probability": "0.8"},
        {"label": "x|y", "predicted": "x|y", "probability": "1.0"},
    ]
    found = find_mistakes([{"path": "a.jpg", **row} for row in rows])
    assert [mistake.predicted for mistake in found] == ["b", "c"]


@pytest.mark.parametrize(("hits", "count"), [(0, 5), (5, 5), (37, 60), (1, 1)])
def test_an_interval_holds_its_share_and_shrinks_with_images(hits, count):
    low, high = wilson_interval(hits, count)
    assert 0 <= low <= hits / count <= high <= 1
    more_low, more_high = wilson_interval(100 * hits, 100 * count)
    assert more_high - more_low < high - low


def make_clusters(num_points, num_codes=40):
    rng = np.random.default_rng(0)
    labels = np.arange(num_points) % 4
    centres = 10 * rng.normal(size=(4, num_codes))
    codes = centres[labels] + rng.normal(size=(num_points, num_codes))
    return codes.astype(np.float32), labels


@pytest.mark.parametrize(
    ("num_points", "method"), [(120, "t-SNE"), (MAX_TSNE_POINTS + 1, "PCA")]
)
def test_classes_that_lie_apart_stay_apart(num_points, method):
    codes, labels = make_clusters(num_points)
    points, used = embed_codes(codes)
    assert used == method
    some = points[:100]
    distances = np.linalg.norm(some[:, None] - some[None], axis=-1)
    np.fill_diagonal(distances, np.inf)
    same = labels[:100] == labels[:100][distances.argmin(1)]
    assert same.mean() > 0.95


@pytest.mark.parametrize("shape", [(6, 1), (5, 2), (7, 300)])
def test_few_codes_have_a_picture(shape):
    codes = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    points, _ = embed_codes(codes)
    assert points.shape == (shape[0], 2)
    assert np.isfinite(points).all()


def test_equal_codes_have_a_picture():
    points, method = embed_codes(np.ones((9, 8), np.float32))
    assert method == "PCA"
    assert np.isfinite(points).all()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "CMYK", "I;16"])
def test_thumbnails_of_every_kind_of_image(tmp_path, mode):
    path = tmp_path / ("image.jpg" if mode == "CMYK" else "image.png")
    Image.new(mode, (400, 200)).save(path)
    assert make_thumbnail(str(path)).startswith("data:image/jpeg;base64,")


@pytest.mark.parametrize("mode", ["RGB", "CMYK", "I;16"])
def test_an_image_that_training_copies_has_a_thumbnail(tmp_path, mode):
    Image.new(mode, (400, 200)).save(tmp_path / "image.tif")
    uri = make_thumbnail(str(tmp_path / "image.tif"))
    assert uri.startswith("data:image/jpeg;base64,")


def test_a_damaged_image_has_no_thumbnail(tmp_path):
    path = tmp_path / "image.jpg"
    path.write_bytes(b"rubbish")
    assert make_thumbnail(str(path)) == ""


def test_a_format_that_no_scan_lets_through_is_not_decoded(tmp_path):
    path = str(tmp_path / "image.jpg")
    Image.effect_noise((400, 200), 60).convert("RGB").save(path, "PPM")
    assert inspect_file(path).problem
    assert make_thumbnail(path) == ""
    assert not is_same_picture(path, path)
    with pytest.raises(UnidentifiedImageError):
        decode_reference([path], 32)


def history(*phases):
    return [
        {
            "phase": phase,
            "epoch": str(epoch),
            "train/loss": str(loss),
            "val/loss": str(loss),
            "learning_rate/head": "" if phase == "probe" else "0.001",
            "learning_rate/lower": "",
        }
        for phase, losses in phases
        for epoch, loss in enumerate(losses, 1)
    ]


def test_phases_are_spans_of_rows():
    rows = history(("probe", [1.0]), ("tune", [1.0, 0.5, 0.2]))
    assert phase_spans(rows) == [("probe", 1, 1), ("tune", 2, 4)]


def test_curves_say_in_words_what_they_show():
    rows = history(("probe", [1.0]), ("tune", [0.9, 0.2]))
    drawn = plot_pair(rows, "loss", "loss by epoch", ("tune", 2))
    assert "validation from 1 to 0.2" in drawn["text"]
    assert "kept" in drawn["svg"]


def test_a_loss_that_explodes_is_drawn_on_a_logarithmic_axis():
    calm = plot_pair(history(("tune", [1.0, 0.5])), "loss", "loss", ("", 0))
    wild = plot_pair(
        history(("tune", [1.0, 1.0, 1e6, "inf", "nan"])),
        "loss",
        "loss",
        ("", 0),
    )
    assert "1e+06" in wild["svg"]
    assert "not finite" in wild["svg"]
    assert "not finite" not in calm["svg"]


def test_groups_without_a_rate_are_left_out():
    rows = history(("probe", [1.0]), ("tune", [0.9]))
    drawn = plot_groups(rows, "learning_rate/", "rates")
    assert "head" in drawn["text"]
    assert "lower" not in drawn["text"]
    assert plot_groups(history(("probe", [1.0])), "learning_rate/", "") is None


def test_blocks_do_not_overlap_and_the_funnel_narrows():
    groups = tuple(
        GroupRow(
            group=name,
            first_layer=f"{name}_1",
            last_layer=f"{name}_9",
            parameters=size,
            optimizer="adamw",
            learning_rate=1e-3,
        )
        for name, size in (("head", 10), ("upper", 10_000))
    )
    blocks = list_blocks(
        PhaseDetails(layer_groups=groups),
        {"trainable_from": "stage4"},
        15_010,
    )
    assert [block.name for block in blocks] == ["frozen", "upper", "head"]
    assert sum(block.parameters for block in blocks) == 15_010
    drawing = draw_blocks(blocks, "image", "classes")
    corners = [
        [tuple(map(float, c.split(","))) for c in b.points.split()]
        for b in drawing.blocks
    ]
    for upper, lower in itertools.pairwise(corners):
        assert upper[2][1] < lower[0][1]
        assert upper[2][0] > lower[2][0]
    assert corners[-1][2][1] < drawing.height


def test_filters_share_one_scale_and_a_dead_one_is_grey():
    kernel = np.zeros((3, 3, 3, 2), np.float32)
    kernel[..., 1] = 1.0
    pixels = np.array(Image.open(io.BytesIO(draw_filters(kernel))))
    colors = {tuple(c) for c in pixels.reshape(-1, 3)}
    assert colors == {(128,) * 3, (255,) * 3}


def test_filters_of_other_channels_are_grey():
    kernel = np.random.default_rng(0).normal(size=(5, 5, 1, 200))
    pixels = np.array(Image.open(io.BytesIO(draw_filters(kernel))))
    assert (pixels[..., 0] == pixels[..., 2]).all()


@pytest.mark.parametrize("start", REASON_KINDS)
def test_reasons_of_the_scan_have_a_kind(start):
    assert name_kind(f"{start} something") == REASON_KINDS[start]
    assert name_kind("else") == "others"


def test_every_reason_of_the_scan_is_known(tmp_path):
    from tlkeras.data.scan import scan
    from tlkeras.data.sources import list_examples

    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (3, 40, 40, 3), np.uint8)
    Image.fromarray(noise[0]).save(tmp_path / "a" / "good.png")
    content = (tmp_path / "a" / "good.png").read_bytes()
    (tmp_path / "a" / "copy.png").write_bytes(content)
    Image.fromarray(noise[1]).save(tmp_path / "a" / "both.png")
    both = (tmp_path / "a" / "both.png").read_bytes()
    (tmp_path / "b" / "both.png").write_bytes(both)
    (tmp_path / "b" / "broken.png").write_bytes(content[:-900])
    (tmp_path / "b" / "text.png").write_text("text")
    Image.new("RGB", (1, 1)).save(tmp_path / "b" / "small.png")
    listed = list_examples(str(tmp_path), tfds_data_dir="", tfds_splits=())
    _, ledger = scan(listed, on_bad_image="skip", num_workers=1)
    kinds = {name_kind(item.reason) for item in ledger.left_out}
    assert "others" not in kinds
    assert len(kinds) >= 5
