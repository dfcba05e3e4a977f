"""A detector of one's own: finds SHOUTING, and blocks it. Run: python examples/custom_detector.py"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from guard import Guard
from guard.detectors.registry import kinds
from guard.policy.kinds import Kind
from guard.policy.load import loads
from guard.values import Finding, Item, Needs, Runs, WindowReach


class Shouting:
    """Scores a window by its share of capital letters."""

    version = "1"
    categories = ("custom/shouting",)
    needs = Needs(WindowReach(after=40, most=400, context=0), runs=Runs.THREAD)

    def __init__(self, name: str) -> None:
        self.name = name

    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        return [self._judge(item) for item in items]

    async def detect_async(self, items: Sequence[Item]) -> list[list[Finding]]:
        return await asyncio.to_thread(self.detect, items)

    def _judge(self, item: Item) -> list[Finding]:
        letters = [character for character in item.text[item.judged_from :] if character.isalpha()]
        score = sum(letter.isupper() for letter in letters) / max(1, len(letters))
        return [Finding(self.name, "custom/shouting", score, None, item.location, item.role)]


def make(name: str, _options: Mapping[str, Any]) -> Shouting:
    return Shouting(name)


KIND = Kind(
    use="shouting",
    summary="text in capitals",
    make=make,
    categories=lambda _options: Shouting.categories,
    spans=False,
    reach="window",
)

POLICY = """
version: 1
detectors: {loud: shouting}
rules: [{id: calm, detect: loud, category: custom/shouting, threshold: 0.8, action: block, message: Please speak softly.}]
"""

if __name__ == "__main__":
    known = {**kinds(), "shouting": KIND}
    policy = loads(POLICY, known, name="shouting.yaml")
    guard = Guard(policy, kinds=known)
    for text in ("How are you?", "HOW ARE YOU?"):
        decision = guard.check_sync(text)
        print(f"{text:<14} {decision.action.word:<6} {decision.message}")
