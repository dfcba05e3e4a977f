"""How long records are for a tokenizer and its chat template, and what a context of some length would cut off."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignment.data.rows import DataError
from alignment.records import Messages, Record, Steps
from guard.errors import MissingExtra

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Counted:
    """How long records are, in tokens of the prompt with its longest answer.

    Attributes:
        records: How many were counted.
        longest: Tokens of the longest.
        mean: Tokens on average.
        context: Tokens that a model takes.
        truncated: Records that are longer, and would lose their end.
        prompts: Of these, those whose prompt alone is as long: nothing of their answer would be left.
        lost: Tokens that would be cut off altogether.
        ids: Some of the records that are too long.
    """

    records: int
    longest: int
    mean: float
    context: int
    truncated: int
    prompts: int
    lost: int
    ids: tuple[str, ...] = ()

    @property
    def share(self) -> float | None:
        """The share of records that are too long; None where there are none at all."""
        return self.truncated / self.records if self.records else None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**asdict(self), "mean": round(self.mean, 1), "ids": list(self.ids)}


def count_tokens(records: Iterable[Record], tokenizer: PreTrainedTokenizerBase, context: int) -> Counted:
    """Return how long records are when the tokenizer's chat template is applied.

    Raises:
        DataError: Where the tokenizer has no chat template, or does not take a conversation.
    """
    if not getattr(tokenizer, "chat_template", None):
        raise DataError(
            "the tokenizer has no chat template: expected one, as records are conversations; name an instruct model's tokenizer, "
            "or set `chat_template` in its tokenizer_config.json"
        )
    lengths, prompts, ids = [], 0, []
    for record in records:
        asked = _tokens(tokenizer, record.prompt, not isinstance(record, Steps))
        length = max((_tokens(tokenizer, (*record.prompt, *said), False) for said in record.answers), default=asked)
        lengths.append(length)
        prompts += asked >= context
        if length > context:
            ids.append(record.origin.id)
    over = [length - context for length in lengths if length > context]
    mean = sum(lengths) / len(lengths) if lengths else 0.0
    return Counted(len(lengths), max(lengths, default=0), mean, context, len(over), prompts, sum(over), tuple(ids[:20]))


def load_tokenizer(place: Path) -> PreTrainedTokenizerBase:
    """Return the tokenizer of a folder; nothing is downloaded, and no code of the folder is run.

    Raises:
        DataError: Where there is none.
        MissingExtra: Without transformers.
    """
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise MissingExtra("counting tokens", "alignment") from error
    try:
        return AutoTokenizer.from_pretrained(place, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{place}: expected a folder with a tokenizer, got none that can be read ({type(error).__name__})"
        ) from None


def _tokens(tokenizer: PreTrainedTokenizerBase, messages: Messages, asks: bool) -> int:
    try:
        said = [message.as_dict() for message in messages]
        return len(tokenizer.apply_chat_template(said, tokenize=True, return_dict=False, add_generation_prompt=asks))
    except Exception as error:  # a template is a program, and raises what it likes
        raise DataError(
            f"the tokenizer's chat template does not take a conversation ({type(error).__name__}): "
            f"expected it to take the roles {', '.join(message.role for message in messages)}; choose another template"
        ) from None
