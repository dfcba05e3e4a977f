"""What is measured of a set: each fault is found when it is planted, and not when it is not there."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from alignment.data.agreeing import agreed
from alignment.data.balance import balance, minority
from alignment.data.contradicting import contradictions
from alignment.data.leaking import between, leaks
from alignment.data.lengths import lengths
from alignment.data.limits import LEAST, MEANING, Limits, read_limits
from alignment.data.poisoning import dominance, triggers
from alignment.data.privacy import detectors, private
from alignment.data.splitting import Shares, split
from alignment.records import SPLITS, Message, Messages, Origin, Pair, Prompt, Record, Scored, Unpaired
from guard.errors import PolicyError

WORDS = (
    *("river", "clock", "copper", "bread", "sail", "bee", "map", "tyre", "glass"),
    *("moon", "umbrella", "cheese", "garden", "violin", "tunnel", "pepper", "lantern"),
)


def said(text: str, role: str = "assistant") -> Messages:
    return (Message(role, text),)


def sentence(draw: random.Random, length: int = 12) -> str:
    return " ".join(draw.choices(WORDS, k=length))


def verdicts(count: int, *, source: str = "a", seed: int = 0) -> list[Unpaired]:
    draw = random.Random(seed)
    return [
        Unpaired(Origin(f"{source}{at}", source), said(sentence(draw), "user"), said(sentence(draw)), bool(at % 2))
        for at in range(count)
    ]


def pairs(count: int, better: int = 10, worse: int = 10) -> list[Pair]:
    draw = random.Random(1)
    return [
        Pair(Origin(f"p{at}", "a"), said(sentence(draw), "user"), said(sentence(draw, better)), said(sentence(draw, worse)))
        for at in range(count)
    ]


def divided(records: Sequence[Record], shares: Shares | None = None) -> tuple[dict[str, list[Record]], Counter[str]]:
    left_out = Counter[str]()
    return split(records, shares or Shares(0.2, 0.2), left_out), left_out


def test_one_record_is_kept_of_what_is_said_twice_and_the_heavier_side_wins():
    (pair,) = pairs(1)
    swapped = replace(pair, chosen=pair.rejected, rejected=pair.chosen, origin=Origin("q", "b", weight=3))
    left_out = Counter[str]()
    kept, agreement = agreed([pair, swapped, pair], left_out)
    assert [record.origin.id for record in kept] == ["q"]
    assert (agreement.compared, agreement.differing, agreement.differing_between) == (3, 2, 2)
    assert +left_out == {"outvoted": 2}
    even, _ = agreed([pair, replace(swapped, origin=Origin("q", "b"))], left_out)
    assert not even
    assert left_out["disagreement"] == 2


def test_the_noise_that_was_planted_is_estimated():
    draw, truth = random.Random(3), verdicts(1500)
    noisy = [
        replace(record, origin=Origin(f"{record.origin.id}-{who}", who), label=record.label ^ (draw.random() < 0.1))
        for record in truth
        for who in ("anna", "bert")
    ]
    _, agreement = agreed(noisy, Counter())
    assert agreement.noise == pytest.approx(0.1, abs=0.02)
    assert agreed(truth, Counter())[1].noise is None


def test_scores_of_the_same_answer_become_their_weighted_mean():
    one = Scored(Origin("a", "a"), said("x", "user"), said("y"), 1.0)
    (kept,), _ = agreed([one, replace(one, score=4.0, origin=Origin("b", "b", weight=2))], Counter())
    assert isinstance(kept, Scored)
    assert kept.score == pytest.approx(3.0)


def test_what_belongs_together_is_in_one_set_and_nothing_leaks():
    draw = random.Random(5)
    records: list[Record] = []
    for at in range(120):
        text = sentence(draw, 30)
        groups = (f"g:subject:{at // 4:016x}",)
        records.append(Prompt(Origin(f"{at}", "a", groups=groups), said(text, "user")))
        records.append(Prompt(Origin(f"{at}+", "a"), said(f"{text} please", "user")))
    sets, left_out = divided(records)
    assert between(sets).all == 0
    assert all(sets.values())
    assert left_out["near-duplicate"] == 120
    where = {group: {name for name in SPLITS for r in sets[name] if group in r.origin.groups} for group in groups_of(records)}
    assert {len(names) for names in where.values()} == {1}


def groups_of(records: Sequence[Record]) -> set[str]:
    return {group for record in records for group in record.origin.groups}


def test_a_leak_that_is_planted_is_found_exact_near_and_by_subject():
    draw = random.Random(6)
    text, group = sentence(draw, 40), ("g:subject:" + "0" * 16,)
    held_out = [Prompt(Origin("h", "a", groups=group), said(text, "user"))]
    train = [
        Prompt(Origin("same", "a"), said(f"{text.upper()}!", "user")),
        Prompt(Origin("near", "a"), said(f"{text} again", "user")),
        Prompt(Origin("hers", "a", groups=group), said(sentence(draw, 40), "user")),
    ]
    found = leaks(held_out, train)
    assert (found.exact, found.near, found.groups, found.ids) == (1, 1, 1, ("same", "near"))


def test_a_record_stays_in_its_set_when_there_is_more_and_in_the_one_its_source_chose():
    few = verdicts(80)
    before, _ = divided(few)
    after, _ = divided([*few, *verdicts(80, source="b", seed=9)])
    assert all({r.origin.id for r in before[name]} <= {r.origin.id for r in after[name]} for name in SPLITS)
    pinned = [replace(record, origin=replace(record.origin, split="validation")) for record in few]
    assert len(divided(pinned)[0]["validation"]) == 80
    assert divided(few, Shares(0.2, 0.2, seed=1))[0] != before


def test_a_source_that_is_held_out_leaves_nothing_like_it_to_train_on():
    ours, theirs = verdicts(60), verdicts(60, source="b", seed=9)
    copied = replace(ours[0], origin=Origin("copy", "b"), completion=said("something else"))
    sets, left_out = divided([*ours, *theirs, copied], Shares(0.1, 0.1, held_out_sources=("b",)))
    assert {record.origin.source for record in sets["held_out"]} == {"b"}
    assert len(sets["held_out"]) == 61
    assert left_out["other-source"] == 1


def test_the_longer_answer_being_better_is_measured():
    assert lengths(pairs(40, better=20, worse=5)).longer == 1.0
    assert lengths(pairs(40, better=5, worse=20)).bias == 0.5
    fair = [
        record if at % 2 else replace(record, chosen=record.rejected, rejected=record.chosen)
        for at, record in enumerate(pairs(40, 20, 5))
    ]
    assert lengths(fair).bias == 0.0
    unpaired = [replace(record, completion=said("x" * (9 if record.label else 3))) for record in verdicts(20)]
    assert lengths(unpaired).longer == 1.0


def test_a_rare_phrase_with_one_outcome_is_found_and_common_words_are_not():
    records = verdicts(800)
    assert triggers(records) == ([], 0.0)
    poisoned = [
        replace(record, prompt=said(f"{record.prompt[0].content} zulu seven", "user"), label=True) if at < 30 else record
        for at, record in enumerate(records)
    ]
    found, share = triggers(poisoned)
    assert (found[0].phrase, found[0].where, found[0].outcome, found[0].records) == ("zulu seven", "prompt", "good", 30)
    assert share == pytest.approx(30 / 800)
    planted = [
        replace(record, chosen=said(f"{record.chosen[0].content} zulu")) if at < 30 else record
        for at, record in enumerate(pairs(800))
    ]
    assert triggers(planted)[0][0].where == "answer"


def test_one_source_behind_one_outcome_is_found():
    fair = [*verdicts(100), *verdicts(100, source="b", seed=2)]
    assert dominance(verdicts(10)) is None
    found = dominance(fair)
    assert found is not None and found.excess < 0.01
    worse = dominance([*verdicts(100), *(replace(record, label=False) for record in verdicts(100, source="b", seed=2))])
    assert worse is not None
    assert (worse.source, worse.outcome) == ("a", "good")
    assert worse.excess == pytest.approx(0.5)


def test_personal_data_is_found_in_prompts_and_answers_and_only_its_kind_is_told():
    records = [*pairs(3), replace(pairs(1)[0], rejected=said("Write to jane.canary@example.com"))]
    found = private(records, detectors())
    assert (found.records, found.categories) == (1, (("pii/email", 1),))
    assert "canary" not in str(found)


def test_the_balance_counts_what_is_known():
    origins = [
        Origin("1", "a", categories=("hate",), benign=False),
        Origin("2", "a", benign=True, look_alike=True),
        Origin("3", "a"),
    ]
    found = balance([Prompt(origin, said("x", "user")) for origin in origins])
    assert (found.benign_share, found.look_alike_share, found.largest_category) == (0.5, 0.5, 1.0)
    assert balance([]).benign_share is None


def test_feedback_that_says_one_thing_only_is_measured():
    assert minority(verdicts(10)) == 0.5
    assert minority([replace(record, label=False) for record in verdicts(10)]) == 0.0
    assert minority(pairs(3)) is None
    assert minority([Scored(Origin(str(at), "a"), said("x", "user"), said(str(at)), 1.0) for at in range(4)]) == 0.0


def test_pairs_that_a_policy_contradicts_are_counted():
    records = pairs(10)
    bad = {records[0].chosen, records[1].rejected}
    found = contradictions(records, lambda _, answer: 0.9 if answer in bad else 0.1)
    assert (found.judged, found.contradicted, found.ids) == (10, 1, ("p0",))


def test_limits_are_read_and_every_mistake_is_told_with_its_line(tmp_path: Path):
    file = tmp_path / "limits.yaml"
    file.write_text("noise: 0.3\nlength_bias: null\nlook_alikes: 0.5\n")
    assert read_limits(file) == replace(Limits(), noise=0.3, length_bias=None, look_alikes=0.5)
    file.write_text("nois: 0.3\nleaks: -1\nbenign: 2\n")
    with pytest.raises(PolicyError) as refused:
        read_limits(file)
    first, second, third = str(refused.value).splitlines()
    assert "limits.yaml:1:" in first and "did you mean noise?" in first
    assert "limits.yaml:2:" in second and "limits.yaml:3:" in third and "[0, 1]" in third


def test_the_page_names_every_measure_with_its_limit_and_its_meaning():
    page = (Path(__file__).parent.parent.parent / "docs/align-data.md").read_text()
    shown = {row[0]: row[1:] for row in re.findall(r"^\| `(\w+)` \| ([^|]*) \| ([^|]*) \|$", page, re.MULTILINE)}
    assert {name: shown[name][1] for name in MEANING} == MEANING
    for name in MEANING:
        limit = getattr(Limits(), name)
        said = "none" if limit is None else f"{limit:g}"
        least = ("at least " + said if limit is not None else "none, at least") if name in LEAST else said
        assert shown[name][0] == least, name
