"""How texts are cut for a model."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from detectors.classifiers import checkpoints
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.detectors.classifiers.batches import MOST_ROWS, MOST_TOKENS, batches, padded
from guard.detectors.classifiers.network import token_limit
from guard.detectors.classifiers.windows import PIECE, PIECE_OVERLAP, Cutter, Row, canonical, pieces

if TYPE_CHECKING:
    from tokenizers import Tokenizer

for package in ("tokenizers", "transformers", "onnx"):
    pytest.importorskip(package)

CLS, SEP = checkpoints.VOCABULARY.index("[CLS]"), checkpoints.VOCABULARY.index("[SEP]")


@pytest.fixture(scope="module")
def tokenizer(onnx_folder: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(onnx_folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def token_ids(tokenizer: Tokenizer, text: str) -> list[int]:
    return tokenizer.encode(text, add_special_tokens=False).ids


def test_windows_cover_every_token_in_order_and_overlap_by_a_quarter(tokenizer: Tokenizer):
    text = " ".join(checkpoints.WORDS[index % 16] for index in range(200))
    windows = [row.ids for [row] in Cutter(tokenizer, 22).windows(text)]
    assert all(ids[0] == CLS and ids[-1] == SEP and len(ids) <= 22 for ids in windows)
    inner = [ids[1:-1] for ids in windows]
    assert [one[-5:] for one in inner[:-1]] == [other[:5] for other in inner[1:]]
    assert sum((ids[5:] for ids in inner[1:]), inner[0]) == token_ids(tokenizer, text)


def test_a_pair_keeps_its_second_text_whole(tokenizer: Tokenizer):
    windows = list(Cutter(tokenizer, 22, ["you hurt", "no text"]).windows("good morning " * 40))
    assert len(windows) > 3
    for window in windows:
        assert [row.ids[-3:] for row in window] == [[*token_ids(tokenizer, text), SEP] for text in ("you hurt", "no text")]
        assert all(row.types == [0] * (len(row.ids) - 3) + [1] * 3 and len(row.ids) <= 22 for row in window)


def test_a_hypothesis_that_leaves_no_room_is_refused(tokenizer: Tokenizer):
    with pytest.raises(ValueError, match="room for 8 tokens"):
        Cutter(tokenizer, 22, ["good " * 20])


def test_windows_that_show_only_context_are_left_out(tokenizer: Tokenizer):
    context = "good morning " * 60
    cutter = Cutter(tokenizer, 22)
    alone = list(cutter.windows("hate you"))
    shown = list(cutter.windows(context + "hate you", len(context)))
    assert len(shown) < len(list(cutter.windows(context + "hate you")))
    assert shown[-1][0].ids[-3:] == alone[0][0].ids[-3:]
    assert list(cutter.windows(context, len(context))) == []


def test_an_offset_follows_its_character_into_the_canonical_view():
    text = "ﬁne\u200b &amp; hate"
    view, offset = canonical(text, text.index("hate"))
    assert view[offset:] == "hate"
    assert canonical(text, len(text)) == (view, len(view))


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\u200b"])
def test_a_text_without_tokens_has_no_windows(tokenizer: Tokenizer, text: str):
    assert list(Cutter(tokenizer, 22).windows(text)) == []


@pytest.mark.parametrize("text", ["\ud800 hate", "你好 мир", "e" + "\u0301" * 5000, "🧨" * 3000, "\x00\x01"])
def test_any_text_is_cut_without_trouble(tokenizer: Tokenizer, text: str):
    assert all(len(row.ids) <= 22 for window in Cutter(tokenizer, 22).windows(text) for row in window)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 2 * PIECE), max_size=5))
def test_pieces_cover_a_text_overlap_and_break_at_blanks(lengths: list[int]):
    text = " ".join("x" * length for length in lengths)
    found = list(pieces(text))
    assert all(len(piece) <= PIECE and text[start : start + len(piece)] == piece for start, piece in found)
    assert found[0][0] == 0
    assert found[-1][0] + len(found[-1][1]) == len(text)
    for (start, piece), (after, _) in pairwise(found):
        end = start + len(piece)
        assert start < after <= end - PIECE_OVERLAP // 2
        assert text[end] == " " or " " not in text[end - PIECE_OVERLAP : end]


def test_a_megabyte_is_cut_lazily_piece_by_piece(tokenizer: Tokenizer):
    windows = Cutter(tokenizer, 64).windows("hate you " * 120_000)
    assert len(next(windows)[0].ids) == 64
    assert sum(1 for _ in windows) > 4000


def rows(*lengths: int) -> list[tuple[int, Row]]:
    return [(index, Row([1] * length, [0] * length)) for index, length in enumerate(lengths)]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 600), max_size=400))
def test_batches_hold_every_row_once_and_stay_within_their_size(lengths: list[int]):
    groups = list(batches(rows(*lengths)))
    assert sorted(index for group in groups for index, _ in group) == list(range(len(lengths)))
    for group in groups:
        longest = max(len(row.ids) for _, row in group)
        assert 0 < len(group) <= MOST_ROWS
        assert len(group) == 1 or len(group) * longest <= MOST_TOKENS


def test_rows_alone_are_groups_of_one():
    assert [len(group) for group in batches(rows(3, 9, 3), alone=True)] == [1, 1, 1]


def test_padding_is_masked():
    ids, mask, types = padded([Row([5, 6], [0, 1]), Row([7], [0])], pad=9)
    assert (ids.tolist(), mask.tolist(), types.tolist()) == ([[5, 6], [7, 9]], [[1, 1], [1, 0]], [[0, 1], [0, 0]])


@pytest.mark.parametrize(
    ("config", "tokenizer_limit", "limit"),
    [
        ({"max_position_embeddings": 512}, 1e30, 512),
        ({"max_position_embeddings": 512}, 128, 128),
        ({"max_position_embeddings": 514, "model_type": "roberta", "pad_token_id": 1}, 1e30, 512),
        ({"max_position_embeddings": 258, "model_type": "xlm-roberta", "pad_token_id": 1}, None, 256),
        ({"max_position_embeddings": 8192}, 8192, 512),
        ({}, None, 512),
    ],
)
def test_a_model_reads_what_its_positions_and_its_tokenizer_allow(config: dict, tokenizer_limit: float | None, limit: int):
    assert token_limit(config, tokenizer_limit) == limit
