"""What can be wrong with the options of a local classifier, and what it can report, told without loading it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from guard import categories
from guard.detectors.classifiers.files import check_pinned
from guard.detectors.classifiers.labels import all_named, check_map
from guard.policy.kinds import Mistake


def check(options: Mapping[str, Any]) -> Sequence[Mistake]:
    """Return the mistakes in the options of `transformers` or `onnx`."""
    return [*check_pinned(options), *_check_task(options)]


def check_detoxify(options: Mapping[str, Any]) -> Sequence[Mistake]:
    """Return the mistakes in the options of `detoxify`."""
    both = [Mistake(("checkpoint",), "`model` or `checkpoint`", "both")] if {"model", "checkpoint"} <= options.keys() else []
    return [*both, *(check_map("labels", options["labels"]) if "labels" in options else ())]


def categories_of(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a detector with these options can report; without a map only its model knows, so it may be any of Tenet's."""
    given = options.get("candidates" if options.get("task") == "zero-shot" else "labels")
    return all_named(given) if given else tuple(sorted(categories.KNOWN))


def _check_task(options: Mapping[str, Any]) -> Iterator[Mistake]:
    zero_shot = options.get("task") == "zero-shot"
    wanted, other = ("candidates", "labels") if zero_shot else ("labels", "candidates")
    task = "zero-shot" if zero_shot else "text-classification"
    for name in (other, "scores") if zero_shot else (other, "template"):
        if name in options:
            yield Mistake((name,), f"no `{name}` for the task {task}", f"`{name}`")
    if wanted in options:
        yield from check_map(wanted, options[wanted])
    elif zero_shot:
        yield Mistake((), "`candidates`: what to look for, each with its category", "none")
    if "{}" not in options.get("template", "{}"):
        yield Mistake(("template",), "a sentence with `{}` where a candidate goes", f'"{options["template"]}"')
