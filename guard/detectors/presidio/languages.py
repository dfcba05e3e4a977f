"""spaCy's pipelines: a language model that is installed, or only the words of a language. Nothing is downloaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from guard.detectors.presidio.entities import BY_MODEL
from guard.errors import DetectorError, MissingExtra
from guard.runtime.shared import shared

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

MODEL_ENTITIES: Mapping[str, str] = {
    "PER": "PERSON",
    "PERSON": "PERSON",
    "NORP": "NRP",
    "FAC": "LOCATION",
    "LOC": "LOCATION",
    "GPE": "LOCATION",
    "ORG": "ORGANIZATION",
    "DATE": "DATE_TIME",
    "TIME": "DATE_TIME",
}
"""What the labels of spaCy's models are to Presidio (its `conf/default.yaml`, which leaves organizations out)."""

_LOWERED = "tenet_lowered"


def pipelines(name: str, languages: Sequence[str], model: str, named: Sequence[str]) -> dict[str, Language]:
    """Return a pipeline for each language: the model for its own, words alone for the others.

    Args:
        name: The detector's.
        model: Empty for none.
        named: The entities that the policy names; those that only a model finds must be among the model's.

    Raises:
        MissingExtra: Where spaCy or Presidio is not installed.
        DetectorError: See `guard.detectors.presidio.analyzer.load`.
    """
    if find_spec("presidio_analyzer") is None or find_spec("spacy") is None:
        raise MissingExtra(f"the detector '{name}'", "presidio")
    loaded = _model(name, model, languages, named) if model else None
    blank = [code for code in languages if loaded is None or code != loaded.lang]
    with_model = {} if loaded is None else {str(loaded.lang): loaded}
    return {**with_model, **{code: _blank(name, code) for code in blank}}


def changed(model: str) -> int:
    """Return when a folder with a model was last written, in nanoseconds; 0 for the name of a package."""
    return max((entry.stat().st_mtime_ns for entry in Path(model).rglob("*")), default=0) if Path(model).is_absolute() else 0


def _model(name: str, model: str, languages: Sequence[str], named: Sequence[str]) -> Language:
    import spacy

    if not (spacy.util.is_package(model) or Path(model).exists()):
        others = ", ".join(sorted(spacy.util.get_installed_models())) or "none"
        way_out = f"python -m spacy download {model}" if model.isidentifier() else "name a package or a folder"
        raise DetectorError(
            name, f"model: expected an installed spaCy model (there are: {others}), found no '{model}'; {way_out}"
        )
    try:
        pipeline: Language = shared(("spacy", model, changed(model)), lambda: spacy.load(model))
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise DetectorError(name, f"model: expected a spaCy model in '{model}', got {type(error).__name__}: {error}") from None
    if pipeline.lang not in languages:
        raise DetectorError(
            name,
            f"model: expected one for {' or '.join(languages)}, '{model}' is for {pipeline.lang}; say so in `languages`",
        )
    found = {MODEL_ENTITIES.get(label) for label in pipeline.pipe_labels.get("ner", ())}
    for entity in named:
        if entity in BY_MODEL and entity not in found:
            raise DetectorError(name, f"entities: '{model}' finds no {entity}; leave it out, or name a model with named entities")
    return pipeline


def _blank(name: str, code: str) -> Language:
    """Return a pipeline that only cuts a text into words, which are their own lemmas: context words need no more."""
    import spacy
    from spacy.language import Language

    try:
        pipeline = spacy.blank(code)
    except (ImportError, ValueError) as error:
        reason = str(error).strip().split("\n")[0]
        raise DetectorError(name, f"languages: spaCy can't cut '{code}' into words: {reason}") from None
    if not Language.has_factory(_LOWERED):
        Language.component(_LOWERED, func=_lowered)
    pipeline.add_pipe(_LOWERED)
    return pipeline


def _lowered(doc: Doc) -> Doc:
    for token in doc:
        token.lemma_ = token.lower_
    return doc
