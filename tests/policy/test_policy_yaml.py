"""Reading YAML: nothing hidden, nothing endless, and every value with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.errors import PolicyError, Problem
from guard.policy.yaml_source import MAX_BYTES, MAX_DEPTH, read, read_file


def _problems(text: str) -> tuple[Problem, ...]:
    with pytest.raises(PolicyError) as caught:
        read(text, "f.yaml")
    return caught.value.problems


@pytest.mark.parametrize(
    ("text", "line", "column", "expected"),
    [
        ("a: 1\nb: 2\na: 3", 3, 1, "each key once"),
        ("a: {b: 1, b: 2}", 1, 11, "each key once"),
        ("a: !!python/object/apply:os.system [ls]", 1, 4, "no tag"),
        ("a: !!str 1", 1, 4, "no tag"),
        ("a: &x {b: 1}\nc:\n  <<: *x", 3, 3, "no merge key"),
        ("a: *x", 1, 4, "an anchor defined before"),
        ("a: &x [*x]", 1, 8, "an anchor defined before"),
        ("? [a]\n: b", 1, 3, "a word as key"),
        ("a: &x k\n*x : 1", 2, 1, "a word as key"),
        ("%YAML 1.1\n---\non: yes", 2, 1, "no YAML directive"),
        ("a: 1\n---\nb: 2", 2, 1, "one document"),
        ("a: b: c", 1, 5, "valid YAML"),
        ("a: [1, 2", 1, 9, ""),
        ("a: 'x", 1, 6, "valid YAML"),
        ("\ta: 1", 1, 1, "valid YAML"),
        ("ok: 1\na: \x07", 2, 4, "printable text"),
        ("", 0, 0, "a mapping of keys to values"),
        ("# only a comment", 0, 0, "a mapping of keys to values"),
    ],
)
def test_what_is_refused_is_pointed_at(text: str, line: int, column: int, expected: str) -> None:
    first = _problems(text)[0]
    assert (first.where, first.line, first.column) == ("f.yaml", line, column)
    assert expected in first.expected


def test_all_duplicate_keys_tags_and_merge_keys_are_told_at_once() -> None:
    assert [problem.line for problem in _problems("a: 1\na: 2\nb: !x y\n<<: {c: 1}\na: 3")] == [2, 3, 4, 5]


def test_a_duplicate_key_names_the_line_of_the_first() -> None:
    assert _problems("x: 1\na: 1\nb: 2\na: 3")[0].hint == "first on line 2"


def test_an_alias_bomb_is_refused_before_it_is_written_out() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    [problem] = _problems("\n".join(levels))
    assert "aliases written out" in problem.expected
    assert problem.line <= 5


def test_an_alias_stands_for_what_it_names() -> None:
    assert read("a: &x [1, {b: 2}]\nc: *x", "f").plain == {"a": [1, {"b": 2}], "c": [1, {"b": 2}]}


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_endless_nesting_is_refused_without_recursion(opening: str) -> None:
    assert f"at most {MAX_DEPTH} levels" in _problems(opening * 20_000)[0].expected


def test_a_file_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    path.write_text("a: " + "x" * MAX_BYTES)
    with pytest.raises(PolicyError, match="at most 1,000,000 bytes"):
        read_file(path, "big.yaml")


def test_a_file_that_is_not_utf_8_is_refused_where_it_goes_wrong(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"version: 1\nname: caf\xe9\n")
    with pytest.raises(PolicyError) as caught:
        read_file(path, "latin.yaml")
    assert str(caught.value).startswith("latin.yaml:2:10: expected text in UTF-8, got the byte 0xe9")


@pytest.mark.parametrize("name", ["absent.yaml", "."])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(PolicyError, match="expected a readable file, got"):
        read_file(tmp_path / name, name)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbfversion: 1\n")
    assert read_file(path, "bom.yaml").plain == {"version": 1}


def test_scalars_are_read_by_the_core_schema() -> None:
    text = (
        "on: yes\nno: off\nt: true\nf: False\nn: ~\ne:\nd: 2001-01-01\nh: 0x10\ni: -3\nr: 1.5e3\np: .5\nu: 1_000\nq: '1'\ns: .nan"
    )
    assert read(text, "f").plain == {
        "on": "yes", "no": "off", "t": True, "f": False, "n": None, "e": None, "d": "2001-01-01",
        "h": 16, "i": -3, "r": 1500.0, "p": 0.5, "u": "1_000", "q": "1", "s": ".nan",
    }  # fmt: skip


def test_a_value_knows_its_place_and_path() -> None:
    root = read("a:\n  - b: 1\n  - {c: [x, y]}\n", "f")
    node = root.value["a"].value[1].value["c"].value[1]  # type: ignore[union-attr, index, call-overload]
    assert (node.line, node.column, node.path, node.value) == (3, 13, "a[1].c[1]", "y")


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read(text, "f")
    except PolicyError as error:
        assert error.problems


@given(st.text(alphabet="ab:-[]{},&*!?|>'\" \n#%x01", max_size=60))
def test_any_punctuation_is_read_or_refused(text: str) -> None:
    try:
        read(text, "f")
    except PolicyError as error:
        assert all(problem.expected and problem.got for problem in error.problems)
