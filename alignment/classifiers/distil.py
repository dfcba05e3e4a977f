"""Distil what an expensive detector, or people, decided into a small classifier that a policy can use without torch.

The sentence encoder that `similarity` uses stays as it is. A logistic layer for each category is fitted on its vectors,
calibrated on texts that it did not see, and written behind it into one ONNX graph, which the detector kind `onnx` runs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from guard import categories
from guard.detectors.meaning.encoder import MODEL_SHA256, PACKAGE, WIDTH, WINDOW, encoder
from guard.errors import TenetError

if TYPE_CHECKING:
    from numpy.typing import NDArray

HELD_OUT = 25
"""Percent of the texts that are held out, by a hash of each: they calibrate and judge."""
LEAST = 20
"""Examples of each answer that a category needs, in training and held out together."""
_POOL = "sentence"


@dataclass(frozen=True, slots=True)
class Taught:
    """A category that was learned.

    Attributes:
        weights: Of the encoder's vector, with the calibration folded in.
        figures: On held-out texts.
    """

    category: str
    weights: NDArray[np.float64]
    bias: float
    examples: int
    positives: int
    figures: Mapping[str, float]


def distil(
    rows: Sequence[tuple[str, Mapping[str, float]]], out: Path, tell: Callable[[str], None] = lambda _line: None
) -> list[Taught]:
    """Write a classifier into a folder, and return what it learned.

    Args:
        rows: Texts with scores by category, in [0, 1]; a category that is not named is unknown.
        out: A new folder.

    Raises:
        TenetError: Where no category has enough examples, or the folder is there.
    """
    if out.exists() and any(out.iterdir()):
        raise TenetError(f"{out}: expected a new folder, found files in it")
    names = sorted({name for _, labels in rows for name in labels})
    wrong = [name for name in names if not categories.is_known(name) and not name.startswith("custom/")]
    if wrong:
        raise TenetError(f"expected Tenet's categories, or custom/…, got {', '.join(wrong[:5])}")
    tell(f"reading {len(rows):,} texts")
    vectors = encoder("distilled").vectors([text for text, _ in rows])
    held = np.array([_hash(text) % 100 < HELD_OUT for text, _ in rows])
    taught = []
    for name in names:
        known = np.array([name in labels for _, labels in rows])
        truth = np.array([labels.get(name, 0.0) >= 0.5 for _, labels in rows])
        least = min(truth[known].sum(), (~truth[known]).sum())
        if least < LEAST:
            tell(f"{name}: left out, as it has {least} of the rarer answer; it takes {LEAST}")
            continue
        taught.append(_taught(name, vectors, truth, known, held))
        figures = taught[-1].figures
        tell(f"{name}: AUROC {figures['auroc']:.3f}, AUPRC {figures['auprc']:.3f}, ECE {figures['ece']:.3f} on held-out texts")
    if not taught:
        raise TenetError(
            f"expected a category with at least {LEAST} texts of either answer, found none among {len(rows):,} texts"
        )
    out.mkdir(parents=True, exist_ok=True)
    _write(out, taught, len(rows))
    return taught


def _taught(
    name: str, vectors: NDArray[np.float32], truth: NDArray[np.bool_], known: NDArray[np.bool_], held: NDArray[np.bool_]
) -> Taught:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import average_precision_score, roc_auc_score

    from guard.evaluation.metrics import calibration_error

    fit = LogisticRegression(C=10.0, class_weight="balanced", max_iter=2000).fit(vectors[known & ~held], truth[known & ~held])
    seen = vectors[known & held] @ fit.coef_[0] + fit.intercept_[0]
    answers = truth[known & held]
    if answers.all() or not answers.any():
        raise TenetError(f"{name}: expected both answers among held-out texts, found one (more examples are needed)")
    scale = LogisticRegression(C=1e3).fit(seen[:, None], answers)
    a, b = float(scale.coef_[0, 0]), float(scale.intercept_[0])
    scores = 1 / (1 + np.exp(-(a * seen + b)))
    figures = {
        "auroc": float(roc_auc_score(answers, scores)),
        "auprc": float(average_precision_score(answers, scores)),
        "ece": calibration_error(answers.astype(np.int8), scores),
        "caught": float((scores[answers] >= 0.5).mean()),
        "false_alarms": float((scores[~answers] >= 0.5).mean()),
        "held_out": float(len(answers)),
    }
    return Taught(name, a * fit.coef_[0], a * float(fit.intercept_[0]) + b, int(known.sum()), int(truth[known].sum()), figures)


def _write(out: Path, taught: Sequence[Taught], texts: int) -> None:
    import onnx

    graph = _graph(taught)
    onnx.save(graph, str(out / "model.onnx"))
    labels = {str(index): each.category for index, each in enumerate(taught)}
    config = {
        "model_type": "bert",
        "id2label": labels,
        "label2id": {name: int(index) for index, name in labels.items()},
        "problem_type": "multi_label_classification",
        "max_position_embeddings": WINDOW,
    }
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    _tokenizer(out)
    (out / "README.md").write_text(_card(taught, texts), encoding="utf-8")


def _graph(taught: Sequence[Taught]) -> Any:  # noqa: ANN401 - onnx ships no types
    """Return the encoder's graph with pooling, normalising and the layer of categories behind it."""
    from importlib.util import find_spec

    import onnx
    from onnx import TensorProto, helper, numpy_helper

    spec = find_spec(PACKAGE)
    assert spec is not None and spec.origin is not None  # noqa: S101 - the encoder has been used
    model = onnx.load(str(Path(spec.origin).with_name("model.onnx")))
    graph = model.graph
    weights = np.stack([each.weights for each in taught], axis=1).astype(np.float32)
    bias = np.array([each.bias for each in taught], dtype=np.float32)
    graph.initializer.extend(
        [
            numpy_helper.from_array(weights, "tenet_weights"),
            numpy_helper.from_array(bias, "tenet_bias"),
            numpy_helper.from_array(np.array([1], dtype=np.int64), "tenet_words"),
            numpy_helper.from_array(np.array([2], dtype=np.int64), "tenet_last"),
        ]
    )
    graph.node.extend(
        [
            helper.make_node("Cast", ["attention_mask"], ["tenet_mask"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["tenet_mask", "tenet_last"], ["tenet_mask3"]),
            helper.make_node("Mul", ["last_hidden_state", "tenet_mask3"], ["tenet_kept"]),
            helper.make_node("ReduceSum", ["tenet_kept", "tenet_words"], ["tenet_summed"], keepdims=0),
            helper.make_node("LpNormalization", ["tenet_summed"], [_POOL], axis=1, p=2),
            helper.make_node("Gemm", [_POOL, "tenet_weights", "tenet_bias"], ["logits"]),
        ]
    )
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(taught)]))
    onnx.checker.check_model(model)
    return model


