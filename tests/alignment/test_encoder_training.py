"""The transformer stage: trained on partial labels, written as int8, calibrated, and read by the guard as it was trained."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest

from alignment.classifiers import encoder
from alignment.classifiers.dataset import Example
from alignment.classifiers.encoder_export import export
from alignment.classifiers.encoder_rows import batches, labels_of, rows_of
from alignment.classifiers.encoder_training import train, with_head
from guard.detectors.embedded_stages import CATEGORIES, ENCODER, MODEL
from guard.detectors.encoder_stage import (
    CLASSIFY,
    PROMPT_END,
    PROMPT_START,
    SEPARATE,
    WINDOW,
    EncoderStage,
    shown_of,
    tokens_of,
)
from guard.errors import DetectorError


def example(text: str, label: int, number: int, source: str = "benign_more") -> Example:
    return Example(text, dict.fromkeys(CATEGORIES, label), source, f"{number:08x}")


def examples() -> list[Example]:
    return [
        *(example(f"you rotten scoundrel, you are number {number}", 1, number, "own_examples") for number in range(100)),
        *(example(f"what a lovely and quiet morning number {number}", 0, number) for number in range(100)),
    ]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, Path]:
    import torch
    from transformers import BertConfig, BertModel

    torch.set_num_threads(1)

    def fresh() -> torch.nn.Module:
        config = BertConfig(
            hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, max_position_embeddings=256
        )
        return with_head(BertModel(config, add_pooling_layer=False))

    path = tmp_path_factory.mktemp("encoder") / ENCODER.name
    for name in (MODEL.name, f"{MODEL.name}.sha256"):
        (path.parent / name).write_bytes((MODEL.parent / name).read_bytes())
    net = train(examples(), 1, fresh=fresh, epochs=60)
    export(net, path)
    encoder.finish(
        path.parent, [*examples(), *(example("a question", 1, number, "catqa") for number in range(9))], 1, lambda _line: None
    )
    return net, path


def test_it_learns_and_its_int8_form_says_what_it_says(trained):
    import torch

    net, path = trained
    stage = EncoderStage.load(path)
    exact = []
    for text in ("you rotten scoundrel", "what a lovely morning"):
        ids = torch.tensor([[CLASSIFY, *tokens_of(text), SEPARATE]])
        with torch.inference_mode():
            exact.append(net(ids, torch.ones_like(ids), torch.ones_like(ids))[0].numpy())
        assert np.abs(stage.logits(text) - exact[-1]).max() < 0.5
    assert (exact[0] - exact[1]).mean() > 0.5
    scores = stage.scores(["you rotten scoundrel", "what a lovely morning"])
    assert (scores[0] - scores[1]).mean() > 0


def test_its_card_and_digest_stand_beside_it(trained):
    _, path = trained
    card = path.with_suffix(".md").read_text()
    assert EncoderStage.load(path).version in card
    assert "| catqa | hate | 9 |" in card


def test_a_changed_file_is_refused(trained, tmp_path):
    _, path = trained
    copy = tmp_path / path.name
    copy.write_bytes(path.read_bytes() + b"\0")
    copy.with_name(copy.name + ".sha256").write_text(path.with_name(path.name + ".sha256").read_text())
    with pytest.raises(DetectorError, match="was changed: expected SHA-256"):
        EncoderStage.load(copy)


def test_what_is_unknown_is_masked_and_padding_too():
    known = Example("one two three", {"hate": 1, "violence": 0}, "benign_more", "00000000")
    assert labels_of(known).tolist() == [{"hate": 1, "violence": 0}.get(name, -1) for name in CATEGORIES]
    rows = rows_of([known, Example("word " * 1000, {}, "benign_more", "00000001")], Random(1))
    for batch in batches(rows, Random(1)):
        assert batch.ids.shape[1] <= WINDOW + 2
        assert ((batch.ids != 0) == (batch.mask == 1)).all()
        assert (batch.judged == batch.mask).all()


def test_a_prompt_is_read_and_not_judged():
    known = Example("first you wait", {"harmful-response": 1}, "own_examples", "00000000", "how do I break in")
    alone, asked = (row for row in rows_of([known], Random(3)) if len(row.tokens) == len(tokens_of(known.text)))
    assert (alone.prompt, asked.prompt) == ((), tokens_of(known.prompt))
    (batch,) = batches([asked], Random(1))
    judged = batch.ids[0][batch.judged[0] == 1].tolist()
    assert judged == [CLASSIFY, *tokens_of(known.text), SEPARATE]
    assert batch.mask.all()
    assert set(tokens_of(known.prompt)) <= set(batch.ids[0].tolist())


def test_a_long_prompt_is_shown_by_its_beginning_and_its_end():
    tokens = tuple(range(1000, 2000))
    assert shown_of(tokens)[0] == 1000
    assert shown_of(tokens)[-1] == 1999
    assert len(shown_of(tokens)) == PROMPT_START + PROMPT_END


def test_a_text_among_harmless_ones_keeps_its_labels_and_fits_one_window():
    shown = [
        *examples(),
        *(example(f"the {word} river winds slowly past green hills", 0, 900 + n) for n, word in enumerate("abc")),
    ]
    rows = rows_of(shown, Random(5))
    longer = [row for row in rows if row.labels.all() and len(row.tokens) > 12 and not row.prompt]
    assert longer
    assert max(len(row.tokens) for row in rows) <= WINDOW


def test_all_rows_are_shown_once():
    rows = rows_of(examples(), Random(1))
    assert sum(len(batch.weights) for batch in batches(rows, Random(1))) == len(rows)
