import gc

import keras

from tlkeras import train_and_evaluate


def test_a_run_leaves_no_network_behind(small_config, tmp_path):
    """TensorFlow keeps what a generator knows, unless it is taken back."""

    def networks():
        gc.collect()
        return [x for x in gc.get_objects() if isinstance(x, keras.Model)]

    before = {id(network): network for network in networks()}
    small_config.model.features_from = "conv_pw_4_relu"
    small_config.phases.linear_probe.method = "fit"
    train_and_evaluate(small_config, tmp_path / "run")
    assert [x.name for x in networks() if id(x) not in before] == []
