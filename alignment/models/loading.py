"""Load a language model with its tokenizer: from safetensors or GGUF, and without code of its own unless that was asked for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignment.training.settings import ModelSettings
from guard.errors import MissingExtra, TenetError

if TYPE_CHECKING:
    import torch


class ModelError(TenetError):
    """A model that cannot be used: where, what was expected, what was found."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model with its tokenizer.

    Attributes:
        model: transformers' model, on its device, in evaluation mode.
        tokenizer: With a chat template and a pad token.
        context: Tokens that the model can take in all.
    """

    model: Any
    tokenizer: Any
    context: int


def check(settings: ModelSettings) -> Path:
    """Return the model's folder, if it looks like one that can be loaded; nothing is loaded yet.

    Raises:
        ModelError: Where it cannot.
    """
    folder = Path(settings.path)
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        raise ModelError(f"{folder}: expected the folder of a model, found {found} there (models are never fetched from a hub)")
    if settings.gguf_file:
        if not (folder / settings.gguf_file).is_file():
            known = ", ".join(sorted(file.name for file in folder.glob("*.gguf"))) or "none"
            raise ModelError(f"{folder}: expected the GGUF file {settings.gguf_file}, found: {known}")
        return folder
    config = _json(folder / "config.json")
    if not list(folder.glob("*.safetensors")):
        others = ", ".join(sorted(file.name for file in folder.glob("*.bin"))) or "none"
        raise ModelError(f"{folder}: expected weights as *.safetensors, which cannot hide code; found none (others: {others})")
    if "auto_map" in config and not settings.trust_remote_code:
        raise ModelError(
            f"{folder}: its config names code of its own (auto_map), which is not run unless trust_remote_code is true"
        )
    for adapter in settings.adapters:
        if not (Path(adapter) / "adapter_config.json").is_file():
            raise ModelError(f"{adapter}: expected the folder of a LoRA adapter, found no adapter_config.json")
    return folder


def load_tokenizer(settings: ModelSettings) -> Any:  # noqa: ANN401 - transformers' tokenizers have no common type
    """Return the tokenizer.

    Raises:
        ModelError: Where it has no chat template, or no token that can pad.
    """
    check(settings)
    _need()
    from transformers import AutoTokenizer

    gguf = {"gguf_file": settings.gguf_file} if settings.gguf_file else {}
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            settings.path, trust_remote_code=settings.trust_remote_code, local_files_only=True, **gguf
        )
    except (OSError, ValueError, ImportError) as error:
        said = str(error).splitlines()[0][:200]
        raise ModelError(f"{settings.path}: expected the model's tokenizer in it, found none that can be read: {said}") from None
    if not tokenizer.chat_template:
        raise ModelError(
            f"{settings.path}: expected a tokenizer with a chat template, found none (put chat_template.jinja beside it)"
        )
    if tokenizer.pad_token is None:
        if tokenizer.eos_token is None:
            raise ModelError(
                f"{settings.path}: expected a tokenizer with a pad or an end token, found neither (see tokenizer_config.json)"
            )
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load(settings: ModelSettings, *, head: str = "causal", train: bool = False) -> Loaded:
    """Return the model with its tokenizer; adapters are merged in.

    Args:
        head: `causal` for a language model, `score` for a reward model (one number for a text).
        train: Whether it is going to be trained, and is loaded for that.

    Raises:
        ModelError: Where it cannot be loaded.
        MissingExtra: Where the extra `alignment` is not installed.
    """
    folder = check(settings)
    tokenizer = load_tokenizer(settings)
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    options: dict[str, Any] = {
        "dtype": dtype_of(settings),
        "trust_remote_code": settings.trust_remote_code,
        "local_files_only": True,
        **({"gguf_file": settings.gguf_file} if settings.gguf_file else {"use_safetensors": True}),
        **_quantized(settings),
    }
    kind = AutoModelForSequenceClassification if head == "score" else AutoModelForCausalLM
    if head == "score":
        options["num_labels"] = 1
    try:
        model = kind.from_pretrained(str(folder), **options)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise ModelError(f"{folder}: cannot be loaded: {str(error).splitlines()[0][:300]}") from error
    if settings.gguf_file:
        _forget_quantization(model)
    for adapter in settings.adapters:
        model = _merged(model, adapter)
    _check_vocabulary(model, tokenizer, folder)
    model.config.pad_token_id = tokenizer.pad_token_id
    if torch.cuda.is_available() and not options.get("quantization_config"):
        model = torch.nn.Module.to(model, "cuda")
    if not train:
        model.eval()
    return Loaded(model, tokenizer, context_of(model.config))


def context_of(config: Any) -> int:  # noqa: ANN401
    """Return how many tokens a model can take in all."""
    return int(getattr(config, "max_position_embeddings", 0) or _UNBOUND)


def context_of_folder(settings: ModelSettings) -> int:
    """Return how many tokens a model can take in all, without loading it.

    Raises:
        ModelError: Where the folder is no model's.
    """
    folder = check(settings)
    if not settings.gguf_file:
        config = _json(folder / "config.json")
        return int(config.get("max_position_embeddings") or config.get("n_positions") or _UNBOUND)
    _need()
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    config = load_gguf_checkpoint(str(folder / settings.gguf_file), return_tensors=False)["config"]  # type: ignore[no-untyped-call]
    return int(config.get("max_position_embeddings") or _UNBOUND)


def dtype_of(settings: ModelSettings) -> torch.dtype:
    """Return the type of the weights."""
    import torch

    if settings.dtype == "auto":
        return torch.bfloat16 if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else torch.float32
    return torch.bfloat16 if settings.dtype == "bfloat16" else torch.float32


def digest_of(settings: ModelSettings) -> str:
    """Return the SHA-256 of a model's weights, config, tokenizer and adapter, 64 hexadecimal digits; reads all of them."""
    import hashlib

    digest = hashlib.sha256()
    folders = [Path(settings.path), *map(Path, settings.adapters)]
    for folder in folders:
        for file in sorted(file for file in folder.iterdir() if file.suffix in _PARTS and not file.name.startswith("step")):
            digest.update(f"{file.name}\0".encode())
            with file.open("rb") as opened:
                digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()


