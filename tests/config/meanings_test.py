"""What help says of a field is what stands beside it in `defaults.py`."""

import subprocess
import sys

import pytest

from tlkeras.config import defaults
from tlkeras.config.dotted import walk
from tlkeras.config.field import patterns_of
from tlkeras.config.fields import FIELDS
from tlkeras.config.meanings import (
    describe_values,
    format_fields,
    meaning_of,
    read_meanings,
)
from tlkeras.errors import InputError

SECTIONS = sorted({n.split(".")[0] for n, _ in walk(defaults.get_config())})


def test_every_comment_is_of_a_field_that_exists():
    known = {
        pattern
        for name, _ in walk(defaults.get_config())
        for pattern in patterns_of(name)
    }
    sections = {"export", "tuning.space"}  # their comment is of all in them
    assert read_meanings().keys() <= known | sections
    assert len(read_meanings()) > 80


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("model.alpha", "width multiplier of MobileNet, V2 and V3"),
        ("data.augment.rotation_degrees", "drawn in [-value, value]"),
        ("phases.fine_tune.layer_decay", "multiplier per stage downwards"),
        ("phases.x.groups.head.learning_rate", "wins over the multiplier"),
        ("phases.x.schedule_args.drop_factor", "step"),
        ("seed", "of weights, order, augmentation and dropout"),
        ("phases.x.batch_size", "images a step"),
        ("phases.x.no_such_field", ""),
    ],
)
def test_a_meaning_is_the_comment_at_the_field(name, meaning):
    assert meaning_of(name) == meaning


def test_lines_of_one_comment_are_one_text():
    meaning = meaning_of("data.geometry")
    assert meaning.startswith("How an image fills the square input: squash")
    assert meaning.endswith("letterbox (grey bars).")


def test_every_field_says_what_it_means():
    fields = [name for name, _ in walk(defaults.get_config())]
    assert not [name for name in fields if not meaning_of(name)]


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_lists_its_fields_with_their_defaults(section):
    text = format_fields(section)
    for name, value in walk(defaults.get_config()):
        if name.split(".")[0] == section:
            assert (
                f"--config.{name}={value if value != '' else repr('')}" in text
            )


def test_values_are_those_of_the_table():
    pooling = describe_values(FIELDS["model.pooling"])
    assert pooling == "average | max | flatten | class_token"
    assert describe_values(FIELDS["phases.*.epochs"]).endswith("or auto")
    assert describe_values(FIELDS["model.dropout"]) == "0 .. 0.999"


def test_a_section_that_is_none_is_one_sentence():
    with pytest.raises(InputError, match="Did you mean 'model'"):
        format_fields("modle")


def test_help_of_a_section_needs_no_framework():
    code = (
        "import sys; sys.modules['keras'] = sys.modules['tensorflow'] = None\n"
        "from tlkeras.cli.main import main\n"
        "main(['tlkeras', 'train', '--help=model.pooling'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("--config.model.pooling=average")
