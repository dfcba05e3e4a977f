"""Which exchanges belong to a trial's share of the traffic: the same for all that one person, or one conversation, says."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from guard.errors import TenetError
from guard.values import Exchange

_OPTION = "POLICY or POLICY@PERCENT, such as new.yaml@10"


@dataclass(frozen=True, slots=True)
class Wish:
    """A policy that somebody wants on trial.

    Attributes:
        policy: A shipped policy's name, or a path.
        percent: Of the traffic, in (0, 100].
    """

    policy: str
    percent: float = 100.0


def wish_of(option: str, text: str, *, percent_needed: bool = False) -> Wish:
    """Return what `POLICY[@PERCENT]` says.

    Args:
        option: Where it was said, for messages.

    Raises:
        TenetError: Where it says no policy, or no percentage that there can be.
    """
    policy, at, number = text.rpartition("@")
    if not at or "/" in number or number.endswith((".yaml", ".yml")):  # the sign belongs to the path
        if percent_needed:
            raise TenetError(f"{option}: expected POLICY@PERCENT, such as new.yaml@5, got {text[:200]!r} without a percentage")
        policy, number = text, "100"
    try:
        percent = float(number.removesuffix("%"))
    except ValueError:
        percent = 0.0
    if not policy or not 0 < percent <= 100:
        raise TenetError(f"{option}: expected {_OPTION}, the percentage above 0 and at most 100, got {text[:200]!r}")
    return Wish(policy, percent)


def in_share(secret: bytes, trial: str, exchange: Exchange, percent: float) -> bool:
    """Return whether an exchange belongs to the share of a trial.

    Who is in at some percentage is in at every higher one, in every process that has the secret, and after a change of the
    candidate. Where neither a subject nor a conversation is known, each exchange is drawn for itself.

    Args:
        secret: So that nobody can work out which name is drawn.
        trial: Draws of different trials have nothing to do with one another.
    """
    if percent >= 100:
        return True
    caller = exchange.caller
    kind, who = next(
        (kind, who)
        for kind, who in (("subject", caller.subject), ("conversation", exchange.conversation), ("exchange", exchange.id))
        if who or kind == "exchange"
    )
    said = "\0".join((trial, caller.tenant, kind, who)).encode("utf-8", "surrogatepass")
    drawn = int.from_bytes(hmac.digest(secret, said, "sha256")[:8], "big")
    return drawn < percent / 100 * 2**64
