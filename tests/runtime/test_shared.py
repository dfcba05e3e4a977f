"""One value for each key, loaded once, kept as long as somebody holds it."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from guard.runtime.shared import shared


class Model:
    """Something that allows weak references."""


def test_many_who_ask_at_once_get_one_value_that_was_loaded_once():
    loads = []
    together = threading.Barrier(8)

    def load() -> Model:
        loads.append(1)
        return Model()

    def ask() -> Model:
        together.wait(10)
        return shared("many", load)

    with ThreadPoolExecutor(8) as pool:
        found = [future.result() for future in [pool.submit(ask) for _ in range(8)]]
    assert len(loads) == 1
    assert all(each is found[0] for each in found)


def test_different_keys_are_different_values_and_do_not_wait_for_each_other():
    other_done = threading.Event()

    def slow() -> Model:
        assert other_done.wait(10)
        return Model()

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(shared, ("a", 1), slow)
        second = shared(("a", 2), Model)
        other_done.set()
        assert first.result(10) is not second


def test_a_value_that_nobody_holds_is_let_go():
    loads = []

    def load() -> Model:
        loads.append(1)
        return Model()

    value = shared("gone", load)
    assert shared("gone", load) is value
    del value
    gc.collect()
    shared("gone", load)
    assert len(loads) == 2


def test_a_load_that_fails_is_tried_again_by_the_next():
    def broken() -> Model:
        raise ValueError("no model")

    with pytest.raises(ValueError, match="no model"):
        shared("fails", broken)
    assert isinstance(shared("fails", Model), Model)
