"""`use: detoxify`: Unitary's Detoxify models, by name or from a checkpoint of your own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from guard.detectors.classifiers.classifier import TextClassifier, build
from guard.detectors.classifiers.files import digest_of
from guard.detectors.classifiers.labels import DEFAULTS, all_named
from guard.detectors.classifiers.network import Network
from guard.detectors.classifiers.torch_network import device_of, network_of, no_progress_bars
from guard.errors import DetectorError, MissingExtra
from guard.runtime.shared import shared

MODELS = ("original", "unbiased", "multilingual", "original-small", "unbiased-small")
"""The names of Detoxify's published models."""

_RENAMED = {"toxic": "toxicity", "severe_toxic": "severe_toxicity", "identity_hate": "identity_attack"}
"""Detoxify's own names for labels of its first model, which its users know."""

_HASH_DIGITS = 8


def make(name: str, options: Mapping[str, Any]) -> TextClassifier:
    """Return the detector; a model that another detector of this process uses is not loaded again.

    Raises:
        MissingExtra: Where detoxify is missing.
        DetectorError: Where the checkpoint is missing, incomplete, or none of Detoxify's; where it may not be unpickled.
    """
    try:
        import detoxify  # type: ignore[import-untyped]  # noqa: F401 - it ships no types
    except ImportError as error:
        raise MissingExtra(f"the detector '{name}'", "detoxify") from error
    pickles = bool(options.get("allow_pickle"))
    if "checkpoint" in options:
        path = _own(name, Path(options["checkpoint"]).expanduser(), allow_pickle=pickles)
    else:
        path = _published(name, options.get("model", "original"))
    digest = digest_of([path])
    device = device_of(name, options.get("device", "auto"))
    network = shared(("detoxify", digest, device), lambda: _load(name, path, allow_pickle=pickles, digest=digest, device=device))
    return build(name, network, options)


def categories_of(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a detector with these options can report, without loading it."""
    given = options.get("labels")
    usual = (
        DEFAULTS[label] for label in ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate", "sexual_explicit")
    )
    return all_named(given) if given else tuple(name for names in usual for name in names)


def _own(name: str, path: Path, *, allow_pickle: bool) -> Path:
    if not path.is_file():
        raise DetectorError(name, f"checkpoint: expected a file of Detoxify's format, found none at {path}")
    if not allow_pickle:
        found = f"found a checkpoint, {path.name}, which is a pickle and can run code when it is read"
        raise DetectorError(name, f"allow_pickle: expected true, {found}; say `allow_pickle: true` if you trust whoever made it")
    return path


def _published(name: str, model: str) -> Path:
    """Return a published checkpoint in torch's cache; a download is checked against the hash in its name."""
    import torch
    from detoxify.detoxify import MODEL_URLS  # type: ignore[import-untyped]  # it ships no types

    url: str = MODEL_URLS[model]
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(path), hash_prefix=path.stem[-_HASH_DIGITS:], progress=False)
        except Exception as error:  # the network, the disk or the hash
            reason = f"expected to get {url}, found {type(error).__name__}"
            raise DetectorError(name, f"model: {reason}; put the file into {path.parent}, or name it by `checkpoint:`") from error
    return path


def _load(name: str, path: Path, *, allow_pickle: bool, digest: str, device: str) -> Network:
    from detoxify.detoxify import get_model_and_tokenizer

    checkpoint = _read(name, path, allow_pickle=allow_pickle)
    try:
        labels = tuple(_RENAMED.get(label, label) for label in checkpoint["config"]["dataset"]["args"]["classes"])
        weights = checkpoint["state_dict"]
        with no_progress_bars():
            model, tokenizer = get_model_and_tokenizer(**checkpoint["config"]["arch"]["args"], state_dict=weights)
    except Exception as error:  # transformers and torch raise whatever a wrong checkpoint brings about
        reason = str(error).strip().split("\n")[0][:200]
        expected = f"expected a checkpoint of Detoxify in {path}"
        raise DetectorError(name, f"checkpoint: {expected}, found {type(error).__name__}: {reason}") from error
    missing = sorted(set(model.state_dict()) - set(weights))
    if missing:
        found = f"found no {', '.join(missing[:3])}"
        raise DetectorError(name, f"checkpoint: expected all weights of {type(model).__name__} in {path}, {found}")
    return network_of(
        name, model, tokenizer, digest=digest, device=device, dtype="float32", labels=labels, problem="multi_label_classification"
    )


def _read(name: str, path: Path, *, allow_pickle: bool) -> Any:  # noqa: ANN401
    """Read a checkpoint; one of Detoxify's own goes through torch's reader of plain values unless pickles are allowed."""
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=not allow_pickle)
    except Exception as error:  # a broken archive and a refused pickle alike
        found = f"found {type(error).__name__}"
        way_out = "is it complete?" if allow_pickle else "is it complete, or does it need `allow_pickle: true`?"
        raise DetectorError(name, f"checkpoint: expected a checkpoint of Detoxify in {path}, {found}; {way_out}") from error
