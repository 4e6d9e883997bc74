import pytest

from tlkeras.errors import InputError
from tlkeras.tables import lookup, suggest


def test_lookup_returns_the_value():
    assert lookup({"a": 1}, "a", what="letter") == 1


def test_unknown_name_offers_the_nearest():
    with pytest.raises(
        InputError, match=r"Unknown optimizer 'adm'. Did you mean 'adam'"
    ):
        lookup({"adam": 1, "sgd": 2}, "adm", what="optimizer")


def test_a_long_list_of_names_is_cut():
    table = {f"name_{number:04d}": number for number in range(200)}
    with pytest.raises(InputError) as error:
        lookup(table, "zzz", what="thing")
    assert len(str(error.value)) < 300


def test_nothing_is_suggested_for_something_far_away():
    assert suggest("qqqqqq", ["adam"]) == ""
