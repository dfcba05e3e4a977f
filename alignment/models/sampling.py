"""Sample answers of a loaded model: in left-padded batches of prompts of like length, the padding masked.

The same model, prompt, settings and seed give the same answer, whatever else is in the batch: each answer draws from a stream of
random numbers of its own (`guard.upstream_model.drawing`). What remains is arithmetic: in another batch the sums of a matrix
product run in another order, so that logits differ in their last digits, and where two tokens are as likely as that, another one
may be taken. Run twice with the same `batch`, on the same kind of device, nothing differs.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from msgspec import Meta, Struct

from alignment.models.loading import Loaded
from guard.errors import TenetError
from guard.upstream_model.drawing import Drawing, Finite, seed_of, undrawn
from guard.upstream_model.prompting import prompt_of, written

Problem = tuple[str, str, str]
"""Path in the settings, what was expected, what was found."""


class Sampling(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How answers are sampled."""

    answers: Annotated[int, Meta(ge=1, le=256, description="answers to each prompt")] = 1
    max_new_tokens: Annotated[int, Meta(ge=1, le=65_536, description="tokens of an answer at most")] = 128
    temperature: Annotated[float, Meta(ge=0, le=10, description="0 always takes the likeliest token")] = 1.0
    top_p: Annotated[float, Meta(gt=0, le=1, description="share of the probability from which tokens are drawn")] = 1.0
    batch: Annotated[int, Meta(ge=1, le=4096, description="answers that are made at the same time")] = 16
    seed: Annotated[int, Meta(ge=0, le=2**31 - 1, description="of the sampling")] = 0
    stop: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=256)], ...],
        Meta(max_length=16, description="texts at the first of which an answer ends, without it"),
    ] = ()
    seconds: Annotated[float, Meta(ge=0, description="after which no more is made; 0 for as long as it takes")] = 0.0


class PromptError(TenetError):
    """Prompts that cannot be answered: too long, or not as the chat template wants them.

    Attributes:
        prompts: Their indices.
    """

    def __init__(self, faults: Sequence[tuple[int, str]]) -> None:
        self.prompts = tuple(index for index, _ in faults)
        more = f" (and {len(faults) - 1:,} more)" if len(faults) > 1 else ""
        super().__init__(f"prompt {faults[0][0]}: {faults[0][1]}{more}")


