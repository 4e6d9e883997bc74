"""A config's CNN codes without Keras, once a command has prepared them."""

from ml_collections import ConfigDict

from tlkeras.console import Console
from tlkeras.data.definition import configured_definition
from tlkeras.data.views import UNCHANGED
from tlkeras.features.code_place import CodePlace
from tlkeras.features.frozen import FrozenPrefix
from tlkeras.features.prepared import find_prepared, prepare
from tlkeras.training.code_question import ask_for_codes
from tlkeras.training.reading import feature_settings, reader_factory


def open_light_prefix(
    config: ConfigDict, place: CodePlace, console: Console
) -> FrozenPrefix | None:
    """Returns the network of a config's codes, ready to work without Keras.

    Args:
        config: Validated.
        place: Of the codes.
        console: For progress.

    Returns:
        None where no command has prepared it.

    Raises:
        InputError: If a file that the config names cannot be read.
    """
    question = ask_for_codes(config, place)
    settings = feature_settings(config)
    network = question and find_prepared(
        question, num_streams=settings.num_workers, console=console
    )
    if not network:
        return None
    make_reader = reader_factory(network.image_size)
    return FrozenPrefix(network, make_reader, UNCHANGED, settings, console)


def prepare_light_prefix(
    config: ConfigDict, place: CodePlace, prefix: FrozenPrefix
) -> None:
    """Lets later commands open a config's codes without Keras.

    Args:
        config: Validated.
        place: Of the codes.
        prefix: Their network, built by Keras.
    """
    if question := ask_for_codes(config, place):
        definition = configured_definition(config)
        prepare(question, prefix.network, definition, prefix.layout)
