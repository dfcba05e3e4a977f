"""Put a guard around a Python callable or generator, sync or async, keeping its kind and its laziness."""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from guard.asking import closing
from guard.errors import Blocked
from guard.formats.base import Piece, Text
from guard.judging import Judgement
from guard.pictures import Pictures, Pixels, found_in
from guard.values import Action, Decision, Exchange, Role, Stage

if TYPE_CHECKING:
    from guard.engine import Guard

_PROMPT_NAMES = ("prompt", "messages", "input", "inputs", "text", "query", "question")


def wrap_generator(
    guard: Guard,
    generator: Any,  # noqa: ANN401
    *,
    on_block: str = "raise",
    prompt: str | None = None,
    refused: Any = None,  # noqa: ANN401
    pixels: Pixels | None = None,
) -> Any:  # noqa: ANN401
    """Return `generator` guarded: its prompt on the way in, its text or its images on the way out.

    A callable gives a callable of the same kind: what returned a text returns a text, what yielded pieces yields pieces, when
    they are asked for; async stays async. An iterator gives an iterator of the same kind, guarded on its way out.

    Args:
        on_block: `raise` raises `Blocked`; `refuse` gives the refusal's message as the answer (in a stream, as its last piece),
            and a grey image of the same size in place of an image, with which a stream of images ends.
        prompt: Name of the argument that is judged as input; where not said, the first argument that is named like a prompt,
            else the first that is a string. A prompt is a string, or messages with `role` and `content`.
        refused: With `on_block="refuse"`, what a refused prompt gives instead of the refusal's message: for images.
        pixels: The values of black and of white in arrays of images; see `guard.arrays.read_array`.

    Raises:
        ValueError: For another `on_block`.
        TypeError: For something that is neither callable nor iterable.
    """
    if on_block not in ("raise", "refuse"):
        raise ValueError(f"on_block: expected 'raise' or 'refuse', got {on_block!r}")
    wrapper = _Wrapper(guard, on_block, prompt, refused, pixels)
    if isinstance(generator, AsyncIterator):
        return wrapper.stream_async(generator, wrapper.exchange())
    if callable(generator):
        return wrapper.callable(generator)
    if isinstance(generator, Iterable) and not isinstance(generator, (str, bytes)):
        return wrapper.stream(generator, wrapper.exchange())
    raise TypeError(f"expected a callable, an iterator or an async iterator of text, got {type(generator).__name__}")


