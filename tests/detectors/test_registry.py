"""What the registry knows about the kinds of detector before any is built."""

from __future__ import annotations

import pytest

from guard.detectors.registry import kinds
from guard.errors import PolicyError
from guard.policy.load import loads


@pytest.mark.parametrize(
    ("use", "name", "meant"), [("pii", "pii/emial", "pii/email"), ("secrets", "secret/aws", "secret/aws-key")]
)
def test_an_entity_that_a_detector_cannot_find_is_pointed_at(use, name, meant):
    with pytest.raises(PolicyError) as caught:
        loads(f"version: 1\ndetectors:\n  it:\n    use: {use}\n    entities: [{name}]\n", kinds())
    [problem] = caught.value.problems
    assert (problem.line, problem.path) == (5, "detectors.it.entities[0]")
    assert meant in problem.hint
