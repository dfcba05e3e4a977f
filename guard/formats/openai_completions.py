"""OpenAI's completions: `POST /v1/completions`."""

from __future__ import annotations

from typing import Any, ClassVar

from guard.errors import BadMessage
from guard.formats import walk
from guard.formats.base import Piece, Request, Text
from guard.formats.openai_envelope import OpenAIFormat
from guard.formats.openai_request import MOST_CHOICES, read_object, wanted
from guard.formats.openai_stream import Body
from guard.formats.shape import wrong
from guard.formats.walk import Speaker
from guard.values import Role


class OpenAICompletions(OpenAIFormat):
    """Reads and writes completions. They have no field for a refusal: in mode `field` a refused choice is empty."""

    name: ClassVar[str] = "openai-completions"
    _object: ClassVar[str] = "text_completion"
    _chunk: ClassVar[str] = "text_completion"
    _prefix: ClassVar[str] = "cmpl-"
    _body: ClassVar[Body] = Body("", ("text",))

    def read_request(self, body: bytes) -> Request:
        """See `Format.read_request`. An echoed prompt is judged with the answer it comes in."""
        tree = read_object(body, self._depth)
        wish = wanted(tree)
        prompts = _check_prompt(tree.get("prompt"))
        found: list[Piece] = []
        walk.entries(tree, "", found)
        document = walk.document(body, tree, walk.as_texts(found, Speaker(Role.USER)))
        # Each prompt has its own `n` choices (OpenAI's reference, "Create completion").
        choices = min(wish.n * prompts, MOST_CHOICES * 16)
        return Request(document, wish.model, wish.stream, wish.usage, wish._replace(n=choices).remembered)

    def _choice_texts(self, choice: dict[str, Any], pointer: str, speaker: Speaker) -> list[Text]:
        found: list[Piece] = []
        walk.entries(choice, pointer, found, ("logprobs",))
        return walk.as_texts(found, speaker)

    def _spoken(self, choice: dict[str, Any]) -> dict[str, str]:
        text = choice.get("text")
        return {"text": text if type(text) is str else ""}

    def _refused(self, message: str, mode: str) -> dict[str, Any]:
        return {"text": message if mode == "message" else ""}

    def _refusal_chunks(self, message: str, mode: str, *, opens: bool, started: bool) -> list[dict[str, Any]]:
        return [{"text": message if mode == "message" and not started else ""}]


def _check_prompt(prompt: Any) -> int:  # noqa: ANN401
    """Return how many prompts there are. Raises BadMessage where one is no text."""
    if prompt is None or type(prompt) is str:
        return 1
    if type(prompt) is not list or not prompt:
        raise wrong("prompt", "a string or a list of strings", prompt)
    for index, part in enumerate(prompt):
        if type(part) in (int, list):
            raise BadMessage(
                f"prompt[{index}]: expected a string, got token ids, which cannot be judged; send text", code="token_ids"
            )
        if type(part) is not str:
            raise wrong(f"prompt[{index}]", "a string", part)
    return len(prompt)
