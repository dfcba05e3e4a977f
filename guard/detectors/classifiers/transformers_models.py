"""`use: transformers`: any model for sequence classification or natural language inference."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from guard.detectors.classifiers.classifier import TextClassifier, build
from guard.detectors.classifiers.files import digest_of, folder_of, side_files
from guard.detectors.classifiers.network import Network
from guard.detectors.classifiers.torch_network import device_of, dtype_of, network_of, no_progress_bars
from guard.errors import DetectorError, MissingExtra
from guard.runtime.shared import shared

SAFE = ("model*.safetensors", "model.safetensors.index.json")
"""Weights that are read as what they are."""

PICKLED = ("pytorch_model*.bin", "pytorch_model.bin.index.json")
"""Weights that are unpickled."""


def make(name: str, options: Mapping[str, Any]) -> TextClassifier:
    """Return the detector; a model that another detector of this process uses is not loaded again.

    Raises:
        MissingExtra: Where torch or transformers is missing.
        DetectorError: Where the model is missing, incomplete, of another architecture, or does not fit its labels.
    """
    try:
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError as error:
        raise MissingExtra(f"the detector '{name}'", "transformers") from error
    pickles = bool(options.get("allow_pickle"))
    folder = folder_of(name, "transformers", options, SAFE + (PICKLED if pickles else ()))
    weights = _weights(name, folder, allow_pickle=pickles)
    digest = digest_of([*side_files(folder), *weights])
    device, dtype = device_of(name, options.get("device", "auto")), options.get("dtype", "float32")
    safe = weights[0].suffix != ".bin"
    network = shared(
        ("transformers", digest, device, dtype), lambda: _load(name, folder, safe=safe, digest=digest, device=device, dtype=dtype)
    )
    return build(name, network, options)


def _weights(name: str, folder: Path, *, allow_pickle: bool) -> list[Path]:
    """Return the files with the weights: safetensors where there are any.

    Raises:
        DetectorError: Where there are none that may be read.
    """
    if not folder.is_dir():
        raise DetectorError(name, f"model: expected a folder with config.json and model.safetensors, found a file: {folder}")
    found = _matching(folder, SAFE)
    if any(path.suffix == ".safetensors" for path in found):
        return found
    pickled = [path for path in _matching(folder, PICKLED) if path.suffix == ".bin"]
    if not pickled:
        raise DetectorError(name, f"model: expected model.safetensors in {folder}, found no weights; is the model complete?")
    if not allow_pickle:
        found_here = f"found {pickled[0].name}, which is a pickle and can run code when it is read"
        raise DetectorError(name, f"model: expected model.safetensors, {found_here}; convert it, or say `allow_pickle: true`")
    return _matching(folder, PICKLED)


def _matching(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    """Return the files that match, weights before their index."""
    return sorted(
        {path for pattern in patterns for path in folder.glob(pattern)}, key=lambda path: (path.suffix == ".json", path.name)
    )


def _load(name: str, folder: Path, *, safe: bool, digest: str, device: str, dtype: str) -> Network:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    local = {"trust_remote_code": False, "local_files_only": True}
    try:
        with no_progress_bars():
            tokenizer = AutoTokenizer.from_pretrained(folder, **local)
            model, notes = AutoModelForSequenceClassification.from_pretrained(
                folder, use_safetensors=safe, dtype=dtype_of(dtype), output_loading_info=True, **local
            )
    except Exception as error:  # a broken file makes every library below raise its own
        reason = str(error).strip().split("\n")[0][:200]
        expected = f"expected a model for sequence classification in {folder}"
        raise DetectorError(name, f"model: {expected}, found {type(error).__name__}: {reason}") from error
    missing = sorted(notes["missing_keys"])
    if missing:
        found = f"found no {', '.join(missing[:3])}"
        raise DetectorError(
            name, f"model: expected all weights of {type(model).__name__}, {found}; it was trained for something else"
        )
    return network_of(name, model, tokenizer, digest=digest, device=device, dtype=dtype)
