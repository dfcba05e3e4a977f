"""The families of models that are trained to judge: how each is asked, how its answers read, what its labels mean here."""

from __future__ import annotations

from collections.abc import Mapping

from guard.detectors.judges.families.family import HARMFUL, Family, Outcome, Question, Unclear
from guard.detectors.judges.families.gpt_oss_safeguard import GPT_OSS_SAFEGUARD
from guard.detectors.judges.families.granite_guardian import GRANITE_GUARDIAN_3, GRANITE_GUARDIAN_3_3
from guard.detectors.judges.families.llama_guard import LLAMA_GUARD_3, LLAMA_GUARD_4
from guard.detectors.judges.families.shieldgemma import SHIELDGEMMA

FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (LLAMA_GUARD_3, LLAMA_GUARD_4, SHIELDGEMMA, GRANITE_GUARDIAN_3, GRANITE_GUARDIAN_3_3, GPT_OSS_SAFEGUARD)
}

__all__ = ["FAMILIES", "HARMFUL", "Family", "Outcome", "Question", "Unclear"]
