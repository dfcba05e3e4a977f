"""A reward model as a reward: one number for a conversation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from alignment.models.loading import Loaded, ModelError, load
from alignment.records_of_steps import FILE, read_record
from alignment.rewards.base import Conversation, messages_of
from alignment.rewards.settings import ModelReward
from alignment.training.settings import ModelSettings


class ModelScorer:
    """Scores answers with their prompts by a reward model."""

    def __init__(self, settings: ModelReward) -> None:
        """Load the model. Raises ModelError where it cannot be loaded, or is no reward model."""
        self._settings = settings
        folder = Path(settings.path)
        model = ModelSettings(path=settings.path)
        if (folder / FILE).is_file():
            record = read_record(folder)
            if record.kind != "reward":
                raise ModelError(f"{folder}: expected a step of the method reward, found one of {record.kind}")
            model = msgspec.convert(record.model, ModelSettings)
        self._loaded: Loaded = load(model, head="score")

    def __call__(self, prompts: Sequence[Conversation], answers: Sequence[str]) -> list[float]:
        """Return the model's number for each answer; it has no bounds."""
        import torch

        tokenizer, model = self._loaded.tokenizer, self._loaded.model
        texts = [
            tokenizer.apply_chat_template([*messages_of(prompt), {"role": "assistant", "content": answer}], tokenize=False)
            for prompt, answer in zip(prompts, answers, strict=True)
        ]
        found: list[float] = []
        for start in range(0, len(texts), self._settings.batch_size):
            batch = tokenizer(
                texts[start : start + self._settings.batch_size],
                return_tensors="pt",
                padding=True,
                truncation=True,
                max_length=self._loaded.context,
                add_special_tokens=False,
            ).to(model.device)
            with torch.inference_mode():
                found += model(**batch).logits[:, 0].float().tolist()
        return found
