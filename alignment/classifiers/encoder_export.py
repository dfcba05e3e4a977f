"""Write the trained transformer as ONNX in int8, with its calibration in the file."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from alignment.classifiers.calibration import Calibration
from guard.detectors.embedded import CATEGORIES
from guard.detectors.encoder_stage import FORMAT

if TYPE_CHECKING:
    import torch

_OPSET = 17


def export(net: torch.nn.Module, path: Path) -> None:
    """Write the network in int8: weights by channel, activations by a scale that each call takes."""
    import onnx
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic

    example = (torch.ones((2, 16), dtype=torch.long), torch.ones((2, 16), dtype=torch.long))
    axes = {"ids": {0: "texts", 1: "tokens"}, "mask": {0: "texts", 1: "tokens"}, "logits": {0: "texts"}}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the newer exporter wants two packages more
        exact = Path(folder) / "exact.onnx"
        torch.onnx.export(
            net,
            example,
            str(exact),
            input_names=["ids", "mask"],
            output_names=["logits"],
            dynamic_axes=axes,
            opset_version=_OPSET,
            dynamo=False,
        )
        quantize_dynamic(str(exact), str(path), weight_type=QuantType.QInt8, per_channel=True)
    describe(path, {name: Calibration(1, 0, 0.5, 0.5) for name in CATEGORIES}, {})
    onnx.checker.check_model(str(path))


def describe(path: Path, calibrations: Mapping[str, Calibration], about: Mapping[str, str]) -> None:
    """Write categories, calibration and `about` into the file."""
    import onnx

    found = [calibrations[name] for name in CATEGORIES]
    described = {
        "format": FORMAT,
        "licence": "Apache-2.0",
        "categories": json.dumps(CATEGORIES),
        "slopes": json.dumps([round(each.slope, 5) for each in found]),
        "offsets": json.dumps([round(each.offset, 5) for each in found]),
        "thresholds": json.dumps({name: round(calibrations[name].tight, 4) for name in CATEGORIES}),
        "loose": json.dumps({name: round(calibrations[name].loose, 4) for name in CATEGORIES}),
        **about,
    }
    model = onnx.load(str(path))
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, described)
    onnx.save(model, str(path))
