"""The forms in which others write their data: how a row of each is told, and what is in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from alignment.data.messages import Unfit, answer, divided, ends_with_user, messages_of
from alignment.data.origins import number_of, truth_of
from alignment.data.rankings import Ranking, is_ranking, ranking_of
from alignment.data.rows import Malformed, keys_of, named
from alignment.records import Demonstration, Messages, Origin, Pair, Prompt, Record, Scored, Steps, Unpaired

Row = Mapping[str, Any]
Said = Record | Ranking

_PROMPTS = ("prompt", "instruction", "question", "text", "messages")
_ANSWERS = ("completion", "response", "answer", "output")


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write records.

    Attributes:
        looks: What a row of it has, for people.
        fits: Whether a row is written so, by its keys.
        read: What a row says. Raises Malformed or Unfit.
    """

    looks: str
    fits: Callable[[Row], bool]
    read: Callable[[Row, Origin], Said]


def form_of(row: Row) -> str:
    """Return the name of the form in which a row is written.

    Raises:
        Malformed: Where it is none of them.
    """
    found = next((name for name, form in FORMS.items() if form.fits(row)), None)
    if found is None:
        known = "; ".join(form.looks for form in FORMS.values())
        raise Malformed("", f"a record of a known form ({known})", f"one with the keys: {keys_of(row)}")
    return found


def _has(*keys: str) -> Callable[[Row], bool]:
    return lambda row: all(row.get(key) is not None for key in keys)


def _pair(row: Row, origin: Origin) -> Pair:
    chosen = messages_of(row.get("chosen"), "chosen", alone="assistant")
    rejected = messages_of(row.get("rejected"), "rejected", alone="assistant")
    asked = row.get("prompt")
    prompt = messages_of(asked, "prompt", alone="user") if asked is not None and asked != "" else ()
    if chosen[0].role != "assistant" or rejected[0].role != "assistant":  # whole conversations, as in UltraFeedback's pairs
        prompt, chosen, rejected = _parted(chosen, rejected)
    return Pair(origin, ends_with_user(prompt), answer(chosen), answer(rejected), _margin(row))


def _parted(one: Messages, other: Messages) -> tuple[Messages, Messages, Messages]:
    """Return what two conversations have in common, and how each goes on."""
    common = 0
    for first, second in zip(one[:-1], other[:-1], strict=False):
        if first != second:
            break
        common += 1
    while common and one[common - 1].role != "user":
        common -= 1
    return one[:common], one[common:], other[common:]


def _margin(row: Row) -> float | None:
    if row.get("margin") is not None:
        margin = number_of(row["margin"], "margin")
    elif row.get("score_chosen") is not None and row.get("score_rejected") is not None:
        margin = number_of(row["score_chosen"], "score_chosen") - number_of(row["score_rejected"], "score_rejected")
    else:
        return None
    if margin <= 0:
        raise Unfit("tie" if margin == 0 else "worse")
    return margin


def _openai_pair(row: Row, origin: Origin) -> Pair:
    asked = row.get("input")
    prompt = messages_of(asked.get("messages") if isinstance(asked, Mapping) else asked, "input.messages", alone="user")
    chosen, rejected = (
        answer(messages_of(row.get(key), key, alone="assistant")) for key in ("preferred_output", "non_preferred_output")
    )
    return Pair(origin, ends_with_user(prompt), chosen, rejected)


def _asked_and_answered(row: Row) -> tuple[Messages, Messages]:
    key, reply = _first(row, _PROMPTS), _first(row, _ANSWERS)
    prompt = messages_of(row.get(key), key, alone="user")
    return ends_with_user(_with_system(row, prompt)), answer(messages_of(row.get(reply), reply, alone="assistant"))


def _unpaired(row: Row, origin: Origin) -> Unpaired:
    return Unpaired(origin, *_asked_and_answered(row), truth_of(row.get("label"), "label"))


def _scored(row: Row, origin: Origin) -> Scored:
    return Scored(origin, *_asked_and_answered(row), number_of(row.get("score"), "score"))


def _completion(row: Row, origin: Origin) -> Demonstration:
    return Demonstration(origin, *_asked_and_answered(row))


def _steps(row: Row, origin: Origin) -> Steps:
    prompt = ends_with_user(messages_of(row.get("prompt"), "prompt", alone="user"))
    steps, rewards = row["completions"], row["labels"]
    if len(steps) != len(rewards):
        raise Malformed("labels", f"{len(steps)} rewards, one for each of `completions`", str(len(rewards)))
    if not all(isinstance(step, str) for step in steps):
        raise Malformed("completions", "a list of texts", "a list of something else")
    if not steps or not all(step.strip() for step in steps):
        raise Unfit("no-words")
    given = (float(each) if isinstance(each, bool) else number_of(each, f"labels[{at}]") for at, each in enumerate(rewards))
    return Steps(origin, prompt, tuple(steps), tuple(given))


def _conversation(row: Row, origin: Origin) -> Demonstration | Prompt:
    key = next(name for name in ("messages", "conversations", "conversation") if isinstance(row.get(name), list))
    messages = _with_system(row, messages_of(row[key], key, alone="user"))
    if messages[-1].role == "user":
        return Prompt(origin, messages)
    return Demonstration(origin, *divided(messages))


def _prompt(row: Row, origin: Origin) -> Prompt:
    key = _first(row, _PROMPTS)
    prompt = messages_of(row.get(key), key, alone="user")
    return Prompt(origin, ends_with_user(_with_system(row, prompt)))


def _with_system(row: Row, messages: Messages) -> Messages:
    """Put Anthropic's `system` in front, a text or a list of parts."""
    said = row.get("system")
    if not said:
        return messages
    if not isinstance(said, str | list):
        raise Malformed("system", "a text or a list of parts", named(said))
    return (*messages_of({"role": "system", "content": said}, "system", alone="system"), *messages)


def _first(row: Row, keys: tuple[str, ...]) -> str:
    return next((key for key in keys if row.get(key) not in (None, "")), keys[0])


def _answered(row: Row) -> bool:
    return any(row.get(key) is not None for key in _PROMPTS) and any(row.get(key) is not None for key in _ANSWERS)


FORMS: Mapping[str, Form] = {
    "pairs": Form("`chosen` and `rejected`, with or without `prompt`", _has("chosen", "rejected"), _pair),
    "openai-pairs": Form(
        "`input`, `preferred_output` and `non_preferred_output`",
        _has("input", "preferred_output", "non_preferred_output"),
        _openai_pair,
    ),
    "ranking": Form("`prompt` or `instruction` and `completions` with scores", is_ranking, ranking_of),
    "process": Form(
        "`prompt`, `completions` and `labels` for each step",
        lambda row: isinstance(row.get("completions"), list) and isinstance(row.get("labels"), list),
        _steps,
    ),
    "unpaired": Form(
        "`prompt`, `completion` and `label`", lambda row: _answered(row) and row.get("label") is not None, _unpaired
    ),
    "scalar": Form("`prompt`, `completion` and `score`", lambda row: _answered(row) and row.get("score") is not None, _scored),
    "completion": Form("`prompt` and `completion`", _answered, _completion),
    "conversation": Form(
        "`messages` or `conversations`",
        lambda row: any(isinstance(row.get(key), list) for key in ("messages", "conversations", "conversation")),
        _conversation,
    ),
    "prompts": Form("`prompt` or `text`", lambda row: any(row.get(key) is not None for key in _PROMPTS), _prompt),
}
"""By name; the first that fits a file's first row holds for all of them."""
