"""Tasks of Label Studio, exported as JSON: `data`, and `annotations` with `result`s."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from guard.store.importing.answers import asked_and_answers, verdict_on
from guard.store.importing.drafts import BadRecord, Conversation, Draft, Label, Pair, Remark
from guard.store.importing.fields import Record, kind

KNOWN = frozenset(
    (
        *("id", "data", "annotations", "predictions", "meta", "created_at", "updated_at", "inner_id", "total_annotations"),
        *("cancelled_annotations", "total_predictions", "comment_count", "unresolved_comment_count", "last_comment_updated_at"),
        *("project", "updated_by", "comment_authors", "drafts", "file_upload", "allow_skip", "is_labeled", "overlap"),
    )
)
_VALUES = ("choices", "rating", "text", "number")


def read(record: Record) -> list[Draft]:
    """Return what people said of a task; skipped annotations say nothing.

    Raises:
        BadRecord: Where it is no task, or says nothing that is known.
    """
    data, annotations = record.get("data"), record.get("annotations")
    if not isinstance(data, Mapping) or not isinstance(annotations, list):
        raise BadRecord(f"expected a task with `data` and `annotations`, got {kind(data)}; export as JSON, not JSON-MIN")
    prompt, answers = asked_and_answers({name: value for name, value in data.items() if isinstance(value, str | list)})
    remarks: list[Remark] = []
    labels: list[Label] = []
    pairs: list[Draft] = []
    for by, result in _results(annotations):
        value = result.get("value")
        if not isinstance(value, Mapping):
            raise BadRecord(f"`result.value`: expected an object, got {kind(value)}")
        if result.get("type") == "pairwise":
            pairs.append(_pair(value, prompt, list(answers.values())))
            continue
        given = next((value[name] for name in _VALUES if name in value), None)
        found = verdict_on(str(result.get("from_name", "")), given, by, answers=len(answers))
        remarks += found.remarks
        labels += found.labels
    spoken = [Conversation(prompt, tuple(answers.values()), tuple(remarks), tuple(labels))] if remarks or labels else []
    return [*spoken, *pairs]


def _results(annotations: Sequence[Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for each in annotations:
        if not isinstance(each, Mapping) or not isinstance(each.get("result"), list):
            raise BadRecord(f"`annotations`: expected annotations with `result`, got {kind(each)}")
        if each.get("was_cancelled"):
            continue
        by = each.get("completed_by")
        named = by.get("id", "") if isinstance(by, Mapping) else by
        for result in each["result"]:
            if not isinstance(result, Mapping):
                raise BadRecord(f"`annotations.result`: expected objects, got {kind(result)}")
            yield str(named or ""), result


def _pair(value: Mapping[str, Any], prompt: tuple[Any, ...], answers: Sequence[str]) -> Pair:
    selected = value.get("selected")
    if selected not in ("left", "right") or len(answers) != 2:
        raise BadRecord("a pairwise result: expected left or right, and a task with a prompt and two answers, got something else")
    left, right = answers
    if left == right:
        raise BadRecord("a pairwise result: expected two answers, got the same one twice")
    return Pair(prompt, left, right) if selected == "left" else Pair(prompt, right, left)
