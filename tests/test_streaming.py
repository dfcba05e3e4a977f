"""Invariants 1 to 3: whatever the cuts and the order of the verdicts, the same text leaves, and none of it unjudged."""

from __future__ import annotations

from itertools import pairwise
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import Marks, Words, expected, policy_of

from guard.policy.model import Policy
from guard.streaming import ChoiceJudge, Window
from guard.values import Action, Decision, Finding, Role, Span, SpansReach, WholeReach, WindowReach

WINDOWS = st.one_of(
    st.builds(WindowReach, after=st.integers(1, 6), most=st.integers(7, 12), context=st.integers(0, 4)),
    st.just(WholeReach()),
)


def words(alphabet: str, size: int, count: int) -> st.SearchStrategy[tuple[str, ...]]:
    """Words of which none holds another, so that each is certain with its last letter."""
    drawn = st.lists(st.text(alphabet, min_size=1, max_size=size), min_size=1, max_size=count)
    return drawn.map(lambda found: tuple(word for word in found if not any(other in word and word != other for other in found)))


TOYS = st.lists(
    st.one_of(
        st.builds(Words, st.just("words"), words("ab.", 4, 3)),
        st.builds(Words, st.just("others"), words("b c", 3, 2)),
        st.builds(Marks, st.just("windows"), st.sampled_from("abc"), WINDOWS, st.booleans()),
        st.builds(Marks, st.just("panes"), st.sampled_from(["ca", "bb"]), WINDOWS, st.booleans()),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda toy: toy.name,
)
ACTIONS = st.lists(st.sampled_from([Action.FLAG, Action.REDACT, Action.BLOCK]), min_size=4, max_size=4)
TEXTS = st.text("abc. ", max_size=40)


class Reader:
    """Drives one judge over one track, and keeps what a client would have seen."""

    def __init__(self, policy: Policy, toys: list[Words | Marks], seed: int, release: str = "judged") -> None:
        self.judge = ChoiceJudge(policy, policy.rules, {toy.name: toy for toy in toys}, release=release)
        self.toys = {toy.name: toy for toy in toys}
        self.random = Random(seed)
        self.waiting: list[Window] = []
        self.limits = [0]

    def read(self, text: str, cuts: list[int]) -> None:
        edges = [0, *sorted(cut for cut in set(cuts) if 0 < cut < len(text)), len(text)]
        for start, end in pairwise(edges):
            self.judge.feed("content", Role.ASSISTANT, text[start:end])
            self.judge.advance()
            self.step(self.random.randint(0, 2))
        self.judge.close()
        self.step(1_000)

    def step(self, answers: int) -> None:
        self.waiting += self.judge.windows()
        self.limits.append(self.judge.limit("content"))
        for _ in range(answers):
            if not self.waiting:
                break
            window = self.waiting.pop(self.random.randrange(len(self.waiting)))
            self.judge.answer(window, self.toys[window.detector].detect([window.item])[0])
            self.waiting += self.judge.windows()
            self.limits.append(self.judge.limit("content"))

    @property
    def decision(self) -> Decision:
        assert self.judge.done
        return self.judge.decision


def rules_of(toys: list[Words | Marks], actions: list[Action]) -> Policy:
    return policy_of([(toy.name, action) for toy, action in zip(toys, actions, strict=False)])


@settings(max_examples=600, deadline=None)
@given(text=TEXTS, toys=TOYS, actions=ACTIONS, cuts=st.lists(st.integers(0, 40), max_size=12), seed=st.integers(0, 9))
def test_every_cutting_and_every_order_of_verdicts_releases_what_the_brute_force_model_allows(text, toys, actions, cuts, seed):
    policy = rules_of(toys, actions)
    reader = Reader(policy, toys, seed)
    reader.read(text, cuts)
    limit, redacted, rules, action = expected(policy, text, toys)
    assert reader.judge.limit("content") == limit
    assert reader.limits == sorted(reader.limits)
    assert max(reader.limits) <= limit
    assert [entry.span for entry in reader.judge.redacted("content") if entry.span.end <= limit] == redacted
    assert set(reader.decision.rules) == rules
    assert reader.decision.action is action


@settings(max_examples=150, deadline=None)
@given(text=TEXTS, toys=TOYS, actions=ACTIONS, cuts=st.lists(st.integers(0, 40), max_size=12), seed=st.integers(0, 9))
def test_whole_release_lets_out_all_or_nothing_with_the_decision_of_a_judged_stream(text, toys, actions, cuts, seed):
    policy = rules_of(toys, actions)
    whole, judged = Reader(policy, toys, seed, "whole"), Reader(policy, toys, seed + 1)
    whole.read(text, cuts)
    judged.read(text, [])
    blocked = whole.decision.action is Action.BLOCK
    assert set(whole.limits) <= {0, len(text)}
    assert whole.judge.limit("content") == (0 if blocked else len(text))
    assert whole.decision == judged.decision


@settings(max_examples=100, deadline=None)
@given(text=TEXTS, toys=TOYS, cuts=st.lists(st.integers(0, 40), max_size=12), seed=st.integers(0, 9))
def test_rules_that_only_flag_hold_nothing(text, toys, cuts, seed):
    policy = rules_of(toys, [Action.FLAG] * 4)
    judge = ChoiceJudge(policy, policy.rules, {toy.name: toy for toy in toys})
    for index, character in enumerate(text):
        judge.feed("content", Role.ASSISTANT, character)
        judge.advance()
        assert judge.limit("content") == index + 1


def test_a_word_is_held_until_it_can_no_longer_become_one():
    toys = [Words("words", ("secret",))]
    policy = rules_of(toys, [Action.BLOCK])
    judge = ChoiceJudge(policy, policy.rules, {"words": toys[0]})
    limits = []
    for character in "a secre!":
        judge.feed("content", Role.ASSISTANT, character)
        judge.advance()
        limits.append(judge.limit("content"))
    assert limits == [1, 2, 2, 2, 2, 2, 2, 8]


def test_a_later_block_in_another_order_of_verdicts_is_forgotten():
    reach = WindowReach(after=1, most=4, context=0)
    toys = [Marks("windows", "x", reach)]
    policy = rules_of(toys, [Action.BLOCK])
    judge = ChoiceJudge(policy, policy.rules, {"windows": toys[0]})
    judge.feed("content", Role.ASSISTANT, "aaa. axa. axa. ")
    judge.advance()
    first, second, third = judge.windows()[:3]
    judge.answer(third, toys[0].detect([third.item])[0])
    assert not judge.done
    judge.answer(first, [])
    judge.answer(second, toys[0].detect([second.item])[0])
    assert judge.blocked
    assert judge.limit("content") == second.placement.start
    assert len(judge.decision.findings) == 1


def test_a_detector_that_gives_no_verdict_blocks_what_it_should_have_judged():
    toys = [Marks("windows", "x", WindowReach(after=1, most=4, context=0))]
    policy = rules_of(toys, [Action.BLOCK])
    judge = ChoiceJudge(policy, policy.rules, {"windows": toys[0]})
    judge.feed("content", Role.ASSISTANT, "aaa. aaa. ")
    judge.advance()
    first, second = judge.windows()[:2]
    judge.answer(first, [])
    judge.answer(second, None)
    assert judge.blocked
    assert judge.limit("content") == first.placement.end
    assert judge.decision.failed == ("windows",)


@settings(max_examples=200, deadline=None)
@given(
    pieces=st.lists(st.tuples(st.sampled_from(["content", "reasoning"]), st.text("abc. ", min_size=1, max_size=12)), max_size=8),
    toys=TOYS,
    actions=ACTIONS,
    seeds=st.tuples(st.integers(0, 99), st.integers(0, 99)),
)
def test_tracks_of_one_choice_are_cut_together_however_their_deltas_are_cut(pieces, toys, actions, seeds):
    policy = rules_of(toys, actions)
    outcomes = []
    for seed in seeds:
        random = Random(seed)
        reader = Reader(policy, toys, seed)
        for track, text in pieces:
            while text:
                size = random.randint(1, len(text))
                reader.judge.feed(track, Role.ASSISTANT, text[:size])
                text = text[size:]
                if random.random() < 0.5:
                    reader.judge.advance()
                    reader.step(random.randint(0, 2))
        reader.judge.close()
        reader.step(1_000)
        outcomes.append((reader.judge.limit("content"), reader.judge.limit("reasoning"), reader.decision))
    assert outcomes[0] == outcomes[1]


@settings(max_examples=150, deadline=None)
@given(
    text=st.text("abx", max_size=60),
    size=st.integers(8, 14),
    cuts=st.lists(st.integers(0, 60), max_size=8),
    seed=st.integers(0, 9),
)
def test_an_entity_on_the_border_of_two_overlapping_windows_is_found_once_and_whole(text, size, cuts, seed):
    toy = Entities("entities", SpansReach(overlap=6, size=size))
    policy = policy_of([("entities", Action.REDACT)])
    reader = Reader(policy, [toy], seed)
    reader.read(text, cuts)
    assert [entry.span for entry in reader.judge.redacted("content")] == toy.entities(text)
    assert reader.judge.limit("content") == len(text)


class Entities(Marks):
    """Finds `abx`, an entity of half the overlap."""

    def __init__(self, name: str, reach: SpansReach) -> None:
        super().__init__(name, "abx", reach)

    def detect(self, items):
        return [[Finding(self.name, self.category, 1.0, span) for span in self.entities(item.text)] for item in items]

    @staticmethod
    def entities(text: str) -> list[Span]:
        return [Span(start, start + 3) for start in range(len(text)) if text.startswith("abx", start)]


def test_the_text_kept_and_the_work_done_do_not_grow_with_the_stream():
    toys = [Words("words", ("secret",)), Marks("windows", "x", WindowReach(after=20, most=60, context=10))]
    policy = rules_of(toys, [Action.REDACT, Action.BLOCK])
    judge = ChoiceJudge(policy, policy.rules, {toy.name: toy for toy in toys})
    kept = []
    for _ in range(400):
        judge.feed("content", Role.ASSISTANT, "A plain sentence of words. ")
        judge.advance()
        for window in judge.windows():
            judge.answer(window, [])
        judge.forget("content", judge.limit("content"))
        kept.append(judge.kept)
    assert max(kept[200:]) <= max(kept[:50])
