"""The campaigns of `make torture`, small: that they run, and find nothing."""

import mmap
import os

import numpy as np
import pytest

from benchmarks.torture import configs, images, seeds
from benchmarks.torture.kills import judge_export
from benchmarks.torture.mutations import MUTATIONS, repair_png
from benchmarks.torture.tally import Tally
from benchmarks.torture.traces import differences


def test_hostile_values_are_refused_in_one_sentence_or_serve(tmp_path):
    tally = configs.run(1, 300, tmp_path / "configs")
    assert tally.findings == []
    assert tally.counts["validate: refused"] > 15
    assert tally.counts["validate: accepted"] > 15


def test_a_value_of_a_campaign_is_always_the_same():
    drawn = [configs.draw_changes(np.random.default_rng(7)) for _ in range(2)]
    assert repr(drawn[0]) == repr(drawn[1])


@pytest.fixture(scope="module")
def files():
    return seeds.make_seeds()


def test_mutated_images_are_one_thing_for_all_decoders(tmp_path, files):
    judge = images.make_judge(tmp_path)
    assert {judge(content, False) for content in files.values()} == {
        images.EQUAL
    }
    verdicts = [
        judge(images.make_image(1, number, files)[0], number % 20 == 0)
        for number in range(300)
    ]
    allowed = {images.EQUAL, images.REFUSED, images.SCAN_REFUSES}
    assert set(verdicts) <= allowed
    assert verdicts.count(images.EQUAL) > 10
    assert verdicts.count(images.REFUSED) > 100


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_changes_most_files(files, name):
    generator = np.random.default_rng(0)
    changed = [
        MUTATIONS[name](generator, content, files["bmp"]) != content
        for content in files.values()
    ]
    assert np.mean(changed) > 0.5


def test_a_repaired_png_is_whole_again(files):
    content = files["png"]
    assert repair_png(content) == content
    broken = content[:29] + bytes(4) + content[33:]
    assert repair_png(broken) == content


def test_a_crash_is_a_verdict_and_the_rest_is_tried():
    verdicts = np.frombuffer(mmap.mmap(-1, 3), np.uint8)

    def work():
        for number in np.flatnonzero(verdicts == images.NOT_TRIED):
            verdicts[number] = images.TRYING
            if number == 1:
                os._exit(9)
            verdicts[number] = images.EQUAL

    while images.NOT_TRIED in verdicts:
        images._run_child(work, verdicts)
    expected = [images.EQUAL, images.CRASHED, images.EQUAL]
    assert verdicts.tolist() == expected


def test_half_a_version_is_a_finding():
    whole = {"made/1/saved_model.pb": "a", "made/1/variables/x": "b"}
    assert judge_export(whole, whole) == []
    assert judge_export(whole, {}) == []
    again = {name.replace("/1/", "/2/"): x for name, x in whole.items()}
    assert judge_export(whole, again) == []
    assert judge_export(whole, {"made/1/saved_model.pb": "a"})


def test_results_that_differ_are_named():
    assert differences({"a": "1", "b": "2"}, {"a": "1", "c": "3"}) == [
        "b: missing",
        "c: unexpected",
    ]
    assert differences({"a": "1"}, {"a": "2"}) == ["a: differs"]


def test_a_tally_counts_and_says_what_it_found(capsys):
    tally = Tally("x")
    tally.count("tried", 2)
    tally.find("seed 0, number 3")
    assert "seed 0, number 3" in capsys.readouterr().out
    assert "x: tried: 2" in tally.report()
    assert "findings: 1" in tally.report()
