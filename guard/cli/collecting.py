"""Keep Python's cyclic collector from stopping a server: what is loaded once is left out of it, and it runs seldom.

An exchange leaves no cycles behind, so that nothing has to be collected for it. But by default every few hundred exchanges the
collector looks through all that is alive, models and patterns included, which stops everything for 50 to 250 ms.
"""

from __future__ import annotations

import gc

_THRESHOLDS = (50_000, 10, 10)
"""Net allocations before the youngest objects are looked through, and how often that is done before the older ones are."""


def settle() -> None:
    """Collect once, and leave all that is alive now out of later collections; call it again when something large was replaced."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
