"""Follow an answer token by token: as text that is certain, cut before a stop sequence, until it ends or nobody wants it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import torch

_HALF = "\ufffd"
_LONGEST_CHARACTER = 8
"""Tokens after which half a character is no character that is still to come."""


class Piece(NamedTuple):
    """What became certain of one choice.

    Attributes:
        tokens: Made for the choice so far.
        finish: In the last piece why it ended, `stop` or `length`; else empty.
    """

    choice: int
    text: str
    tokens: int
    finish: str = ""


class Following:
    """A stopping criterion of transformers that tells what is being made, and ends what is not wanted any more.

    Args:
        stops: Sequences before the first of which an answer ends.
        ends: Tokens that end an answer.
        tell: Called, in the thread of the generation, with each piece.
        unwanted: Whether nobody waits for the answers any more.
        most: Tokens of an answer at most, where others in the batch may be longer.
    """

    def __init__(
        self,
        tokenizer: Any,  # noqa: ANN401
        choices: int,
        stops: Sequence[str],
        ends: frozenset[int],
        tell: Callable[[Piece], None],
        unwanted: Callable[[], bool],
        most: int | None = None,
    ) -> None:
        self._choices = [_Choice(tokenizer, index, stops) for index in range(choices)]
        self._ends, self._tell, self._unwanted, self._most = ends, tell, unwanted, most

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:  # noqa: ANN401
        """Return for each choice whether it has ended."""
        import torch

        for choice, token in zip(self._choices, input_ids[:, -1].tolist(), strict=True):
            if choice.finished:
                continue
            self._say(choice, choice.end("stop", counted=True) if token in self._ends else choice.add(token))
            if not choice.finished and choice.count == self._most:
                self._say(choice, choice.end("length"))
        over = self._unwanted()
        return torch.tensor([over or choice.finished for choice in self._choices], device=input_ids.device)

    def finish(self) -> None:
        """End the choices that are still open: no more tokens were allowed."""
        for choice in self._choices:
            if not choice.finished:
                self._say(choice, choice.end("length"))

    def _say(self, choice: _Choice, piece: Piece) -> None:
        if piece.text or piece.finish:
            self._tell(piece)


class _Choice:
    """One answer. Text is held while it may be half a character, or the beginning of a stop sequence."""

    def __init__(self, tokenizer: Any, index: int, stops: Sequence[str]) -> None:  # noqa: ANN401
        self._tokenizer, self._index, self._stops = tokenizer, index, stops
        self._ids: list[int] = []
        self._read_from = self._shown_to = self.count = 0
        self._held = ""
        self.finished = False

    def add(self, token: int) -> Piece:
        """Take a token, and return what it makes certain."""
        self._ids.append(token)
        self.count += 1
        before, now = self._decoded(self._shown_to), self._decoded(len(self._ids))
        waiting = len(self._ids) - self._shown_to < _LONGEST_CHARACTER
        if len(now) <= len(before) or (now.endswith(_HALF) and waiting):
            return Piece(self._index, "", self.count)
        self._read_from, self._shown_to = self._shown_to, len(self._ids)
        return self._release(now[len(before) :])

    def end(self, why: str, *, counted: bool = False) -> Piece:
        """Return what is left, as the answer has ended."""
        self.count += counted
        rest = self._decoded(len(self._ids))[len(self._decoded(self._shown_to)) :]
        piece = self._release(rest)
        if self.finished:
            return piece
        self.finished = True
        return piece._replace(text=piece.text + self._held, finish=why)

    def _decoded(self, end: int) -> str:
        """Return the text of the tokens that are looked at: how one reads depends on the one before it, and on no earlier one."""
        text: str = self._tokenizer.decode(self._ids[self._read_from : end], skip_special_tokens=True)
        return text

    def _release(self, text: str) -> Piece:
        held = self._held + text
        found = [place for stop in self._stops if (place := held.find(stop)) >= 0]
        if found:
            self.finished = True
            return Piece(self._index, held[: min(found)], self.count, "stop")
        free = len(held) - max(
            (size for stop in self._stops for size in range(1, len(stop)) if held.endswith(stop[:size])), default=0
        )
        self._held = held[free:]
        return Piece(self._index, held[:free], self.count)
