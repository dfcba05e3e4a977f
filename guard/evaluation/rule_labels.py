"""What a record's labels say about a rule: it should fire, it should not, or nobody knows.

A label that is missing is unknown, and never zero. Only that a whole group is absent says so of its kinds: what is no `hate` is
no `hate/threatening`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from guard import categories
from guard.policy.model import Rule

Labels = Mapping[str, int]
"""1 or 0 by category."""


class RuleLabels:
    """The labels of a data set, as one rule sees them.

    Attributes:
        categories: Those that the rule covers, of all that have a label anywhere in the data set.
    """

    def __init__(self, rule: Rule, labelled: Iterable[str], *, benign_only: bool = False) -> None:
        """Work out what the rule covers.

        Args:
            labelled: Every category with a label anywhere in the data set.
            benign_only: Whether the rule should leave alone exactly those records whose known labels are all 0.
        """
        self.categories = tuple(name for name in labelled if any(categories.matches(pattern, name) for pattern in rule.category))
        self._benign_only = benign_only

    @property
    def say_something(self) -> bool:
        """Whether any record can tell what the rule should do."""
        return bool(self.categories) or self._benign_only

    def verdict(self, labels: Labels) -> bool | None:
        """Return whether the rule should fire on a record: not where every category that it covers is known to be absent."""
        if any(labels.get(name) == 1 for name in self.categories):
            return True
        if self._benign_only:
            return False if labels and not any(labels.values()) else None
        return False if self.categories and all(_is_absent(name, labels) for name in self.categories) else None


def _is_absent(name: str, labels: Labels) -> bool:
    return labels.get(name, labels.get(categories.group(name))) == 0
