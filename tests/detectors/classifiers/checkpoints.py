"""Small checkpoints of the formats that users have, with random weights from a seed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

JIGSAW = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")
NLI = ("contradiction", "neutral", "entailment")
WORDS = ("the", "you", "i", "will", "hate", "love", "find", "and", "hurt", "good", "morning", "fox", "dog", "no", "this", "text")
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,!?'-"
VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *LETTERS, *(f"##{letter}" for letter in LETTERS))
TOKENS = 64


def config(labels: Sequence[str], problem: str | None = None) -> Any:
    from transformers import BertConfig

    return BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=TOKENS,
        pad_token_id=0,
        initializer_range=0.7,
        problem_type=problem,
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
    )


def model(labels: Sequence[str], problem: str | None = None, seed: int = 7) -> Any:
    import torch
    from transformers import BertForSequenceClassification

    torch.manual_seed(seed)
    made = BertForSequenceClassification(config(labels, problem)).eval()
    made.classifier.weight.data *= 0.2  # scores of 0.9999 would hide differences
    return made


def save_tokenizer(folder: Path) -> None:
    """A WordPiece tokenizer; its tokenizer.json truncates and pads, as that of many sentence encoders does."""
    from tokenizers.implementations import BertWordPieceTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    tokenizer = BertWordPieceTokenizer(vocab=str(folder / "vocab.txt"))
    tokenizer.enable_truncation(16)
    tokenizer.enable_padding(length=16)
    tokenizer.save(str(folder / "tokenizer.json"))
    about = {"tokenizer_class": "BertTokenizer", "model_max_length": TOKENS, "do_lower_case": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(about))


def save_transformers(folder: Path, labels: Sequence[str] = JIGSAW, problem: str | None = "multi_label_classification") -> Path:
    model(labels, problem).save_pretrained(folder)
    save_tokenizer(folder)
    return folder


def save_pickled(folder: Path) -> Path:
    """A checkpoint as they were before safetensors."""
    import torch

    saved = model(JIGSAW)
    save_tokenizer(folder)
    saved.config.save_pretrained(folder)
    torch.save(saved.state_dict(), folder / "pytorch_model.bin")
    return folder


def save_detoxify(folder: Path, labels: Sequence[str] = JIGSAW) -> Path:
    import torch

    save_tokenizer(folder)
    saved = model(labels)
    saved.config.save_pretrained(folder)
    arch = {"model_type": str(folder), "model_name": "BertForSequenceClassification", "tokenizer_name": "BertTokenizer"}
    settings = {"arch": {"args": {**arch, "num_classes": len(labels)}}, "dataset": {"args": {"classes": list(labels)}}}
    path = folder / "toxic.ckpt"
    torch.save({"config": settings, "state_dict": saved.state_dict()}, path)
    return path


def save_onnx(
    folder: Path, labels: Sequence[str] = JIGSAW, *, quantized: bool = False, fixed: tuple[int, int] | None = None
) -> Path:
    """A one-layer classifier in ONNX: the mean of the embeddings that the mask leaves, and a matrix.

    Args:
        quantized: Whether its matrix is int8 with a dynamic scale.
        fixed: Rows and tokens, where the graph leaves them no choice.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    save_tokenizer(folder)
    (folder / "config.json").write_text(config(labels, "multi_label_classification").to_json_string(use_diff=False))
    random = np.random.default_rng(7)
    weights = {
        "table": random.normal(size=(len(VOCABULARY), 32)).astype(np.float32),
        "matrix": random.normal(size=(32, len(labels))).astype(np.float32),
        "last": np.array([2], np.int64),
        "tokens": np.array([1], np.int64),
    }
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("Cast", ["attention_mask"], ["seen"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["seen", "last"], ["column"]),
        helper.make_node("Mul", ["rows", "column"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "tokens"], ["total"], keepdims=0),
        helper.make_node("ReduceSum", ["seen", "tokens"], ["count"], keepdims=1),
        helper.make_node("Div", ["total", "count"], ["mean"]),
        helper.make_node("MatMul", ["mean", "matrix"], ["logits"]),
    ]
    shape = list(fixed or ("batch", "sequence"))
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in ("input_ids", "attention_mask")],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [shape[0], len(labels)])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    path = folder / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    if quantized:
        _quantize(path)
    return path


def _quantize(path: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(path, path, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul"])
