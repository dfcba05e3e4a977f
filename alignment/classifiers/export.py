"""Put a trained model where the guard finds it: weights, digest, card."""

from __future__ import annotations

import hashlib
from pathlib import Path

from alignment.classifiers.card import card
from alignment.classifiers.training import Training
from guard.detectors.embedded_stages import MODEL


def export(training: Training, out: Path) -> Path:
    """Write the weights, their SHA-256 and `README.md` into `out`, and return the path of the weights."""
    out.mkdir(parents=True, exist_ok=True)
    raw = training.stage.dump()
    digest = hashlib.sha256(raw).hexdigest()
    path = out / MODEL.name
    path.write_bytes(raw)
    path.with_name(path.name + ".sha256").write_text(f"{digest}  {path.name}\n", encoding="ascii")
    (out / "README.md").write_text(card(training, len(raw), digest[:16]), encoding="utf-8")
    return path
