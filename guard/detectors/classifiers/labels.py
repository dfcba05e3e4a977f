"""From a model's own labels to Tenet's categories."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from guard import categories
from guard.errors import DetectorError
from guard.policy.kinds import Mistake

DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "toxic": ("toxicity",),
    "toxicity": ("toxicity",),
    "severe_toxic": ("toxicity/severe",),
    "severe_toxicity": ("toxicity/severe",),
    "obscene": ("profanity",),
    "obscenity": ("profanity",),
    "profanity": ("profanity",),
    "threat": ("harassment/threatening",),
    "insult": ("harassment",),
    "identity_hate": ("hate",),
    "identity_attack": ("hate",),
    "sexual_explicit": ("sexual",),
}
"""What labels mean that are the same in every model known to use them: those of the Jigsaw challenges and of Perspective."""

IGNORED = frozenset(
    {"neutral", "non_toxic", "not_toxic", "nontoxic", "safe", "benign", "clean", "normal", "none", "other", "ok", "okay", "sfw"}
    | {"legit", "male", "female", "homosexual_gay_or_lesbian", "christian", "jewish", "muslim", "black", "white"}
    | {"psychiatric_or_mental_illness"}
)
"""Labels that accuse nobody: of harmless texts, and of people that a text merely mentions."""

UNKNOWN_CATEGORY = "a category of Tenet's, or `custom/…` for one of your own"


def usual(label: str) -> tuple[str, ...] | None:
    """Return what a label means without a map; None where nobody can know. One of Tenet's categories stands for itself."""
    if label in categories.KNOWN:
        return (label,)
    word = label.lower().replace(" ", "_").replace("-", "_")
    return () if word in IGNORED else DEFAULTS.get(word)


def named(value: object) -> tuple[str, ...]:
    """Return the categories of an entry of a label map: a name, a list of names, or null for none."""
    return () if value is None else (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else ()


def all_named(given: Mapping[str, Any]) -> tuple[str, ...]:
    """Return every category of a label map, once."""
    return tuple(dict.fromkeys(name for value in given.values() for name in named(value)))


def check_map(option: str, given: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield what is wrong with a map from labels to categories, without knowing the model."""
    if all(value is None or value == [] for value in given.values()):
        yield Mistake((option,), "a category for at least one label", "none")
    for label, value in given.items():
        entries = list(enumerate(value)) if isinstance(value, list) else [] if value is None else [(None, value)]
        for index, name in entries:
            path = (option, label) if index is None else (option, label, index)
            if not isinstance(name, str):
                yield Mistake(path, "a category, a list of categories, or null", repr(name))
            elif name.endswith("/*") or not categories.is_known(name):
                close = categories.nearest(name)
                yield Mistake(path, UNKNOWN_CATEGORY, f'"{name}"', f"did you mean `{close}`?" if close else "")


def columns(detector: str, labels: Sequence[str], given: Mapping[str, Any] | None) -> tuple[tuple[str, ...], ...]:
    """Return the categories of each of a model's outputs.

    Args:
        labels: The model's own names of its outputs.
        given: The policy's map; None for `usual` meanings. It is complete: what it does not name is ignored.

    Raises:
        DetectorError: Where the map names a label that the model lacks, or nobody says what a label means.
    """
    if given is None:
        return _usual_columns(detector, labels)
    for label in given:
        if label not in labels:
            close = get_close_matches(label, labels, n=1)
            hint = f"; did you mean `{close[0]}`?" if close else ""
            raise DetectorError(detector, f'labels: expected labels of the model ({_listed(labels)}), found "{label}"{hint}')
    return tuple(named(given.get(label)) for label in labels)


def _usual_columns(detector: str, labels: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    meanings = [usual(label) for label in labels]
    unclear = [label for label, meaning in zip(labels, meanings, strict=True) if meaning is None]
    if unclear or not any(meanings):
        found = f"found {_listed(unclear or labels)}"
        way_out = "map each label to a category under `labels:`, or to null"
        raise DetectorError(detector, f"labels: expected labels whose meaning is known, {found}; {way_out}")
    return tuple(meaning or () for meaning in meanings)


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(f"`{label}`" for label in labels[:20]) + (", …" if len(labels) > 20 else "")
