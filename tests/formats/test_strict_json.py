import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.errors import BadMessage
from guard.formats import strict_json

TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=20,
)


@given(TREES, st.booleans())
def test_what_json_allows_is_read_as_python_reads_it(tree, ascii_only):
    body = json.dumps(tree, ensure_ascii=ascii_only).encode()
    assert strict_json.decode(body) == tree
    assert json.loads(strict_json.encode(strict_json.decode(body))) == tree


@pytest.mark.parametrize(
    "number", ["1.0", "1", "1e5", "1E+400", "0.10000000000000000555", "-0.0", "1" * 40, "-9223372036854775809"]
)
def test_a_number_is_written_with_the_digits_it_was_read_with(number):
    assert strict_json.encode(strict_json.decode(f'{{"n":[{number}]}}'.encode())) == f'{{"n":[{number}]}}'.encode()


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        (b"", "invalid_json", "empty body"),
        (b" \n", "invalid_json", "empty body"),
        (b'{"a": 1', "invalid_json", "line 1, column 8"),
        (b'{"a":\n NaN}', "invalid_json", "line 2, column 2 (byte 7)"),
        (b"[Infinity]", "invalid_json", "invalid character"),
        (b"{'a': 1}", "invalid_json", "line 1"),
        (b"[1] [2]", "invalid_json", "trailing"),
        (b"[1,]", "invalid_json", "line 1"),
        (b"[01]", "invalid_json", "number"),
        (b'["\n"]', "invalid_json", "invalid character"),
        (b"\xef\xbb\xbf{}", "invalid_json", "byte order mark"),
        ("{}".encode("utf-16"), "invalid_json", "byte order mark"),
        (b'["\xff"]', "invalid_unicode", "0xff"),
        (b'{"\xc0\xaf": 1}', "invalid_unicode", "0xc0"),
        (b'["\xed\xa0\x80"]', "invalid_unicode", "0xed"),
        (b'["\\ud800"]', "invalid_unicode", "half of one"),
        (b'"\\ud800"', "invalid_unicode", "half of one"),
        (b'["\\udc00"]', "invalid_unicode", "half of one"),
        (b'["\\ud800\\u0041"]', "invalid_unicode", "half of one"),
        (b'{"a": 1, "a": 2}', "duplicate_key", "no field's name"),
        (b'{"model": 1, "model": 2}', "duplicate_key", '"model"'),
        (b'{"a": {"b": 1, "\\u0062": 1}}', "duplicate_key", "no field's name"),
        (b'{"x\\":" : 1, "a" :1, "a"\n:1}', "duplicate_key", "no field's name"),
        (b"[" * 10_000 + b"]" * 10_000, "json_too_deep", "64 levels"),
        (b'{"a":' * 100_000, "json_too_deep", "nested too deep"),
        (b"[" * 100, "invalid_json", "truncated"),
        (b"[" + b"1" * 5_000 + b"]", "invalid_json", "out of range"),
    ],
)
def test_what_two_parsers_could_read_differently_is_refused(body, code, says):
    with pytest.raises(BadMessage) as caught:
        strict_json.decode(body)
    assert caught.value.code == code
    assert caught.value.status == 400
    assert says in str(caught.value)


def test_brackets_and_colons_inside_strings_count_for_nothing():
    tree = {"a": '":[[[' * 100, 'b": "c': "\\", 'd\\": ': {"e": "{"}}
    assert strict_json.decode(json.dumps(tree).encode(), depth=2) == tree


def test_the_limit_of_nesting_is_exact():
    assert strict_json.decode(b"[[[]], []]", depth=3) == [[[]], []]
    with pytest.raises(BadMessage):
        strict_json.decode(b"[[[[]]], []]", depth=3)


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", '":', "\\", "é"]), st.integers() | st.just('":')), max_size=5),
    st.sampled_from(["", " ", "\n"]),
)
def test_a_key_is_refused_exactly_if_it_is_repeated(pairs, space):
    body = "{" + ",".join(f"{json.dumps(key)}{space}:{json.dumps(value)}" for key, value in pairs) + "}"
    if len({key for key, _ in pairs}) == len(pairs):
        assert strict_json.decode(body.encode()) == dict(pairs)
    else:
        with pytest.raises(BadMessage, match="duplicate key"):
            strict_json.decode(body.encode())


@given(st.binary(max_size=60) | st.text('{}[]",:\\u0ad8 1e-', max_size=40).map(str.encode))
def test_bytes_give_a_tree_or_a_clear_refusal(body):
    try:
        tree = strict_json.decode(body)
    except BadMessage:
        return
    assert msgspec.json.decode(strict_json.encode(tree)) == msgspec.json.decode(body)
