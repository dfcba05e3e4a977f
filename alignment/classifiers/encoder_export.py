"""Write the trained transformer as ONNX in int8, with its calibration in the file."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from alignment.classifiers.calibration import Calibration
from guard.detectors.embedded_stages import CATEGORIES
from guard.detectors.encoder_stage import FORMAT

if TYPE_CHECKING:
    import torch

_OPSET = 17


def export(net: torch.nn.Module, path: Path) -> None:
    """Write the network in int8: weights by channel, activations by a scale that each call takes."""
    import onnx
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic

    inputs = ("ids", "mask", "judged")
    example = tuple(torch.ones((2, 16), dtype=torch.long) for _ in inputs)
    axes = {**{name: {0: "texts", 1: "tokens"} for name in inputs}, "logits": {0: "texts"}}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the newer exporter wants two packages more
        exact = Path(folder) / "exact.onnx"
        torch.onnx.export(
            net,
            example,
            str(exact),
            input_names=list(inputs),
            output_names=["logits"],
            dynamic_axes=axes,
            opset_version=_OPSET,
            dynamo=False,
        )
        quantize_dynamic(str(exact), str(path), weight_type=QuantType.QInt8, per_channel=True)
    plain = {name: Calibration(1, 0, 0.5, 0.5) for name in CATEGORIES}
    describe(path, plain, plain, {})
    onnx.checker.check_model(str(path))


def describe(path: Path, alone: Mapping[str, Calibration], together: Mapping[str, Calibration], about: Mapping[str, str]) -> None:
    """Write categories, calibrations and `about` into the file.

    Args:
        alone: Of the model's own log-odds.
        together: Of its log-odds blended with those of the linear stage; the recommended thresholds are of these.
    """
    import onnx

    def numbers(calibrations: Mapping[str, Calibration], part: str) -> str:
        return json.dumps([round(getattr(calibrations[name], part), 5) for name in CATEGORIES])

    described = {
        "format": FORMAT,
        "licence": "Apache-2.0",
        "categories": json.dumps(CATEGORIES),
        "slopes": numbers(alone, "slope"),
        "offsets": numbers(alone, "offset"),
        "slopes_together": numbers(together, "slope"),
        "offsets_together": numbers(together, "offset"),
        "thresholds": json.dumps({name: round(together[name].tight, 4) for name in CATEGORIES}),
        "loose": json.dumps({name: round(together[name].loose, 4) for name in CATEGORIES}),
        **about,
    }
    model = onnx.load(str(path))
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, described)
    onnx.save(model, str(path))
