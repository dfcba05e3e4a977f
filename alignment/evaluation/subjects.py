"""The models that are compared: one in a folder, with or without an adapter, or one behind an OpenAI-compatible server."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec

from alignment.evaluation.result import Subject
from alignment.evaluation.settings import Asking, Server
from alignment.models.loading import Loaded, context_of, digest_of, load, load_tokenizer
from alignment.records_of_steps import FILE, read_record
from alignment.training.settings import ModelSettings
from guard.errors import TenetError

ADAPTER = "adapter_config.json"
Conversation = list[dict[str, str]]


class Said(NamedTuple):
    """One answer.

    Attributes:
        prompt: Index of the prompt among those that were asked together.
        number: Which answer to it.
        tokens: Of the answer; 0 where nobody counted them.
        cut: Whether it was ended by its length.
        seconds: Its share of the time that all of them took together.
    """

    prompt: int
    number: int
    text: str
    tokens: int
    cut: bool
    seconds: float


class Model(Protocol):
    """Whatever answers."""

    @property
    def subject(self) -> Subject:
        """What the result says of it."""
        ...

    def answers(self, prompts: Sequence[Conversation], asking: Asking) -> list[Said]:
        """Return all answers to some prompts; equal arguments give equal answers where the model can do that."""
        ...

    def too_long(self, prompt: Conversation, asking: Asking) -> bool:
        """Return whether a prompt leaves no room for an answer."""
        ...

    def close(self) -> None:
        """Give back its memory; it is loaded again when it is needed."""
        ...


class LocalModel:
    """A model in this process, loaded when it is first asked."""

    def __init__(self, settings: ModelSettings, name: str = "") -> None:
        """Take a model's digest, which reads all of its files.

        Raises:
            ModelError: Where there is no model that can be loaded.
        """
        from alignment.models.loading import check

        check(settings)
        self.settings = settings
        self._loaded: Loaded | None = None
        self._reads: tuple[Any, int] | None = None
        kind = "adapter" if settings.adapters else "folder"
        self._subject = Subject(name=name or settings.path, digest=digest_of(settings), kind=kind)

    @property
    def subject(self) -> Subject:
        """What the result says of it."""
        return self._subject

    @property
    def loaded(self) -> Loaded:
        """The model with its tokenizer, loaded now where it was not."""
        if self._loaded is None:
            self._loaded = load(self.settings)
        return self._loaded

    def answers(self, prompts: Sequence[Conversation], asking: Asking) -> list[Said]:
        """Return all answers to some prompts."""
        import time

        from alignment.models.sampling import Sampling, draw

        sampling = Sampling(
            answers=asking.answers,
            max_new_tokens=asking.max_new_tokens,
            temperature=asking.temperature,
            top_p=asking.top_p,
            batch=asking.batch,
            seed=asking.seed,
        )
        loaded = self.loaded
        began = time.monotonic()
        made = list(draw(loaded, prompts, sampling))
        share = (time.monotonic() - began) / max(1, len(made))
        return [Said(each.prompt, each.answer, each.text, each.tokens, each.finish == "length", share) for each in made]

    def too_long(self, prompt: Conversation, asking: Asking) -> bool:
        """Return whether a prompt leaves no room for an answer."""
        tokenizer, context = self._reading()
        ids = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, tokenize=True, return_dict=False)
        return len(ids) > context - asking.max_new_tokens

    def vocabulary(self) -> str:
        """Return a digest of the tokens: figures of single tokens can only be compared where both models have the same."""
        known = sorted(self._reading()[0].get_vocab().items())
        return hashlib.sha256(json.dumps(known).encode("utf-8", "surrogatepass")).hexdigest()

    def _reading(self) -> tuple[Any, int]:
        """Return the tokenizer and the context, without loading the weights."""
        if self._reads is None:
            from transformers import AutoConfig

            settings = self.settings
            named = {"gguf_file": settings.gguf_file} if settings.gguf_file else {}
            config = AutoConfig.from_pretrained(
                settings.path, local_files_only=True, trust_remote_code=settings.trust_remote_code, **named
            )
            self._reads = load_tokenizer(settings), context_of(config)
        return self._reads

    def close(self) -> None:
        """Give back its memory."""
        self._loaded = None
        import gc

        gc.collect()


class ServedModel:
    """A model behind an OpenAI-compatible server. How long a prompt may be, only the server knows."""

    def __init__(self, server: Server) -> None:
        """Take a server's address."""
        self._server = server
        digest = hashlib.sha256(f"{server.url}\0{server.model}".encode()).hexdigest()
        self._subject = Subject(name=f"{server.model} at {server.url}", digest=digest, kind="server")

    @property
    def subject(self) -> Subject:
        """What the result says of it."""
        return self._subject

    def answers(self, prompts: Sequence[Conversation], asking: Asking) -> list[Said]:
        """Return all answers to some prompts; they are asked for at the same time."""
        from alignment.evaluation.chatting import Chat, ask_all

        wanted = [(place, number) for place in range(len(prompts)) for number in range(asking.answers)]
        chats = [
            Chat(
                messages=tuple(prompts[place]),
                temperature=asking.temperature,
                top_p=asking.top_p,
                max_tokens=asking.max_new_tokens,
                seed=asking.seed + number,
            )
            for place, number in wanted
        ]
        found = ask_all(self._server, chats, at_once=asking.batch)
        return [
            Said(place, number, reply.text, reply.tokens, reply.cut, reply.seconds)
            for (place, number), reply in zip(wanted, found, strict=True)
        ]

    def too_long(self, prompt: Conversation, asking: Asking) -> bool:
        """Return False: the server refuses what is too long."""
        return False

    def close(self) -> None:
        """Do nothing."""


