"""What `guard serve` is told of feedback and of webhooks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from guard.errors import TenetError
from guard.feedback_tokens import DAYS, MOST_DAYS

if TYPE_CHECKING:
    from guard.feedback.rates import Rates
    from guard.feedback.taking import FeedbackIn
    from guard.store.recording import StoreRecorder
    from guard.webhooks.hooks import Webhook


@dataclass(frozen=True, slots=True)
class FeedbackOptions:
    """What was asked for.

    Attributes:
        rate: As `guard.feedback.rates.rates` reads it.
        secrets: Names of environment variables with the webhooks' secrets.
        anywhere: Whether webhooks may go to private addresses, and without https.
        workers: Processes that serve together; each takes its share of the rates, as each counts for itself.
    """

    days: float = DAYS
    rate: str = ""
    implicit: bool = False
    webhooks: Sequence[str] = ()
    secrets: Sequence[str] = ()
    anywhere: bool = False
    workers: int = 1

    def check(self, *, store: bool) -> None:
        """Raise TenetError where something cannot be, before anything is loaded."""
        if not 0 < self.days <= MOST_DAYS:
            raise TenetError(f"--feedback-days: expected a number above 0, up to {MOST_DAYS}, got {self.days:g}")
        if not store:
            given = {"--feedback-rate": self.rate, "--implicit-feedback": self.implicit, "--webhook": self.webhooks}
            for name in (name for name, value in given.items() if value):
                raise TenetError(f"{name}: expected a store to keep feedback in, got none; name one with --store")
            return
        self.rates()
        self.hooks()

    def rates(self) -> Rates:
        """Return how much feedback is taken. Raises TenetError."""
        from guard.feedback.rates import rates

        return rates(self.rate).shared(self.workers)

    def hooks(self) -> tuple[Webhook, ...]:
        """Return the webhooks. Raises TenetError."""
        from guard.webhooks.hooks import webhooks_of

        return webhooks_of(self.webhooks, self.secrets, anywhere=self.anywhere)


def feedback_of(options: FeedbackOptions, recorder: StoreRecorder) -> FeedbackIn:
    """Return what takes feedback, and begin to tell webhooks; that ends as the store is closed.

    Raises:
        TenetError: Where an option says what cannot be.
    """
    from guard.feedback.taking import FeedbackIn, FeedbackSettings
    from guard.store.outbox import Outbox
    from guard.webhooks.delivering import Deliverer
    from guard.webhooks.hooks import Blocks

    hooks, store = options.hooks(), recorder.store
    taking = FeedbackIn(store, recorder.recent, FeedbackSettings(options.days, options.rates(), options.implicit))
    Outbox(store).register({hook.id: hook.url for hook in hooks})
    recorder.listeners.append(taking.signals.told)
    if hooks:
        recorder.listeners.append(Blocks(store))
        deliverer = Deliverer(store, hooks, anywhere=options.anywhere)
        store.before_close.append(deliverer.close)
        deliverer.start()
    return taking
