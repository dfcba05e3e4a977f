"""What every local classifier owes, whatever runs it: the model's own scores, alone and in company, for texts of any length."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from detectors.classifiers import checkpoints
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guard.detectors.classifiers import detoxify_models, onnx_models, transformers_models
from guard.detectors.classifiers.classifier import REPORTED, TextClassifier
from guard.errors import DetectorError
from guard.values import Item, Location, Role, Stage

for package in ("detoxify", "transformers", "onnx", "tokenizers"):
    pytest.importorskip(package)

SAME = 1e-3
TEXTS = (
    "I hate you and I will find you.",
    "Good morning, dog!",
    "no",
    "",
    "the fox and the dog " * 30,
    "a" * 3000,
    "\ud800 Плохо 你好 🧨",
    "h\u200bate &amp; hurt",
)
CANDIDATES = {"a threat": "violence", "hate of people": ["hate", "harassment"], "love": "topic"}
FORMATS = ("transformers", "half", "zero-shot", "detoxify", "onnx", "int8")
each_format = pytest.mark.parametrize("kind", FORMATS)


@pytest.fixture(scope="module")
def detectors(
    transformers_folder: Path, nli_folder: Path, detoxify_checkpoint: Path, onnx_folder: Path, int8_folder: Path
) -> dict[str, TextClassifier]:
    zero_shot = {"model": str(nli_folder), "task": "zero-shot", "candidates": CANDIDATES}
    return {
        "transformers": transformers_models.make("own", {"model": str(transformers_folder), "after": 10}),
        "half": transformers_models.make("own", {"model": str(transformers_folder), "dtype": "bfloat16"}),
        "zero-shot": transformers_models.make("own", zero_shot),
        "detoxify": detoxify_models.make("own", {"checkpoint": str(detoxify_checkpoint), "allow_pickle": True}),
        "onnx": onnx_models.make("own", {"model": str(onnx_folder), "threads": 1}),
        "int8": onnx_models.make("own", {"model": str(int8_folder / "model.onnx"), "threads": 1}),
    }


def scores(detector: TextClassifier, *texts: str) -> np.ndarray:
    return detector.scores([Item(text) for text in texts])


@each_format
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.sampled_from(TEXTS) | st.text(max_size=80), max_size=6))
def test_a_text_s_score_does_not_depend_on_its_company(kind: str, detectors: dict[str, TextClassifier], texts: list[str]):
    detector = detectors[kind]
    together = scores(detector, *texts)
    for row, text in zip(together, texts, strict=True):
        assert row == pytest.approx(scores(detector, text)[0], abs=SAME)


def test_company_would_change_the_scores_of_a_dynamically_quantised_graph(
    int8_folder: Path, detectors: dict[str, TextClassifier]
):
    import onnxruntime
    from tokenizers import Tokenizer

    session = onnxruntime.InferenceSession(str(int8_folder / "model.onnx"), providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(int8_folder / "tokenizer.json"))

    def raw(*texts: str) -> np.ndarray:
        rows = tokenizer.encode_batch(texts)
        feed = {"input_ids": [row.ids for row in rows], "attention_mask": [row.attention_mask for row in rows]}
        return session.run(None, {name: np.array(values, np.int64) for name, values in feed.items()})[0]

    long = "the you i will hate love find and hurt good morning"
    assert np.abs(raw(long, "no")[0] - raw(long)[0]).max() > SAME
    assert detectors["int8"]._network.facts.alone
    assert not detectors["onnx"]._alone


def test_a_transformers_model_says_what_transformers_says(transformers_folder: Path, detectors: dict[str, TextClassifier]):
    from transformers import pipeline

    reference = pipeline("text-classification", str(transformers_folder), top_k=None, device="cpu")
    for text in TEXTS[:3]:
        expected = {each["label"]: each["score"] for each in reference([text])[0]}
        assert scores(detectors["transformers"], text)[0] == pytest.approx(
            [expected[name] for name in checkpoints.JIGSAW], abs=SAME
        )


def test_a_zero_shot_model_says_what_transformers_says(nli_folder: Path, detectors: dict[str, TextClassifier]):
    from transformers import pipeline

    reference = pipeline("zero-shot-classification", str(nli_folder), device="cpu")
    for text in TEXTS[:3]:
        found = reference(text, list(CANDIDATES), hypothesis_template="This text contains {}.", multi_label=True)
        expected = dict(zip(found["labels"], found["scores"], strict=True))
        assert scores(detectors["zero-shot"], text)[0] == pytest.approx([expected[name] for name in CANDIDATES], abs=SAME)


def test_a_detoxify_model_says_what_detoxify_says(detoxify_checkpoint: Path, detectors: dict[str, TextClassifier]):
    from detoxify import Detoxify

    for text in TEXTS[:3]:
        expected = Detoxify(checkpoint=str(detoxify_checkpoint)).predict(text)
        assert scores(detectors["detoxify"], text)[0] == pytest.approx(list(expected.values()), abs=SAME)


def test_half_precision_is_near_the_whole(detectors: dict[str, TextClassifier]):
    assert scores(detectors["half"], "good morning") == pytest.approx(scores(detectors["transformers"], "good morning"), abs=0.1)


@each_format
def test_the_worst_window_of_a_long_text_counts_wherever_it_stands(kind: str, detectors: dict[str, TextClassifier]):
    detector = detectors[kind]
    harmless, window = "dog " * 300, detector._cutter._room
    rises = {word: scores(detector, f"{word} " * window)[0] - scores(detector, harmless)[0] for word in checkpoints.WORDS}
    word = max(rises, key=lambda word: rises[word].max())
    column = int(rises[word].argmax())
    assert rises[word][column] > 0.01
    harmful = f"{word} " * 3 * window
    for text in (harmful + harmless, harmless + harmful, harmless + harmful + harmless):
        assert scores(detector, text)[0][column] >= scores(detector, f"{word} " * window)[0][column] - SAME


@each_format
def test_findings_carry_what_the_item_says_and_no_span(kind: str, detectors: dict[str, TextClassifier]):
    detector = detectors[kind]
    item = Item("I hate you", Stage.OUTPUT, Role.TOOL_RESULT, Location("/a/0", 2))
    [findings] = detector.detect([item])
    assert findings
    for finding in findings:
        assert (finding.detector, finding.location, finding.role, finding.span) == ("own", item.location, item.role, None)
        assert finding.category in detector.categories
        assert REPORTED <= finding.score <= 1


def test_labels_of_one_category_give_it_the_higher_score(transformers_folder: Path):
    labels = {"toxic": ["hate", "custom/mine"], "insult": "hate"}
    detector = transformers_models.make("own", {"model": str(transformers_folder), "labels": labels})
    row = dict(zip(checkpoints.JIGSAW, scores(detector, "I hate you")[0].tolist(), strict=True))
    found = {finding.category: finding.score for finding in detector.detect([Item("I hate you")])[0]}
    assert found == {"hate": max(row["toxic"], row["insult"]), "custom/mine": row["toxic"]}


@each_format
def test_what_stands_before_the_judged_part_is_context_only(kind: str, detectors: dict[str, TextClassifier]):
    detector = detectors[kind]
    context = "hate hurt " * 100
    assert detector.detect([Item(context, judged_from=len(context))]) == [[]]
    near = scores(detector, "good morning")
    far = detector.scores([Item(context + "good morning " * 60, judged_from=len(context))])
    everything = scores(detector, context + "good morning " * 60)
    assert np.isfinite(near).all()
    assert (far <= everything + SAME).all()


@each_format
def test_disguised_letters_are_read_as_a_reader_would(kind: str, detectors: dict[str, TextClassifier]):
    plain, disguised = scores(detectors[kind], "I hate you", "Ｉ h\u200bate y\u2060ou")
    assert plain == pytest.approx(disguised, abs=SAME)


@pytest.mark.parametrize("kind", ["transformers", "onnx"])
def test_a_megabyte_is_judged_to_its_end(kind: str, detectors: dict[str, TextClassifier]):
    detector = detectors[kind]
    filler = "the fox and the dog " * 25_000
    assert len(filler + filler) >= 1_000_000
    assert np.isfinite(scores(detector, "a" * 1_000_000)).all()
    context = Item(filler + "hate hurt you", judged_from=len(filler))
    assert (scores(detector, filler + filler + "hate hurt you")[0] >= detector.scores([context])[0] - SAME).all()


@each_format
def test_no_items_and_empty_texts_are_no_trouble(kind: str, detectors: dict[str, TextClassifier]):
    assert detectors[kind].detect([]) == []
    assert detectors[kind].detect([Item(""), Item(" \n"), Item("\u200b")]) == [[], [], []]


def test_a_model_that_computes_no_number_gives_no_verdict(tmp_path: Path):
    model = checkpoints.model(checkpoints.JIGSAW, "multi_label_classification")
    model.classifier.bias.data[0] = float("nan")
    model.save_pretrained(tmp_path)
    checkpoints.save_tokenizer(tmp_path)
    detector = transformers_models.make("own", {"model": str(tmp_path)})
    with pytest.raises(DetectorError, match="no number"):
        detector.detect([Item("secret words")])


def test_two_detectors_with_one_model_load_it_once_and_take_turns(transformers_folder: Path, onnx_folder: Path):
    for make, folder in ((transformers_models.make, transformers_folder), (onnx_models.make, onnx_folder)):
        one = make("one", {"model": str(folder)})
        other = make("other", {"model": str(folder), "labels": {"toxic": "hate"}})
        assert one._network is other._network
        assert one.model_key == other.model_key != ""
        assert one.version != other.version
        assert one.categories != other.categories == ("hate",)


def test_a_model_that_no_detector_holds_is_let_go(onnx_folder: Path):
    from weakref import ref

    network = ref(onnx_models.make("own", {"model": str(onnx_folder), "threads": 2})._network)
    gc.collect()
    assert network() is None


def test_the_version_follows_weights_labels_and_windows(tmp_path: Path, transformers_folder: Path):
    def version(folder: Path, **options: object) -> str:
        return transformers_models.make("own", {"model": str(folder), **options}).version

    first = version(transformers_folder)
    assert version(transformers_folder) == first
    checkpoints.model(checkpoints.JIGSAW, "multi_label_classification", seed=8).save_pretrained(tmp_path)
    checkpoints.save_tokenizer(tmp_path)
    changed: Sequence[str] = (
        version(tmp_path),
        version(transformers_folder, labels={"toxic": "hate"}),
        version(transformers_folder, tokens=32),
        version(transformers_folder, scores="softmax"),
        version(transformers_folder, dtype="bfloat16"),
    )
    assert len({first, *changed}) == 6


def test_a_model_that_reads_its_padding_gets_texts_one_by_one(tmp_path: Path):
    from transformers import FNetConfig, FNetForSequenceClassification  # mixes all positions, and takes no mask

    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "intermediate_size": 64, "max_position_embeddings": checkpoints.TOKENS}
    settings = FNetConfig(vocab_size=len(checkpoints.VOCABULARY), pad_token_id=0, id2label={0: "toxic", 1: "neutral"}, **sizes)
    FNetForSequenceClassification(settings).save_pretrained(tmp_path)
    checkpoints.save_tokenizer(tmp_path)
    detector = transformers_models.make("own", {"model": str(tmp_path)})
    assert scores(detector, "no", *TEXTS)[0] == pytest.approx(scores(detector, "no")[0], abs=1e-6)
    assert detector._alone


@pytest.mark.parametrize("fixed", [(1, 24), ("batch", 24)])
def test_a_graph_of_fixed_size_is_padded_to_it(tmp_path: Path, fixed: tuple, detectors: dict[str, TextClassifier]):
    detector = onnx_models.make("own", {"model": str(checkpoints.save_onnx(tmp_path, fixed=fixed)), "threads": 1})
    assert detector._network.facts.limit == 24
    assert scores(detector, "I hate you", "no") == pytest.approx(scores(detectors["onnx"], "I hate you", "no"), abs=SAME)
    assert np.isfinite(scores(detector, "the fox " * 100)).all()


def test_a_vocabulary_without_tokenizer_json_reads_the_same(tmp_path: Path, detectors: dict[str, TextClassifier]):
    graph = checkpoints.save_onnx(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    assert scores(onnx_models.make("own", {"model": str(graph)}), *TEXTS) == pytest.approx(
        scores(detectors["onnx"], *TEXTS), abs=SAME
    )


def test_a_graph_in_a_folder_of_its_own_finds_its_configuration_above(tmp_path: Path, detectors: dict[str, TextClassifier]):
    graph = checkpoints.save_onnx(tmp_path)
    (tmp_path / "onnx").mkdir()
    graph.rename(tmp_path / "onnx" / "model_fp32.onnx")
    detector = onnx_models.make("own", {"model": str(tmp_path), "file": "onnx/model_fp32.onnx"})
    assert scores(detector, *TEXTS) == pytest.approx(scores(detectors["onnx"], *TEXTS), abs=SAME)


def test_pickled_weights_are_read_where_the_policy_allows_it(tmp_path: Path, detectors: dict[str, TextClassifier]):
    folder = checkpoints.save_pickled(tmp_path)
    labels = dict.fromkeys(checkpoints.JIGSAW, "toxicity")
    options = {"model": str(folder), "allow_pickle": True, "labels": labels, "scores": "sigmoid"}
    found = scores(transformers_models.make("own", options), "I hate you")
    assert found == pytest.approx(scores(detectors["transformers"], "I hate you"), abs=SAME)