class Answer(NamedTuple):
    """One answer.

    Attributes:
        prompt: Index of its prompt.
        answer: Which answer to it, from 0.
        tokens: That were made for it; 0 where nobody counted them.
        finish: `stop` where it ended by itself, `length` where it was cut off.
    """

    prompt: int
    answer: int
    text: str
    tokens: int
    finish: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a sampling is.

    Attributes:
        done: Answers so far, of `wanted`.
        tokens: That were made for them.
        seconds: That it took.
        out_of_time: Whether it has ended because its seconds are over.
    """

    done: int
    wanted: int
    tokens: int
    seconds: float
    out_of_time: bool = False


Conversation = Sequence[dict[str, str]]
Place = tuple[int, int]
"""Index of a prompt, and which answer to it."""
Tell = Callable[[Progress], None]


def problems(sampling: Sampling) -> list[Problem]:
    """Return what does not fit together."""
    if sampling.answers > 1 and sampling.temperature == 0:
        return [("temperature", "above 0, as several answers would all be the same", "0")]
    return []


def sample(
    loaded: Loaded, prompts: Sequence[Conversation], sampling: Sampling, tell: Tell = lambda _progress: None
) -> list[list[str]]:
    """Return the answers to each prompt, in the order of the prompts.

    Args:
        prompts: Conversations that end with words of the user (or the system's).
        tell: Called after each batch. Where the seconds were over, the last call says so, and prompts have fewer answers or none.

    Raises:
        PromptError: Where a prompt cannot be written by the chat template, or leaves no room for an answer: it is named by its
            index; nothing is sampled then.
        TenetError: Where memory runs out, or the model gives no numbers.
    """
    return gathered(draw(loaded, prompts, sampling, tell=tell), len(prompts))


def gathered(answers: Iterator[Answer], prompts: int) -> list[list[str]]:
    """Return the texts of answers, by prompt and in order."""
    found: list[dict[int, str]] = [{} for _ in range(prompts)]
    for answer in answers:
        found[answer.prompt][answer.answer] = answer.text
    return [[texts[number] for number in sorted(texts)] for texts in found]


def draw(
    loaded: Loaded,
    prompts: Sequence[Conversation],
    sampling: Sampling,
    *,
    done: Collection[Place] = (),
    tell: Tell = lambda _progress: None,
) -> Iterator[Answer]:
    """Yield answers as they are made, batch by batch; raises what `sample` does.

    Args:
        done: Answers that are known already, and are not made again.
    """
    began = time.monotonic()
    deadline = began + sampling.seconds if sampling.seconds else None
    asked = _all_written(loaded, prompts, sampling)
    wanted = [
        (index, number) for index in range(len(prompts)) for number in range(sampling.answers) if (index, number) not in done
    ]
    made = tokens = 0
    for batch in _batches(wanted, asked, sampling):
        answers = _made(loaded, [asked[index] for index, _ in batch], batch, sampling, deadline)
        made, tokens = made + len(answers), tokens + sum(answer.tokens for answer in answers)
        yield from answers
        late = deadline is not None and time.monotonic() > deadline
        over = made < len(wanted) and (late or len(answers) < len(batch))
        tell(Progress(made, len(wanted), tokens, time.monotonic() - began, out_of_time=over))
        if over:
            return


class _Written(NamedTuple):
    """A prompt as its model reads it."""

    text: str
    ids: list[int]


def _all_written(loaded: Loaded, prompts: Sequence[Conversation], sampling: Sampling) -> list[_Written]:
    found: list[_Written] = []
    faults: list[tuple[int, str]] = []
    for index, prompt in enumerate(prompts):
        try:
            found.append(_written(loaded, prompt, sampling))
        except TenetError as fault:
            faults.append((index, str(fault)))
    if faults:
        raise PromptError(faults)
    return found


def _written(loaded: Loaded, prompt: Conversation, sampling: Sampling) -> _Written:
    if not prompt:
        raise TenetError("expected at least one message, found none")
    ids = prompt_of(loaded.tokenizer, prompt)
    room = loaded.context - sampling.max_new_tokens
    if len(ids) > room:
        raise TenetError(
            f"expected at most {max(0, room):,} tokens (a context of {loaded.context:,} less max_new_tokens "
            f"{sampling.max_new_tokens:,}), found {len(ids):,}; shorten it, leave it out, or lower max_new_tokens"
        )
    return _Written(written(loaded.tokenizer, prompt), ids)


def _batches(wanted: Sequence[Place], asked: Sequence[_Written], sampling: Sampling) -> Iterator[list[Place]]:
    """Yield places in batches of like length.

    The longest come first, so that memory fails at once if at all; the others in a random order, so that what is done when the
    time is over is not all of one kind.
    """
    ordered = sorted(wanted, key=lambda place: -len(asked[place[0]].ids))
    batches = [ordered[start : start + sampling.batch] for start in range(0, len(ordered), sampling.batch)]
    others = batches[1:]
    random.Random(sampling.seed).shuffle(others)  # noqa: S311 - an order, no secret
    yield from [*batches[:1], *others]


def _made(
    loaded: Loaded, prompts: Sequence[_Written], places: Sequence[Place], sampling: Sampling, deadline: float | None
) -> list[Answer]:
    """Return the answers of one batch that were finished before the deadline."""
    import torch

    model, pad = loaded.model, loaded.tokenizer.pad_token_id
    longest = max(len(prompt.ids) for prompt in prompts)
    ids = torch.tensor([[pad] * (longest - len(prompt.ids)) + prompt.ids for prompt in prompts], device=model.device)
    mask = torch.tensor([[0] * (longest - len(prompt.ids)) + [1] * len(prompt.ids) for prompt in prompts], device=model.device)
    steps: list[Any] = [Finite()]
    if sampling.temperature > 0:
        seeds = [seed_of(sampling.seed, prompt.text, number) for prompt, (_, number) in zip(prompts, places, strict=True)]
        steps.append(Drawing(sampling.temperature, sampling.top_p, seeds))
    stopping = _Stopping(loaded.tokenizer, longest, sampling.stop, deadline)
    try:
        with torch.inference_mode():
            made = model.generate(
                input_ids=ids,
                attention_mask=mask,
                generation_config=undrawn(sampling.max_new_tokens, ends_of(loaded), loaded.tokenizer.pad_token_id),
                logits_processor=steps,
                stopping_criteria=[stopping],
            )
    except torch.OutOfMemoryError as error:
        raise TenetError(_memory(len(places), longest, sampling)) from error
    except RuntimeError as error:
        if "memory" not in str(error):
            raise
        raise TenetError(_memory(len(places), longest, sampling)) from error
    rows = [row[longest:] for row in made.tolist()]
    read = [_read(loaded, row, place, sampling) for row, place in zip(rows, places, strict=True)]
    return [answer for answer in read if answer.finish == "stop" or not stopping.over]


def ends_of(loaded: Loaded) -> list[int]:
    """Return the tokens that end an answer: the tokenizer's, and those that the model itself names."""
    named = getattr(loaded.model.generation_config, "eos_token_id", None)
    ends = {*(named if isinstance(named, list) else [named]), loaded.tokenizer.eos_token_id}
    return sorted(end for end in ends if end is not None)


def _read(loaded: Loaded, row: Sequence[int], place: Place, sampling: Sampling) -> Answer:
    ends = set(ends_of(loaded))
    end = next((at for at, token in enumerate(row) if token in ends), None)
    kept = list(row if end is None else row[:end])
    while kept and kept[-1] == loaded.tokenizer.pad_token_id:  # what stands behind a stop text
        kept.pop()
    text: str = loaded.tokenizer.decode(kept, skip_special_tokens=True)
    found = [at for stop in sampling.stop if (at := text.find(stop)) >= 0]
    finish = "stop" if found or end is not None else "length"
    return Answer(*place, text[: min(found)] if found else text, len(kept) + (end is not None), finish)


class _Stopping:
    """A stopping criterion of transformers: ends rows at stop texts, and all of them when the time is over."""

    def __init__(self, tokenizer: Any, prompt: int, stops: Sequence[str], deadline: float | None) -> None:  # noqa: ANN401
        self._tokenizer, self._prompt, self._stops, self._deadline = tokenizer, prompt, stops, deadline
        self._reach = max((len(stop.encode("utf-8", "replace")) for stop in stops), default=0) + 8
        self.over = False

    def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:  # noqa: ANN401
        """Return for each row whether it has ended."""
        import torch

        self.over = self._deadline is not None and time.monotonic() > self._deadline
        if self.over or not self._stops:
            return torch.full((input_ids.shape[0],), self.over, device=input_ids.device)
        tails = input_ids[:, max(self._prompt, input_ids.shape[1] - self._reach) :]
        texts = self._tokenizer.batch_decode(tails, skip_special_tokens=True)
        return torch.tensor([any(stop in text for stop in self._stops) for text in texts], device=input_ids.device)


def _memory(rows: int, longest: int, sampling: Sampling) -> str:
    return (
        f"memory ran out for {rows} answers of up to {longest + sampling.max_new_tokens:,} tokens at the same time; "
        "lower batch or max_new_tokens"
    )