class _Wrapper:
    def __init__(self, guard: Guard, on_block: str, prompt: str | None, refused: Any, pixels: Pixels | None) -> None:  # noqa: ANN401
        self._guard = guard
        self._on_block = on_block
        self._prompt = prompt
        self._refused = refused
        self._pixels = pixels

    def exchange(self, texts: Sequence[Text] = ()) -> Exchange:
        from guard.engine import new_exchange

        return new_exchange(route="wrap", prompt=self._guard.prompt_of(texts))

    def callable(self, function: Callable[..., Any]) -> Callable[..., Any]:
        target = function if inspect.isroutine(function) else type(function).__call__
        if inspect.isasyncgenfunction(target):
            return self._async_generator(function)
        if inspect.iscoroutinefunction(target):
            return self._coroutine(function)
        if inspect.isgeneratorfunction(target):
            return self._generator(function)
        return self._function(function)

    def _function(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function, updated=())
        def guarded(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            call = _Call(function, args, kwargs, self._prompt)
            exchange = self.exchange(call.texts)
            refused = self._after_input(call, self._guard.judge_sync(call.texts, Stage.INPUT, exchange))
            if refused is not None:
                return refused
            return self._answer(call.run(), exchange)

        return guarded

    def _generator(self, function: Callable[..., Iterator[str]]) -> Callable[..., Iterator[str]]:
        @functools.wraps(function, updated=())
        def guarded(*args: Any, **kwargs: Any) -> Iterator[str]:  # noqa: ANN401
            call = _Call(function, args, kwargs, self._prompt)
            exchange = self.exchange(call.texts)
            refused = self._after_input(call, self._guard.judge_sync(call.texts, Stage.INPUT, exchange))
            if refused is not None:
                yield refused
                return
            yield from self.stream(call.run(), exchange)

        return guarded

    def _coroutine(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function, updated=())
        async def guarded(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            call = _Call(function, args, kwargs, self._prompt)
            exchange = self.exchange(call.texts)
            refused = self._after_input(call, await self._guard.judge(call.texts, Stage.INPUT, exchange))
            if refused is not None:
                return refused
            answer = await call.run()
            if isinstance(answer, str):
                return self._released(answer, await self._guard.judge(_answer_texts(answer), Stage.OUTPUT, exchange))
            pictures = found_in(answer, self._pixels)
            if pictures is not None:
                return self._shown(pictures, await self._guard.judge((), Stage.OUTPUT, exchange, pictures.media))
            return self._answer(answer, exchange)

        return guarded

    def _async_generator(self, function: Callable[..., AsyncIterator[str]]) -> Callable[..., AsyncIterator[str]]:
        @functools.wraps(function, updated=())
        async def guarded(*args: Any, **kwargs: Any) -> AsyncIterator[str]:  # noqa: ANN401
            call = _Call(function, args, kwargs, self._prompt)
            exchange = self.exchange(call.texts)
            refused = self._after_input(call, await self._guard.judge(call.texts, Stage.INPUT, exchange))
            if refused is not None:
                yield refused
                return
            async for piece in self.stream_async(call.run(), exchange):
                yield piece

        return guarded

    def _answer(self, answer: Any, exchange: Exchange) -> Any:  # noqa: ANN401
        """Guard what a plain callable returned: a text, images, or something that will yield texts."""
        if isinstance(answer, str):
            return self._released(answer, self._guard.judge_sync(_answer_texts(answer), Stage.OUTPUT, exchange))
        if isinstance(answer, AsyncIterator):
            return self.stream_async(answer, exchange)
        if isinstance(answer, Iterator):
            return self.stream(answer, exchange)
        pictures = found_in(answer, self._pixels)
        if pictures is not None:
            return self._shown(pictures, self._guard.judge_sync((), Stage.OUTPUT, exchange, pictures.media))
        raise TypeError(
            f"the generator gave a {type(answer).__name__}; expected text, an iterator of text, "
            "or images (Pillow's, encoded bytes, arrays, tensors, a list of them, or an object with them in `.images`)"
        )

    def stream(self, source: Iterable[Any], exchange: Exchange) -> Iterator[Any]:
        pieces = iter(source)
        try:
            first = next(pieces, "")
            if isinstance(first, str):
                texts = _texts_only(itertools.chain((first,), pieces))
                yield from self._guard.guard_stream_sync(texts, exchange, self._refusal)
                return
            for image in itertools.chain((first,), pieces):
                pictures = self._pictures(image)
                judged = self._guard.judge_sync((), Stage.OUTPUT, exchange, pictures.media)
                yield self._shown(pictures, judged)
                if _refuses(judged):
                    return
        finally:
            if hasattr(source, "close"):
                source.close()

    async def stream_async(self, source: AsyncIterator[Any], exchange: Exchange) -> AsyncIterator[Any]:
        pieces = closing(source)
        first = await anext(pieces, "")
        if isinstance(first, str):
            async for piece in self._guard.guard_stream(_after(first, pieces), exchange, self._refusal):
                yield piece
            return
        async for image in _after(first, pieces):
            pictures = self._pictures(image)
            judged = await self._guard.judge((), Stage.OUTPUT, exchange, pictures.media)
            yield self._shown(pictures, judged)
            if _refuses(judged):
                return

    def _pictures(self, piece: Any) -> Pictures:  # noqa: ANN401
        pictures = found_in(piece, self._pixels)
        if pictures is None:
            raise TypeError(f"the generator yielded a {type(piece).__name__}; expected text, or images from the first piece on")
        return pictures

    def _after_input(self, call: _Call, judged: Judgement) -> Any:  # noqa: ANN401
        if judged.decision.action >= Action.REVISE:
            message = self._refusal(self._guard.final(judged.decision))
            return message if self._refused is None else self._refused
        call.change(judged.changes)
        return None

    def _released(self, answer: str, judged: Judgement) -> str:
        if judged.decision.action >= Action.REVISE:
            return self._refusal(self._guard.final(judged.decision))
        return judged.changes.get("", answer)

    def _shown(self, pictures: Pictures, judged: Judgement) -> Any:  # noqa: ANN401
        """Return the images that may leave, with grey ones in place of the others."""
        if not _refuses(judged):
            return pictures.answer
        self._refusal(self._guard.final(judged.decision))
        return pictures.without(range(len(pictures.media)) if judged.all_blocked else judged.blocked)

    def _refusal(self, decision: Decision) -> str:
        if self._on_block == "raise":
            raise Blocked(decision)
        return decision.message


class _Call:
    """One call of the generator, with its prompt found among the arguments."""

    def __init__(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], prompt: str | None) -> None:
        self._function = function
        self._bound = inspect.signature(function).bind(*args, **kwargs)
        self._name = _prompt_name(self._bound.arguments, prompt)
        self.texts = _prompt_texts(self._bound.arguments[self._name]) if self._name else ()

    def change(self, changes: Mapping[str, str]) -> None:
        if not changes or self._name is None:
            return
        value = self._bound.arguments[self._name]
        if isinstance(value, str):
            self._bound.arguments[self._name] = changes.get("", value)
            return
        self._bound.arguments[self._name] = [
            {**message, "content": changes.get(f"/{index}", message["content"])} for index, message in enumerate(value)
        ]

    def run(self) -> Any:  # noqa: ANN401
        return self._function(*self._bound.args, **self._bound.kwargs)


def _prompt_name(arguments: Mapping[str, Any], prompt: str | None) -> str | None:
    if prompt is not None:
        if prompt not in arguments:
            raise TypeError(f"the generator was called without its prompt argument {prompt!r}")
        return prompt
    named = next((name for name in _PROMPT_NAMES if name in arguments), None)
    return named or next((name for name, value in arguments.items() if isinstance(value, str)), None)


def _prompt_texts(value: Any) -> tuple[Text, ...]:  # noqa: ANN401
    if isinstance(value, str):
        return (Text((Piece("", value),), Role.USER),)
    texts = []
    for index, message in enumerate(value):
        if not isinstance(message, Mapping) or not isinstance(message.get("content"), str):
            raise TypeError(
                f"messages[{index}]: expected a mapping with 'role' and a text as 'content', got {type(message).__name__}"
            )
        role = {"tool": Role.TOOL_RESULT, "function": Role.TOOL_RESULT}.get(message["role"]) or Role(message["role"])
        texts.append(Text((Piece(f"/{index}", message["content"]),), role, turn=index))
    return tuple(texts)


def _answer_texts(answer: str) -> tuple[Text, ...]:
    return (Text((Piece("", answer),), Role.ASSISTANT),)


def _refuses(judged: Judgement) -> bool:
    """Return whether an image may not leave as it is."""
    return judged.decision.action >= Action.REVISE or judged.unredactable


async def _after(first: Any, pieces: AsyncIterator[Any]) -> AsyncIterator[Any]:  # noqa: ANN401
    yield first
    async for piece in pieces:
        yield piece


def _texts_only(source: Iterable[str]) -> Iterator[str]:
    for piece in source:
        if not isinstance(piece, str):
            raise TypeError(f"the generator yielded a {type(piece).__name__}; expected text")
        yield piece