def model_at(place: str, *, base: str = "", served: str = "", key_env: str = "") -> LocalModel | ServedModel:
    """Return the model at a place.

    Args:
        place: A folder with a model, with a LoRA adapter, or of a training step; or the URL of a server.
        base: The folder of the model that an adapter belongs to, where its own file names none that is there.
        served: The model's name at the server.
        key_env: Environment variable that holds the server's key.

    Raises:
        TenetError: Where there is no such model.
    """
    if place.startswith(("http://", "https://")):
        if not served:
            raise TenetError(f"{place}: expected the model's name at the server (--baseline-model, --candidate-model), got none")
        return ServedModel(Server(url=place.rstrip("/"), model=served, key_env=key_env))
    return LocalModel(settings_at(Path(place), base), place)


def settings_at(folder: Path, base: str = "") -> ModelSettings:
    """Return how the model in a folder is loaded; raises TenetError where an adapter's model is not there."""
    if (folder / FILE).is_file() and (model := read_record(folder).model):
        return msgspec.convert(model, ModelSettings)
    if not (folder / ADAPTER).is_file():
        weights = list(folder.glob("*.gguf")) if not list(folder.glob("*.safetensors")) else []
        return ModelSettings(path=str(folder), gguf_file=weights[0].name if len(weights) == 1 else "")
    try:
        named: Any = json.loads((folder / ADAPTER).read_bytes()).get("base_model_name_or_path")
    except (OSError, ValueError, AttributeError) as error:
        raise TenetError(f"{folder / ADAPTER}: expected the settings of a LoRA adapter, got {type(error).__name__}") from error
    for path in (named, base):
        if isinstance(path, str) and path and Path(path).is_dir():
            return ModelSettings(path=path, adapters=(str(folder),))
    raise TenetError(
        f"{folder}: expected the adapter's model in a folder, found none (it names {str(named)[:100]!r}; give --base)"
    )


def chunks(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Yield places of prompts in chunks of like length, the longest first, so that memory runs out at once if at all."""
    ordered = sorted(range(len(lengths)), key=lambda place: (-lengths[place], place))
    yield from (ordered[start : start + size] for start in range(0, len(ordered), size))
