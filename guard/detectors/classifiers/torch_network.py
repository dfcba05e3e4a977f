"""A model that torch runs, whoever loaded it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from guard.detectors.classifiers.network import Facts, Network, Tokens, labels_of, token_limit
from guard.errors import DetectorError
from guard.runtime.cores import available_cores

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer

DTYPES = ("float32", "float16", "bfloat16")
"""How precisely a model computes. Half precision rounds by the shape of a batch, so texts then go one by one."""


class TorchNetwork(Network):
    """A `transformers` model for sequence classification."""

    def __init__(self, facts: Facts, tokenizer: Tokenizer, model: Any) -> None:  # noqa: ANN401
        super().__init__(facts, tokenizer)
        self._model = model
        taken = set(inspect.signature(model.forward).parameters)
        self._taken = taken if _type_count(model) > 1 else taken - {"token_type_ids"}

    def logits(self, ids: Tokens, mask: Tokens, types: Tokens) -> NDArray[np.float32]:
        """Return an array of shape (rows, labels)."""
        import torch

        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
        with torch.inference_mode():
            tensors = {
                name: torch.from_numpy(array).to(self._model.device) for name, array in given.items() if name in self._taken
            }
            found: NDArray[np.float32] = self._model(**tensors).logits.float().cpu().numpy()
        return found


def device_of(detector: str, wanted: str) -> str:
    """Return `cpu` or `cuda`; `auto` is CUDA where there is one.

    Raises:
        DetectorError: Where CUDA is asked for and missing.
    """
    import torch

    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise DetectorError(detector, "device: expected a CUDA device, found none; use `auto` or `cpu`")
    return "cuda" if there and wanted in ("auto", "cuda") else "cpu"


def dtype_of(name: str) -> torch.dtype:
    """Return torch's type of that name."""
    import torch

    found: torch.dtype = getattr(torch, name)
    return found


def network_of(
    detector: str,
    model: Any,  # noqa: ANN401
    tokenizer: Any,  # noqa: ANN401
    *,
    digest: str,
    device: str,
    dtype: str,
    labels: tuple[str, ...] = (),
    problem: str = "",
) -> TorchNetwork:
    """Return a loaded model, ready to be asked.

    Args:
        tokenizer: Of `transformers`.
        labels: Names of the outputs, where the model's configuration does not have them.
        problem: `problem_type`, where the model's configuration does not have it.

    Raises:
        DetectorError: Where the tokenizer does not fit the model.
    """
    import torch

    torch.set_num_threads(
        min(torch.get_num_threads(), available_cores())
    )  # torch counts the machine's cores, not the container's
    config: Mapping[str, Any] = model.config.to_dict()
    backend = _backend(detector, tokenizer, model.get_input_embeddings().num_embeddings)
    facts = Facts(
        labels=labels or labels_of(config),
        problem=problem or config.get("problem_type") or "",
        limit=token_limit(config, tokenizer.model_max_length),
        pad=config.get("pad_token_id") or 0,
        alone=dtype != "float32" or config.get("pad_token_id") is None,
        digest=digest,
        format=f"torch {device} {dtype}",
    )
    return TorchNetwork(facts, backend, model.to(device).eval())


@contextmanager
def no_progress_bars() -> Iterator[None]:
    """Keep `transformers` from drawing on the terminal of a server or a pipe while it loads."""
    from transformers.utils import logging

    drawn = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # it has no annotations
    try:
        yield
    finally:
        if drawn:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]  # it has no annotations


def _backend(detector: str, tokenizer: Any, embeddings: int) -> Tokenizer:  # noqa: ANN401
    """Return what a tokenizer of `transformers` is inside, without truncation and padding."""
    backend: Tokenizer | None = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        way_out = "convert it to a tokenizer.json"
        raise DetectorError(detector, f"model: expected a fast tokenizer, found {type(tokenizer).__name__}; {way_out}")
    highest = max(backend.get_vocab(with_added_tokens=True).values(), default=-1)
    if not len(tokenizer.all_special_ids) < highest + 1 <= embeddings:
        found = f"found {highest + 1} tokens for {embeddings} embeddings"
        raise DetectorError(detector, f"model: expected the tokenizer of this model, {found}; are its files complete?")
    backend.no_truncation()
    backend.no_padding()
    return backend


def _type_count(model: Any) -> int:  # noqa: ANN401
    """Return how many kinds of tokens a model tells apart; 0 where it has no such embedding."""
    return int(getattr(model.config, "type_vocab_size", 0) or 0)
