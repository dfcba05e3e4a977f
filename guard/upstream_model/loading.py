"""Load a model folder, and adapters on top of it, with nothing run that came with them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from guard.errors import MissingExtra, TenetError

_LINEAGE = "lineage.json"
_SHOWN = ("name", "version", "recipe", "policy", "baseline", "candidate", "made", "notice")


@dataclass(frozen=True, slots=True)
class UpstreamModel:
    """A model that can be served.

    Attributes:
        name: Under which clients ask for it.
        model: transformers' model, in evaluation mode.
        tokenizer: With a chat template.
        context: Tokens that it can take in all.
        ends: Tokens that end an answer.
        created: When its weights were written, in seconds since 1970.
        lineage: Where it came from, if it was promoted; empty otherwise.
    """

    name: str
    model: Any
    tokenizer: Any
    context: int
    ends: frozenset[int]
    created: int
    lineage: Mapping[str, Any] = field(default_factory=dict)


def load(folder: Path, adapters: Sequence[Path] = ()) -> UpstreamModel:
    """Return a model, with LoRA adapters merged in one after the other.

    Args:
        folder: With config, tokenizer and safetensors; the folder of an adapter that names its base by a path; or a GGUF file.

    Raises:
        TenetError: Where it cannot be served: what was expected, what was found.
        MissingExtra: Where packages are missing.
    """
    adapters = list(adapters)
    shown = folder
    if (folder / "adapter_config.json").is_file():
        folder, adapters = _base_of(folder), [folder, *adapters]
    home, options = _checked(folder)
    for adapter in adapters:
        _check_adapter(adapter)
    _need(adapters)
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        in_gguf = {key: value for key, value in options.items() if key == "gguf_file"}
        tokenizer = AutoTokenizer.from_pretrained(str(home), trust_remote_code=False, local_files_only=True, **in_gguf)
        model = AutoModelForCausalLM.from_pretrained(
            str(home), dtype=_dtype(), trust_remote_code=False, local_files_only=True, **options
        )
    except (OSError, ValueError, RuntimeError, KeyError, ImportError) as error:
        raise TenetError(f"--upstream-model: {folder} cannot be loaded: {_first_line(error)}") from error
    _check_tokenizer(folder, tokenizer, model)
    for adapter in adapters:
        model = _merged(model, adapter)
    model = _on_device(model)
    lineage = _lineage(shown)
    name = "-".join(str(lineage[key]) for key in ("name", "version")) if lineage else shown.absolute().name
    created = int((shown if shown.is_file() else next(iter(sorted(shown.glob("*.safetensors"))), shown)).stat().st_mtime)
    context = int(getattr(model.config, "max_position_embeddings", 0) or 1_000_000)
    return UpstreamModel(name, model, tokenizer, context, _ends(model, tokenizer), created, lineage)


def _checked(folder: Path) -> tuple[Path, dict[str, Any]]:
    """Return the folder to load from, and how."""
    if folder.suffix == ".gguf" and folder.is_file():
        return folder.parent, {"gguf_file": folder.name}
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        raise TenetError(
            f"--upstream-model: expected the folder of a model at {folder}, found {found} there (none is ever fetched from a hub)"
        )
    config = _json(folder / "config.json")
    if "auto_map" in config:
        raise TenetError(f"--upstream-model: {folder} names code of its own (auto_map in config.json), which is never run here")
    if not list(folder.glob("*.safetensors")):
        raise TenetError(f"--upstream-model: expected weights as *.safetensors in {folder}, which cannot hide code; found none")
    return folder, {"use_safetensors": True}


def _base_of(adapter: Path) -> Path:
    said = _json(adapter / "adapter_config.json").get("base_model_name_or_path")
    base = Path(str(said or ""))
    if said and base.is_dir():
        return base
    raise TenetError(
        f"--upstream-model: {adapter} is a LoRA adapter whose base is no folder here; name the base by --upstream-model and the "
        "adapter by --upstream-adapter"
    )


def _check_adapter(adapter: Path) -> None:
    if not (adapter / "adapter_config.json").is_file():
        raise TenetError(f"--upstream-adapter: expected the folder of a LoRA adapter at {adapter}, found no adapter_config.json")
    if not (adapter / "adapter_model.safetensors").is_file():
        raise TenetError(
            f"--upstream-adapter: expected adapter_model.safetensors in {adapter}, which cannot hide code; found none"
        )


def _merged(model: Any, adapter: Path) -> Any:  # noqa: ANN401 - transformers' models have no common type
    from peft import PeftModel

    try:
        return PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise TenetError(f"--upstream-adapter: {adapter} does not fit the model: {_first_line(error)}") from error


def _check_tokenizer(folder: Path, tokenizer: Any, model: Any) -> None:  # noqa: ANN401
    if not tokenizer.chat_template:
        raise TenetError(f"--upstream-model: expected a tokenizer with a chat template in {folder}, found none")
    rows = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > rows:
        raise TenetError(f"--upstream-model: {folder} has a tokenizer of {len(tokenizer):,} tokens, and a model of {rows:,}")


def _ends(model: Any, tokenizer: Any) -> frozenset[int]:  # noqa: ANN401
    named = getattr(model.generation_config, "eos_token_id", None)
    ends = {*(named if isinstance(named, list) else [named]), tokenizer.eos_token_id} - {None}
    return frozenset(int(end) for end in ends)


def _dtype() -> Any:  # noqa: ANN401
    import torch

    return torch.bfloat16 if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else torch.float32


def _on_device(model: Any) -> Any:  # noqa: ANN401
    import torch

    model.train(mode=False)
    return model.to("cuda") if torch.cuda.is_available() else model


def _lineage(folder: Path) -> dict[str, Any]:
    """Return what a promotion wrote down, as far as clients may see it; empty where nothing is, or it is not readable."""
    if not (folder / _LINEAGE).is_file():
        return {}
    found = _json(folder / _LINEAGE)
    shown = {key: found[key] for key in _SHOWN if isinstance(found.get(key), str)}
    return shown if "name" in shown and "version" in shown else {}


def _json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_bytes())
    except OSError:
        raise TenetError(f"--upstream-model: expected {file.name} in {file.parent}, found none") from None
    except ValueError as error:
        raise TenetError(f"--upstream-model: expected JSON in {file}, got {_first_line(error)}") from error
    return found if isinstance(found, dict) else {}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _need(adapters: Sequence[Path]) -> None:
    if find_spec("torch") is None or find_spec("transformers") is None:
        raise MissingExtra("--upstream-model", "transformers")
    if adapters and find_spec("peft") is None:
        raise MissingExtra("an adapter", "alignment")
