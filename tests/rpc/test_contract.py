"""The contract is total: every method, error and notification has all that belongs to it."""

import pytest

from chat_rpc import errors, methods
from chat_rpc.wire import Fault
from chatd.handlers import HANDLERS

EXITS = {3, 4, 5, 65, 66, 69, 70, 73, 75, 77, 78, 79, 124, 130}


def test_each_method_has_a_handler_and_the_other_way_round() -> None:
    assert set(HANDLERS) == set(methods.METHODS)


def test_each_error_has_a_code_of_its_own_and_a_known_exit() -> None:
    table = list(errors.table())
    assert len({error.code for error in table}) == len(table)
    assert {error.exit for error in table} <= EXITS


def test_each_error_says_what_it_is() -> None:
    for error in errors.table():
        assert error.__doc__, error
        assert error.kind


@pytest.mark.parametrize("error", errors.table(), ids=lambda error: error.__name__)
def test_an_error_is_the_same_on_the_other_side(error: type[errors.RpcError]) -> None:
    sent = error("why", turn="t1", retry_after_ms=5)
    got = errors.from_fault(sent.fault())
    assert type(got) is error
    assert (got.message, got.turn, got.retry_after_ms) == ("why", "t1", 5)


def test_an_unknown_code_is_still_an_error() -> None:
    got = errors.from_fault(Fault(9999, "from the future"))
    assert (type(got), got.exit) == (errors.RpcError, 70)


def test_parameters_that_are_not_known_are_refused_everywhere() -> None:
    for method in methods.METHODS.values():
        assert method.params.__struct_config__.forbid_unknown_fields, method.name
