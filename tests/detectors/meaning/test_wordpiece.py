"""The tokeniser gives exactly what `tokenizers` gives, at chat speed, and in linear time."""

from __future__ import annotations

import time
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.detectors.meaning import wordpiece
from guard.detectors.meaning.wordpiece import VOCABULARY, WordPiece, bert_uncased, stretches
from guard.errors import DetectorError


@pytest.fixture(scope="module")
def peer():
    """BERT's tokeniser of the package `tokenizers`, on the vocabulary that ships."""
    tokenizers = pytest.importorskip("tokenizers")
    found = tokenizers.BertWordPieceTokenizer(str(VOCABULARY), lowercase=True)
    found._tokenizer.encode_special_tokens = True
    return found


SCRIPTS = (
    "Hello, World! It's 5 o'clock; don't e-mail me@example.com (please).",
    "Ünïcödé náïve café ÅNGSTRÖM İstanbul ß ﬁ",
    "Съешь ещё этих мягких французских булок",
    "Η Ελλάδα είναι όμορφη ΣΊΣΥΦΟΣ",
    "你好，世界。日本語テキスト 한국어 문장",
    "مرحبا بالعالم שלום עולם नमस्ते दुनिया สวัสดีชาวโลก",
    "😀 👩‍👩‍👧 ☃️ \u200bzero\u200dwidth \ufeff \x00 \ufffd \x1c \x85 a\u0301\u0302",
    "[CLS] [SEP] [MASK] [PAD] ##ing unaffable antidisestablishmentarianism",
    "\u166d \u1734 \u0bcd \U000111c9 \U0001e944 \ue000 \U000f0000",
    "x" * 100 + " " + "y" * 101,
    "",
    " \t\r\n\u3000\u2028",
)


@pytest.mark.parametrize("text", SCRIPTS)
def test_every_script_is_read_as_tokenizers_reads_it(peer, text):
    expected = peer.encode(text, add_special_tokens=False)
    found = bert_uncased().encode(text)
    assert (list(found.ids), [tuple(span) for span in found.spans]) == (expected.ids, expected.offsets)
    assert bert_uncased().ids(text) == expected.ids


# Characters younger than this Python's tables are known to some of its peers only.
KNOWN = st.characters(exclude_categories=["Cs"]).filter(lambda character: unicodedata.category(character) != "Cn")


@settings(max_examples=200, deadline=None)
@given(text=st.text(st.one_of(KNOWN, st.sampled_from("abcdeing's-., \u0301é")), max_size=60))
def test_any_text_is_read_as_tokenizers_reads_it(peer, text):
    expected = peer.encode(text, add_special_tokens=False)
    found = bert_uncased().encode(text)
    assert (list(found.ids), [tuple(span) for span in found.spans]) == (expected.ids, expected.offsets)
    assert bert_uncased().ids(text) == expected.ids


def test_a_special_token_that_somebody_writes_is_text():
    tokens = bert_uncased()
    assert not {tokens.first, tokens.last, tokens.padding} & set(tokens.ids("[CLS] hello [SEP] [PAD]"))


def test_a_lone_surrogate_is_dropped():
    assert bert_uncased().ids("a\ud800b") == bert_uncased().ids("ab")


def test_windows_cover_all_pieces_and_hold_no_more_than_they_may():
    tokens = bert_uncased()
    ids = list(range(1000, 1100))
    windows = tokens.windows(ids, 32, overlap=8)
    assert all(len(window) == 32 and (window[0], window[-1]) == (tokens.first, tokens.last) for window in windows)
    assert {number for window in windows for number in window[1:-1]} == set(ids)
    assert tokens.windows([], 32) == [[tokens.first, tokens.last]]


@given(st.integers(0, 300), st.integers(2, 60), st.integers(0, 40))
def test_stretches_cover_a_length_with_the_overlap_asked_for(length, size, overlap):
    overlap = min(overlap, size - 1)
    found = stretches(length, size, overlap)
    assert found[0][0] == 0
    assert found[-1][1] == length
    assert all(end - start <= size for start, end in found)
    assert all(right[0] <= left[1] - overlap for left, right in pairwise(found))


@pytest.mark.parametrize("unit", ["x", "a b ", "日本", "word, ", "\u0301"])
def test_a_text_twice_as_long_takes_about_twice_as_long(unit):
    tokens = bert_uncased()

    def seconds(characters: int) -> float:
        text = unit * (characters // len(unit))
        return min(_timed(tokens, text) for _ in range(3))

    seconds(1000)
    assert seconds(400_000) < 16 * max(seconds(100_000), 1e-3)


def _timed(tokens: WordPiece, text: str) -> float:
    started = time.perf_counter()
    tokens.ids(text)
    return time.perf_counter() - started


def test_a_changed_vocabulary_is_refused(tmp_path, monkeypatch):
    changed = tmp_path / "wordpiece.txt"
    changed.write_bytes(VOCABULARY.read_bytes()[:-10])
    for path, said in ((changed, "was changed"), (tmp_path / "none.txt", "cannot be read")):
        monkeypatch.setattr(wordpiece, "VOCABULARY", path)
        with pytest.raises(DetectorError, match=said):
            wordpiece.bert_uncased.__wrapped__()


def test_a_vocabulary_without_special_tokens_is_refused():
    with pytest.raises(KeyError):
        WordPiece(["hello", "##s"])
