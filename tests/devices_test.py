import keras
import pytest

from tlkeras import devices


@pytest.mark.parametrize(
    ("asked", "accelerator", "expected"),
    [
        ("auto", None, "float32"),
        ("auto", "/device:GPU:0", "mixed_float16"),
        ("mixed_bfloat16", None, "mixed_bfloat16"),
    ],
)
def test_precision_is_chosen_by_device(asked, accelerator, expected):
    assert devices.choose_precision(asked, accelerator) == expected


def test_no_xla_on_a_cpu():
    if devices.accelerator_name() is None:
        assert not devices.should_compile_with_xla()


def test_seeds_repeat_the_draws():
    draws = []
    for _ in range(2):
        devices.set_up_runtime(seed=3, precision="float32", deterministic=True)
        draws.append(keras.random.normal((4,)))
    assert (keras.ops.convert_to_numpy(draws[0] == draws[1])).all()
