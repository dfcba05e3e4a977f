"""What lint may say: levels, remarks, and every code with what it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """How much a remark matters."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that lint says.

    Attributes:
        code: Stable; such as `L001`.
        subject: The id of the rule, principle or detector that is meant; empty for the policy as a whole.
        hint: The way out; empty where there is nothing to do.
    """

    level: Level
    code: str
    subject: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.level.value} {self.code}: {self.said}"

    @property
    def said(self) -> str:
        """The subject, the message and the way out."""
        subject = f"{self.subject}: " if self.subject else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{subject}{self.message}{hint}"


class Code(NamedTuple):
    """What a code stands for.

    Attributes:
        levels: Those that its remarks may have.
        about: Where its subjects stand: `rules`, `detectors`, `principles`; or the key that a remark on a whole policy is about.
    """

    levels: tuple[Level, ...]
    summary: str
    about: str = "rules"


_ERROR, _WARNING, _INFO = Level

CODES: Mapping[str, Code] = {
    "L000": Code((_ERROR,), "the policy doesn't load; it has no exceptions", ""),
    "L001": Code((_ERROR, _WARNING), "no detector that a rule reads can report its category"),
    "L002": Code((_ERROR,), "a rule redacts what a detector finds that doesn't say where"),
    "L003": Code((_ERROR,), "a rule never fires: nothing at its stage is in its roles' words"),
    "L004": Code((_ERROR, _WARNING), "every score reaches a threshold: it is 0, or no higher than the lowest that is reported"),
    "L005": Code((_WARNING,), "another rule does all that this one does"),
    "L006": Code((_INFO,), "no rule serves a principle, and no detector judges by it", "principles"),
    "L007": Code((_WARNING,), "no rule reads a detector", "detectors"),
    "L008": Code((_WARNING,), "streams are released before they are judged", "defaults.release"),
    "L009": Code((_WARNING,), "texts pass where a detector fails"),
    "L010": Code((_WARNING,), "a client can switch a rule off by a header or a parameter"),
    "L011": Code((_WARNING,), "a rule never fires: an exception takes out whatever it finds"),
    "L012": Code((_ERROR, _WARNING), "a condition that never holds, or always"),
    "L013": Code((_ERROR, _WARNING), "no score reaches a threshold, or hardly ever one of a model"),
    "L014": Code((_WARNING,), "a rule that acts holds for a share of the exchanges only"),
    "L015": Code((_WARNING,), "a rule never fires any more: its schedule is over"),
    "L020": Code((_INFO,), "an exception, a rule that rewrites or one on several findings holds streams back until their end"),
    "L021": Code((_INFO,), "a detector holds streams back until their end, for these rules", "detectors"),
    "L022": Code((_INFO,), "a detector holds streams back for a window, for these rules", "detectors"),
    "L023": Code((_WARNING, _INFO), "images, sounds and files pass unjudged", "routes.media"),
    "L024": Code((_WARNING,), "no image, sound or file can pass", "routes.media"),
    "L030": Code((_ERROR, _INFO), "what forbids speculation", "routes.speculate"),
    "L040": Code((_WARNING,), "no tests beside the file", "version"),
    "L090": Code((_WARNING,), "an exception that names no code, or an unknown one; it doesn't hold", ""),
    "L091": Code((_WARNING,), "an exception without a reason; it doesn't hold", ""),
    "L092": Code((_WARNING,), "an exception that nothing needs", ""),
}
"""Every code, in order."""