def _tokenizer(out: Path) -> None:
    from tokenizers import BertWordPieceTokenizer

    import guard.detectors

    vocabulary = Path(guard.detectors.__file__).with_name("models") / "wordpiece.txt"
    tokenizer = BertWordPieceTokenizer(str(vocabulary), lowercase=True)
    tokenizer.save(str(out / "tokenizer.json"))
    known = {"tokenizer_class": "BertTokenizer", "model_max_length": WINDOW, "do_lower_case": True}
    (out / "tokenizer_config.json").write_text(json.dumps(known, indent=2) + "\n")


def _card(taught: Sequence[Taught], texts: int) -> str:
    lines = [
        "# A distilled classifier",
        "",
        f"Logistic layers on all-MiniLM-L6-v2 in int8 (`{MODEL_SHA256[:16]}…`, {WIDTH} numbers a text), made of {texts:,} texts;",
        f"{HELD_OUT} % of them, by a hash, were held out: they calibrated the scores, and the figures below are of them.",
        "",
        "| category | texts | positive | AUROC | AUPRC | ECE | caught at 0.5 | false alarms at 0.5 |",
        "| :-- | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for each in taught:
        figures = each.figures
        measured = " | ".join(f"{figures[name]:.3f}" for name in ("auroc", "auprc", "ece", "caught", "false_alarms"))
        lines.append(f"| {each.category} | {each.examples:,} | {each.positives:,} | {measured} |")
    lines += [
        "",
        "It knows what its texts showed it, and nothing else; judge it on texts of other sources by `guard evaluate`.",
        "",
    ]
    return "\n".join(lines)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(" ".join(text.lower().split()).encode()).digest()[:4])
