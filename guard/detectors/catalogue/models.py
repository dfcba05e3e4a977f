"""Kinds that run a model on this machine: what users have already."""

from __future__ import annotations

from guard.detectors.catalogue.late import graded, late
from guard.policy.kinds import Kind, Option

_CHECKS = "guard.detectors.classifiers.checks"

_WINDOWS = {
    "tokens": Option(
        "integer", "tokens that the model reads at once; what it allows, up to 512, where absent", minimum=16, maximum=8192
    ),
    "after": Option("integer", "characters after which a window may end at a sentence", minimum=1, maximum=10_000),
    "most": Option("integer", "characters that a window has at most", minimum=40, maximum=10_000),
    "context": Option("integer", "characters before a window that are shown with it", minimum=0, maximum=10_000),
}
_LABELS = Option("mapping", "the model's labels, each with a category, a list of them, or null; well-known labels need no map")
_DEVICE = Option("string", "where it runs; `auto` is CUDA where there is one", choices=("auto", "cpu", "cuda"))
_MODEL = {
    "model": Option(
        "string", "a path that begins with `.`, `/` or `~`, or the id of a model of the hub", required=True, path=True, hub=True
    ),
    "revision": Option("string", "the commit of a model of the hub"),
    "allow_unpinned": Option("boolean", "take whatever the hub has under that id"),
    "task": Option(
        "string", "`zero-shot` for a model of natural language inference", choices=("text-classification", "zero-shot")
    ),
    "labels": _LABELS,
    "candidates": Option("mapping", "for `zero-shot`: what to look for, each with a category or a list of them"),
    "template": Option("string", "for `zero-shot`: the sentence that a candidate, at `{}`, is put into"),
    "scores": Option(
        "string",
        "how outputs become scores; as the model's configuration says where absent",
        choices=("auto", "softmax", "sigmoid", "as-is"),
    ),
}

KINDS: tuple[Kind, ...] = (
    Kind(
        use="detoxify",
        summary="Unitary's Detoxify models for toxic comments",
        make=late("guard.detectors.classifiers.detoxify_models", "make"),
        categories=late("guard.detectors.classifiers.detoxify_models", "categories_of"),
        check=late(_CHECKS, "check_detoxify"),
        spans=False,
        reach="window",
        scores=graded(0.05),
        extra="detoxify",
        modules=("detoxify", "torch", "transformers"),
        licence="Apache-2.0",
        options={
            "model": Option(
                "string",
                "a published model, `original` where absent",
                choices=("original", "unbiased", "multilingual", "original-small", "unbiased-small"),
            ),
            "checkpoint": Option("string", "a checkpoint of your own", path=True),
            "allow_pickle": Option("boolean", "read a checkpoint that can run code"),
            "labels": _LABELS,
            "device": _DEVICE,
            **_WINDOWS,
        },
    ),
    Kind(
        use="transformers",
        summary="any model of `transformers` that classifies texts, zero-shot too",
        make=late("guard.detectors.classifiers.transformers_models", "make"),
        categories=late(_CHECKS, "categories_of"),
        check=late(_CHECKS, "check"),
        spans=False,
        reach="window",
        scores=graded(0.05),
        extra="transformers",
        modules=("torch", "transformers"),
        licence="the model's own",
        options={
            **_MODEL,
            "allow_pickle": Option("boolean", "read weights that can run code, where there are no safetensors"),
            "device": _DEVICE,
            "dtype": Option(
                "string",
                "how precisely it computes; texts go one by one in half precision",
                choices=("float32", "float16", "bfloat16"),
            ),
            **_WINDOWS,
        },
    ),
    Kind(
        use="onnx",
        summary="a text classifier in ONNX, without torch",
        make=late("guard.detectors.classifiers.onnx_models", "make"),
        categories=late(_CHECKS, "categories_of"),
        check=late(_CHECKS, "check"),
        spans=False,
        reach="window",
        scores=graded(0.05),
        extra="onnx",
        modules=("onnxruntime", "tokenizers"),
        licence="the model's own",
        options={
            **_MODEL,
            "file": Option("string", "the graph's name in the folder, where it is not `model.onnx`"),
            "threads": Option(
                "integer", "threads of one call; the cores that the process may use where absent", minimum=1, maximum=256
            ),
            **_WINDOWS,
        },
    ),
)
