"""Records of Argilla: of version 2 (`fields`, `responses` by question) and of version 1 (`inputs`, `annotation`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from guard.store.importing.answers import asked_and_answers, verdict_on
from guard.store.importing.drafts import BadRecord, Conversation, Draft, Pair, Remark
from guard.store.importing.fields import Record, kind, parsed

KNOWN = frozenset(
    (
        *("id", "fields", "responses", "metadata", "suggestions", "vectors", "status", "_server_id", "external_id"),
        *("inputs", "text", "annotation", "annotation_agent", "prediction", "prediction_agent", "multi_label", "explanation"),
        *("event_timestamp", "metrics", "search_keywords", "inserted_at", "updated_at"),
    )
)
_GIVEN = ("submitted", None)


def read(record: Record) -> list[Draft]:
    """Return what people said of a record; drafts and discarded responses say nothing.

    Raises:
        BadRecord: Where it is no record of Argilla, or says nothing that is known.
    """
    if "fields" not in record:
        return _of_version_1(record)
    fields, responses = parsed(record["fields"]), parsed(record.get("responses") or {})
    if not isinstance(fields, Mapping) or not isinstance(responses, Mapping | list):
        raise BadRecord(f"`fields`: expected an object beside `responses`, got {kind(fields)}")
    prompt, answers = asked_and_answers(fields)
    remarks: list[Remark] = []
    labels = []
    pairs: list[Draft] = []
    for question, value, by in _responses(responses):
        if _is_ranking(value):
            pairs += _ranked(value, prompt, answers)
            continue
        found = verdict_on(question, value, by, answers=len(answers))
        remarks += found.remarks
        labels += found.labels
    texts = tuple(answers.values())
    spoken = [Conversation(prompt, texts, tuple(remarks), tuple(labels))] if remarks or labels else []
    return [*spoken, *pairs]


def _of_version_1(record: Record) -> list[Draft]:
    inputs = parsed(record.get("inputs", record.get("text")))
    fields = inputs if isinstance(inputs, Mapping) else {"text": inputs}
    annotation = record.get("annotation")
    if annotation is None:
        return []
    prompt, answers = asked_and_answers(fields)
    found = verdict_on("annotation", annotation, str(record.get("annotation_agent") or ""), answers=len(answers))
    return [Conversation(prompt, tuple(answers.values()), tuple(found.remarks), tuple(found.labels))]


def _responses(responses: Mapping[str, Any] | list[Any]) -> Iterator[tuple[str, Any, str]]:
    """Yield question, value and who answered: by question, or by person with the `values` of all questions."""
    if isinstance(responses, list):
        for each in responses:
            if isinstance(each, Mapping) and each.get("status") in _GIVEN and isinstance(each.get("values"), Mapping):
                for question, value in each["values"].items():
                    yield str(question), value.get("value") if isinstance(value, Mapping) else value, _by(each)
        return
    for question, given in responses.items():
        for each in given if isinstance(given, list) else [given]:
            if not isinstance(each, Mapping):
                raise BadRecord(f"`responses.{question[:40]}`: expected a list of responses with `value`, got {kind(each)}")
            if each.get("status") in _GIVEN and each.get("value") is not None:
                yield str(question), each["value"], _by(each)


def _by(response: Mapping[str, Any]) -> str:
    return str(response.get("user_id") or "")


def _is_ranking(value: Any) -> bool:  # noqa: ANN401 - a value of a file
    return isinstance(value, list) and bool(value) and all(isinstance(each, Mapping) and "rank" in each for each in value)


def _ranked(value: list[Mapping[str, Any]], prompt: tuple[Any, ...], answers: Mapping[str, str]) -> Iterator[Pair]:
    """Yield a pair for each two answers of which one is ranked before the other."""
    if not prompt:
        raise BadRecord("expected a field `prompt` or `instruction` beside ranked answers, got none")
    ranks = [(str(each.get("value")), each["rank"]) for each in value]
    if any(name not in answers or not isinstance(rank, int) for name, rank in ranks):
        raise BadRecord("expected ranks of fields of the record, got others; name the values of the question like the fields")
    for better, first in ranks:
        for worse, second in ranks:
            if first < second and answers[better] != answers[worse]:
                yield replace(Pair(prompt, answers[better], answers[worse]), margin=float(second - first))
