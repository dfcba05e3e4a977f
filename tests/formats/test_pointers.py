import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.errors import BadMessage
from guard.formats import arguments, pointers

KEYS = st.text(max_size=4) | st.sampled_from(["a/b", "~", "#", "~1", "a~2", "", "0"])
TREES = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


def leaves(tree, pointer=""):
    if isinstance(tree, str):
        yield pointer, tree
    elif isinstance(tree, dict):
        for key, child in tree.items():
            yield from leaves(child, f"{pointer}/{pointers.escape(key)}")
    elif isinstance(tree, list):
        for index, child in enumerate(tree):
            yield from leaves(child, f"{pointer}/{index}")


@given(TREES, st.data())
def test_exactly_the_string_at_a_pointer_is_replaced(tree, data):
    before = dict(leaves(tree))
    if not before:
        return
    chosen = data.draw(st.sampled_from(sorted(before)))
    original = json.dumps(tree)
    changed = pointers.replaced(tree, {chosen: "new"})
    assert dict(leaves(changed)) == {**before, chosen: "new"}
    assert json.dumps(tree) == original


@given(KEYS)
def test_a_key_survives_escaping(key):
    assert pointers.unescape(pointers.escape(key)) == key
    assert not set("/#") & set(pointers.escape(key))


def test_none_takes_an_entry_out_and_leaves_an_empty_string_in_a_list():
    assert pointers.replaced({"a": "x", "b": ["y", "z"]}, {"/a": None, "/b/0": None}) == {"b": ["", "z"]}


def test_a_key_cannot_be_replaced():
    with pytest.raises(BadMessage) as caught:
        pointers.replaced({"a": 1}, {"/a~": "b"})
    assert caught.value.code == "key_not_redactable"


def test_a_pointer_that_leads_nowhere_adds_nothing():
    with pytest.raises(LookupError):
        pointers.replaced({"a": "x"}, {"/b": "y"})


def test_arguments_are_judged_leaf_by_leaf_with_numbers_as_written():
    pieces = arguments.split('{"to": "ann", "card": 4111111111111111, "n": [1.50, true, null], "x": {"y#/~": ""}}')
    assert [(piece.pointer, piece.text, piece.key) for piece in pieces] == [
        ("/to~", "to", True),
        ("/to", "ann", False),
        ("/card~", "card", True),
        ("/card", "4111111111111111", False),
        ("/n~", "n", True),
        ("/n/0", "1.50", False),
        ("/x~", "x", True),
        ("/x/y~2~1~0~", "y#/~", True),
    ]


@pytest.mark.parametrize("text", ['{"a": 1', '{"a": 1, "a": 2}', "call me", '{"a": NaN}', "[" * 100])
def test_arguments_that_do_not_parse_are_one_text(text):
    assert [(piece.pointer, piece.text) for piece in arguments.split(text)] == [("", text)]
    assert arguments.join(text, {"": "[GONE]"}) == "[GONE]"


def test_changed_arguments_are_escaped_again_and_a_redacted_number_becomes_a_string():
    text = '{"to": "ann", "card": 4111, "rate": 1.50}'
    assert arguments.join(text, {"/to": 'a "b"\n', "/card": "[CARD]"}) == '{"to":"a \\"b\\"\\n","card":"[CARD]","rate":1.50}'
    with pytest.raises(BadMessage):
        arguments.join(text, {"/to~": "x"})


@given(TREES)
def test_every_leaf_of_arguments_is_found_and_can_be_replaced(tree):
    text = json.dumps(tree)
    pieces = arguments.split(text)
    strings = {pointer: leaf for pointer, leaf in leaves(tree) if leaf}
    found = {piece.pointer: piece.text for piece in pieces if not piece.key}
    assert strings.items() <= found.items()
    changed = json.loads(arguments.join(text, dict.fromkeys(found, "new")))
    assert {pointer for pointer, leaf in leaves(changed) if leaf == "new"} >= set(found)
