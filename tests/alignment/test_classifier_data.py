"""What the training data becomes: labels completed or masked, near-duplicates gone, parts fixed by the text."""

from __future__ import annotations

import json
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignment.classifiers.dataset import cleaned, label_counts, read
from alignment.classifiers.matrix import UNKNOWN, rows_of
from alignment.classifiers.obfuscate import obfuscated
from alignment.classifiers.sources import SOURCES, completed
from guard.detectors.embedded_stages import CATEGORIES
from guard.text import folded


@pytest.fixture
def folder(tmp_path):
    for source, use in SOURCES.items():
        write(tmp_path, source, [{use.text: f"a sentence that is about {source} alone", "labels": {"toxicity": 0}}])
    write(tmp_path, "profanity_words", [{"text": "blast", "labels": {"profanity": 1}, "severity": 2.5}])
    return tmp_path


def write(folder, source, records):
    (folder / f"{source}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


def of(examples, source):
    return [example for example in examples if example.source == source]


def test_an_unknown_label_stays_unknown():
    assert "sexual" not in completed({"hate": 1}, ())
    assert completed({"hate": 1}, ()) == {"hate": 1, "toxicity": 1}


def test_a_label_that_another_implies_is_filled_in():
    assert completed({"hate/threatening": 1}, ()) == {"hate/threatening": 1, "hate": 1, "violence": 1, "toxicity": 1}
    assert completed({"self-harm": 0}, ())["self-harm/intent"] == 0


def test_what_a_row_says_is_never_overruled():
    assert completed({"hate/threatening": 1, "violence": 0}, ("hate",))["violence"] == 0
    assert completed({"injection": 1}, ("injection", "jailbreak")) == {"injection": 1, "jailbreak": 0}


def test_near_duplicates_are_read_once(folder):
    base = "once upon a time there lived a king who had three daughters and no sons at all in his old castle by the sea"
    texts = [
        base,
        base + "!",
        base.upper(),
        "a different tale of a cobbler, told to children in the evening when the lamps are lit again",
    ]
    write(folder, "benign_more", [{"text": text, "labels": {"toxicity": 0}} for text in texts])
    assert len(of(read(folder), "benign_more")) == 2


def test_the_held_out_part_depends_on_the_text_alone(folder):
    before = {example.text: example.held_out for example in read(folder)}
    write(
        folder, "benign_more", [{"text": f"sentence number {number} of many", "labels": {"toxicity": 0}} for number in range(200)]
    )
    after = {example.text: example.held_out for example in read(folder)}
    assert all(after[text] == held_out for text, held_out in before.items() if text in after)
    share = np.mean([example.held_out for example in of(read(folder), "benign_more")])
    assert 0.05 < share < 0.3


def test_marks_that_betray_a_source_are_removed():
    assert cleaned("RT @user: look [URL] &amp; <Person> https://t.co/x") == ": look &"


def test_a_post_is_profane_by_its_words_only_where_they_leave_no_doubt(folder):
    write(folder, "toxic_spans", [{"text": text, "labels": {"toxicity": 1}} for text in ("oh blast it", "you fool of a man")])
    by_text = {example.text: example.labels["profanity"] for example in of(read(folder), "toxic_spans")}
    assert by_text == {"oh blast it": 1, "you fool of a man": 0}


def test_a_broken_line_is_named_with_file_and_number(folder):
    (folder / "catqa.jsonl").write_text('{"text": "x", "labels": {}}\n{"text": 1, "labels": {}}\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"catqa\.jsonl:2: expected `text` and `labels`"):
        read(folder)
    (folder / "catqa.jsonl").write_text('{"text"', encoding="utf-8")
    with pytest.raises(ValueError, match=r"catqa\.jsonl:1: expected one JSON record"):
        read(folder)


def test_a_missing_source_is_an_error(folder):
    (folder / "catqa.jsonl").unlink()
    with pytest.raises(FileNotFoundError, match="catqa"):
        read(folder)


def test_our_own_examples_know_every_category_but_minors_and_contradict_none(folder):
    counts = label_counts(of(read(folder), "own_examples"))
    assert {name for name in CATEGORIES if counts[name][1] < 10} == {"sexual/minors"}
    for example in of(read(folder), "own_examples"):
        assert all(example.labels.get(name.partition("/")[0], 1) for name, value in example.labels.items() if value)


def test_rows_are_windows_that_share_an_examples_weight_and_mask(folder):
    write(folder, "benign_more", [{"text": " ".join(f"word{number}" for number in range(400)), "labels": {"toxicity": 0}}])
    rows = rows_of(of(read(folder), "benign_more"), seed=1, disguise=False)
    assert rows.matrix.shape[0] > 1
    assert rows.weights.sum() == pytest.approx(SOURCES["benign_more"].weight)
    unlabelled = rows_of(of(read(folder), "advbench_strings"), seed=1, disguise=False)
    assert unlabelled.labels[0, CATEGORIES.index("sexual")] == UNKNOWN
    assert unlabelled.labels[0, CATEGORIES.index("toxicity")] == 0


@given(st.text(st.characters(min_codepoint=97, max_codepoint=122) | st.just(" "), max_size=80), st.integers())
def test_a_disguise_leaves_short_words_alone_and_depends_on_the_seed(text, seed):
    assert obfuscated(text, Random(seed)) == obfuscated(text, Random(seed))
    if all(len(word) < 4 for word in text.split(" ")):
        assert obfuscated(text, Random(seed)) == text


def test_the_folded_view_undoes_a_good_part_of_the_disguises():
    text = "terrible monsters wander through ancient forests"
    disguised = [obfuscated(text, Random(seed)) for seed in range(100)]
    assert sum(spelled != text for spelled in disguised) > 90
    assert sum(folded(spelled) == text for spelled in disguised) > 20
