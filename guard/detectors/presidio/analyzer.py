"""Presidio's AnalyzerEngine, put together for what a policy wants: offline, and with recognizers that cannot run away."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version as installed
from typing import TYPE_CHECKING, Any, NamedTuple

from guard.detectors.presidio.custom import Custom
from guard.detectors.presidio.entities import BY_MODEL, DATE_TIME, RECOGNIZERS, found_unasked
from guard.detectors.presidio.expressions import limit
from guard.detectors.presidio.languages import MODEL_ENTITIES, pipelines
from guard.detectors.presidio.options import Wanted

if TYPE_CHECKING:
    from presidio_analyzer import AnalyzerEngine, EntityRecognizer, RecognizerRegistry
    from spacy.language import Language

_FOUND_BY = ("presidio-analyzer", "spacy", "phonenumbers", "tldextract")
"""The packages whose version may change what is found."""


class Found(NamedTuple):
    """An entity in a text, in code points."""

    entity: str
    start: int
    end: int
    score: float


class Analyzer:
    """Presidio, ready for the languages and entities of one configuration. Any number of threads may call it; they take turns.

    Attributes:
        version: Changes whenever the same text may get other results.
    """

    def __init__(self, engine: AnalyzerEngine, entities: Mapping[str, Sequence[str]], version: str) -> None:
        self.version = version
        self._engine = engine
        self._entities = entities
        self._lock = threading.Lock()

    def find(self, text: str, *, context: Sequence[str], allowed: Sequence[str], least: float) -> list[Found]:
        """Return what is in a text in any of the languages.

        Args:
            context: Words that count as if they stood near everything.
            allowed: Texts that are not reported.
            least: Scores below it are not reported.

        Raises:
            TooSlow: Where an expression does not come to an end.
        """
        found = []
        with self._lock:
            for language, entities in self._entities.items():
                results = self._engine.analyze(
                    text,
                    language,
                    entities=list(entities),
                    score_threshold=least,
                    context=list(context),
                    allow_list=list(allowed),
                )
                found += [Found(one.entity_type, one.start, one.end, float(one.score)) for one in results]
        return best(found)


def best(found: Iterable[Found]) -> list[Found]:
    """Return the results by place, without those that another one makes idle.

    Idle is a result within one of the same entity that is as strong, and a weaker one within one that is certain: the parts of an
    e-mail address read as hosts, those of a card's number as numbers of phones.
    """
    kept: list[Found] = []
    for one in sorted(set(found), key=lambda one: (-one.score, one.start - one.end, one.start, one.entity)):
        if not any(_makes_idle(other, one) for other in kept):
            kept.append(one)
    return sorted(kept, key=lambda one: (one.start, one.end, one.entity))


def load(name: str, wanted: Wanted) -> Analyzer:
    """Return Presidio for what a detector wants.

    Raises:
        MissingExtra: Where Presidio or spaCy is not installed.
        DetectorError: Where a model or a language's tokenizer is missing, or the model finds none of the entities named.
    """
    nlp = pipelines(name, wanted.languages, wanted.model, wanted.named)
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine

    _keep_quiet()
    registry = RecognizerRegistry(supported_languages=list(wanted.languages))
    registry.recognizers = [*_recognizers(wanted), *_by_model(nlp, wanted)]
    for recognizer in registry.recognizers:
        limit(recognizer)
    ignored = {label for one in nlp.values() for label in _labels(one) if label not in MODEL_ENTITIES}
    configuration = NerModelConfiguration(model_to_presidio_entity_mapping=dict(MODEL_ENTITIES), labels_to_ignore=ignored)
    spacy_engine: Any = SpacyNlpEngine([], configuration)
    spacy_engine.nlp = dict(nlp)
    engine = AnalyzerEngine(registry, spacy_engine, supported_languages=list(wanted.languages))
    return Analyzer(engine, _by_language(registry, wanted), _version(nlp, wanted))


def _recognizers(wanted: Wanted) -> Iterator[EntityRecognizer]:
    """Yield Presidio's own recognizers, then the policy's, for every language."""
    from presidio_analyzer import predefined_recognizers

    for language in wanted.languages:
        for entity in wanted.named or found_unasked((language,), model=False):
            if entity in RECOGNIZERS:
                recognizer = getattr(predefined_recognizers, RECOGNIZERS[entity].name)
                yield _offline(recognizer(supported_language=language))
    for one in wanted.customs:
        for language, context in one.languages or [(code, one.context) for code in wanted.languages]:
            yield _own(one, language, context)


def _own(one: Custom, language: str, context: Sequence[str]) -> EntityRecognizer:
    from presidio_analyzer import Pattern, PatternRecognizer

    return PatternRecognizer(
        supported_entity=one.entity,
        name=one.name,
        supported_language=language,
        patterns=[Pattern(*pattern) for pattern in one.patterns],
        deny_list=list(one.deny_list),
        deny_list_score=one.deny_list_score,
        context=list(context),
    )


def _by_model(nlp: Mapping[str, Language], wanted: Wanted) -> Iterator[EntityRecognizer]:
    from presidio_analyzer.predefined_recognizers import SpacyRecognizer

    for language, pipeline in nlp.items():
        found = {MODEL_ENTITIES[label] for label in _labels(pipeline) if label in MODEL_ENTITIES}
        chosen = sorted(found & {*(wanted.named or (*BY_MODEL, DATE_TIME))})
        if chosen:
            yield SpacyRecognizer(supported_language=language, supported_entities=chosen)


def _offline(recognizer: EntityRecognizer) -> EntityRecognizer:
    """Let the check of e-mail addresses read the list of domains that came with tldextract, where it would fetch a newer one."""
    from presidio_analyzer.predefined_recognizers import EmailRecognizer

    if isinstance(recognizer, EmailRecognizer):
        from tldextract import TLDExtract

        extract = TLDExtract(cache_dir=None, suffix_list_urls=())
        changed: Any = recognizer
        changed.validate_result = lambda text: bool(extract(text).fqdn)
    return recognizer


def _by_language(registry: RecognizerRegistry, wanted: Wanted) -> dict[str, list[str]]:
    chosen = {
        language: sorted(
            {entity for one in registry.recognizers if one.supported_language == language for entity in one.supported_entities}
            & {*wanted.entities, DATE_TIME}
        )
        for language in wanted.languages
    }
    return {language: entities for language, entities in chosen.items() if entities}


def _labels(pipeline: Language) -> Sequence[str]:
    return pipeline.pipe_labels.get("ner", ())


def _version(nlp: Mapping[str, Language], wanted: Wanted) -> str:
    packages = [f"{package} {installed(package)}" for package in _FOUND_BY]
    models = [f"{one.meta['name']} {one.meta['version']}" for one in nlp.values()] if wanted.model else []
    return ", ".join([*packages, *models])


def _makes_idle(other: Found, one: Found) -> bool:
    if not other.start <= one.start <= one.end <= other.end:
        return False
    return other.entity == one.entity if other.score == one.score else other.entity == one.entity or other.score == 1.0


def _keep_quiet() -> None:
    """Keep Presidio from logging words of texts, as it does at its lowest levels."""
    logger = logging.getLogger("presidio-analyzer")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.WARNING)