def _quantized(settings: ModelSettings) -> dict[str, Any]:
    if settings.quantization == "none":
        return {}
    import importlib.util

    import torch

    if not torch.cuda.is_available() or importlib.util.find_spec("bitsandbytes") is None:
        raise ModelError(
            f"quantization: {settings.quantization} needs a GPU and the package bitsandbytes; here is none (use none)"
        )
    from transformers import BitsAndBytesConfig

    if settings.quantization == "8bit":
        return {"quantization_config": BitsAndBytesConfig(load_in_8bit=True)}  # type: ignore[no-untyped-call]
    how = {"bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True, "bnb_4bit_compute_dtype": torch.bfloat16}
    return {"quantization_config": BitsAndBytesConfig(load_in_4bit=True, **how)}  # type: ignore[no-untyped-call]


def _merged(model: Any, adapter: str) -> Any:  # noqa: ANN401
    from peft import PeftModel

    try:
        return PeftModel.from_pretrained(model, adapter).merge_and_unload()
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise ModelError(f"{adapter}: does not fit the model: {str(error).splitlines()[0][:300]}") from error


def _forget_quantization(model: Any) -> None:  # noqa: ANN401
    """Make a model that was read from GGUF one of plain weights, which can be saved."""
    for name in ("hf_quantizer", "is_quantized", "quantization_method"):
        if hasattr(model, name):
            delattr(model, name)
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config


def _check_vocabulary(model: Any, tokenizer: Any, folder: Path) -> None:  # noqa: ANN401
    rows = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > rows:
        raise ModelError(
            f"{folder}: expected a tokenizer of at most the model's {rows:,} tokens, found {len(tokenizer):,}: not its own?"
        )


def _json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_bytes())
    except OSError:
        raise ModelError(f"{file.parent}: expected the folder of a model, found no {file.name} in it") from None
    except ValueError as error:
        raise ModelError(f"{file}: expected JSON, got {error}") from error
    return found if isinstance(found, dict) else {}


def _need() -> None:
    import importlib.util

    missing = [name for name in ("torch", "transformers", "trl", "peft", "datasets") if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtra("fine-tuning", "alignment")


_PARTS = frozenset({".safetensors", ".json", ".gguf", ".jinja", ".model", ".txt"})
_UNBOUND = 1_000_000
"""Tokens of a model that states no limit."""
