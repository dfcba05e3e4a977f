"""The answers of a model to all prompts, made once: each is kept by the digest of model, prompt, sampling and seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from alignment.evaluation.kept import Kept, key_of
from alignment.evaluation.prompts import Ask, with_system
from alignment.evaluation.settings import Asking
from alignment.evaluation.subjects import Conversation, Model, chunks

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer, as it is kept."""

    text: str
    tokens: int
    cut: bool
    seconds: float


def collect(
    model: Model, asks: Sequence[Ask], asking: Asking, kept: Kept, tell: Tell = lambda _line: None
) -> list[list[Answered]]:
    """Return the answers to each prompt, in order; those that are not kept yet are made, batch by batch, and kept."""
    prompts = [with_system(ask.messages, asking.system) for ask in asks]
    keys = [[_key(model, prompt, asking, number) for number in range(asking.answers)] for prompt in prompts]
    size = max(1, asking.batch // asking.answers)
    lengths = [sum(len(message["content"]) for message in prompt) for prompt in prompts]
    done = sum(all(key in kept for key in each) for each in keys)
    for chunk in chunks(lengths, size):
        missing = [place for place in chunk if any(key not in kept for key in keys[place])]
        if not missing:
            continue
        # the whole chunk is asked, so that what a batch computes does not depend on where an earlier run was ended
        said = model.answers([prompts[place] for place in chunk], asking)
        kept.add(
            (
                keys[chunk[each.prompt]][each.number],
                {
                    "model": model.subject.digest,
                    "set": asks[chunk[each.prompt]].set,
                    "prompt": asks[chunk[each.prompt]].id,
                    "number": each.number,
                    "text": each.text,
                    "tokens": each.tokens,
                    "cut": each.cut,
                    "seconds": round(each.seconds, 6),
                },
            )
            for each in said
        )
        done += len(missing)
        tell(f"{model.subject.name}: {done:,} of {len(asks):,} prompts answered")
    return [[_answered(kept[key]) for key in each] for each in keys]


def _answered(line: dict[str, object]) -> Answered:
    return Answered(str(line["text"]), int(str(line["tokens"])), bool(line["cut"]), float(str(line["seconds"])))


def _key(model: Model, prompt: Conversation, asking: Asking, number: int) -> str:
    how = [asking.temperature, asking.top_p, asking.max_new_tokens, asking.seed]
    return key_of("answer", model.subject.digest, prompt, how, number)
