"""The scores that clients of the Perspective API suggest, kept as feedback about the comment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guard.engine import Guard, new_exchange
from guard.feedback.trust import weight
from guard.formats.base import Piece, Text
from guard.formats.perspective import ATTRIBUTES, Suggestion
from guard.perspective import SUGGEST
from guard.ports import Ending
from guard.store.posts import NewPost, Opinion, Posts, Said
from guard.values import Caller, Role, Stage

if TYPE_CHECKING:
    from guard.store.store import Store

_EXPERIMENTAL = "_EXPERIMENTAL"
_TEXT = "/comment/text"


class StoreSuggestions:
    """Keeps suggestions in a store: the comment as an exchange that nobody answered, each score as feedback about it."""

    def __init__(self, store: Store, posts: Posts) -> None:
        self._store = store
        self._posts = posts

    async def suggest(self, suggestion: Suggestion, caller: Caller, guard: Guard) -> None:
        """Keep a suggestion; return once it is on the disk.

        Args:
            guard: Says what may be kept of the comment, and records it.

        Raises:
            StoreUnavailable: Where the store does not answer; nothing is acknowledged then.
            BadMessage: Where the comment cannot be judged.
        """
        exchange = new_exchange(method="POST", route=SUGGEST, caller=caller)
        text = Text((Piece(_TEXT, suggestion.text),), Role.USER, turn=0)
        await guard.judge([text], Stage.INPUT, exchange)
        await guard.settle(exchange)
        guard.finish(exchange, Ending(200))
        community = self._store.pseudonym("community", caller.tenant, suggestion.community)
        by = Opinion(caller.key or "perspective", *_counting(caller))
        posts = [
            NewPost(
                caller.tenant,
                exchange.id,
                (Said("score", score, ATTRIBUTES[attribute.removesuffix(_EXPERIMENTAL)][0]),),
                by,
                details={"attribute": attribute, "stage": "input", **({"community": community} if community else {})},
            )
            for attribute, score in suggestion.scores.items()
        ]
        for result in await self._posts.add(posts):
            if isinstance(result, Exception):
                raise result


def _counting(caller: Caller) -> tuple[str, str, float]:
    """Return the kind of source, its subject and its weight: somebody without a key could be anybody."""
    if caller.key:
        return "application", "", weight("application", 0)
    return "client", "", weight("anonymous", 0)
