"""The parts that take feedback in, put together for one server."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from guard.feedback.implicit import Signals
from guard.feedback.rates import Rates
from guard.feedback.route import FeedbackRoute
from guard.feedback.suggestions import StoreSuggestions
from guard.feedback_tokens import DAYS, FeedbackTokens
from guard.ports import RecentDecisions

if TYPE_CHECKING:
    from guard.store.store import Store

_DAY = 86_400


@dataclass(frozen=True, slots=True)
class FeedbackSettings:
    """How a server takes feedback.

    Attributes:
        days: For how long an exchange's own token is good.
        implicit: Whether what is asked again counts, whatever the policy says.
    """

    days: float = DAYS
    rates: Rates = Rates()  # noqa: RUF009 - a value
    implicit: bool = False


class FeedbackIn:
    """What takes feedback into a store: the route, the tokens, and what is noticed without anybody saying it."""

    def __init__(self, store: Store, recent: RecentDecisions, settings: FeedbackSettings | None = None) -> None:
        """Prepare; asks the store for what tokens are made with.

        Args:
            recent: Exchanges of this process, which are known before they are written.
        """
        settings = settings or FeedbackSettings()
        name = partial(store.pseudonym, "subject")
        store.secret("pseudonyms")
        self.tokens = FeedbackTokens(store.secret("feedback tokens"), name, settings.days * _DAY)
        self.route = FeedbackRoute(store, self.tokens, recent, settings.rates)
        self.signals = Signals(self.route.posts, name, always=settings.implicit)
        self._store = store

    def suggestions(self) -> StoreSuggestions:
        """Return what keeps the scores that clients of the Perspective API suggest."""
        return StoreSuggestions(self._store, self.route.posts)
