"""What the policy, as the critic, makes of a prompt and its judged answers."""

from __future__ import annotations

import pytest

from alignment.critique.drawing import drawn
from alignment.critique.judging import Judged
from alignment.critique.lessons import Teaching, whole
from alignment.critique.preferring import candidates
from alignment.critique.settings import CritiqueSettings, PolicyCritic, problems
from guard.policy.model import Principle
from guard.values import Action, Decision

WORTH = {Action.ALLOW: 0.0, Action.FLAG: -0.25, Action.REDACT: -0.5, Action.BLOCK: -1.0}
REFUSAL = "I can't help with that."


def judged(text: str, action: Action = Action.ALLOW, *, finish: str = "stop", released: str = "", message: str = "") -> Judged:
    return Judged(text, finish, Decision(action, message=message), WORTH[action], released or text)


def lesson(benign: bool | None, *answers: Judged, asked: Decision = Decision(), refuses: tuple[bool, ...] = (), **how: object):  # noqa: B008
    teaching = Teaching(PolicyCritic(**how), REFUSAL)  # type: ignore[arg-type]
    return teaching.lesson(benign, asked, answers, refuses or (False,) * len(answers))


def test_best_against_worst_makes_the_pair_and_the_refusal_is_the_lesson() -> None:
    found = lesson(False, judged("Good one."), judged("Bad.", Action.BLOCK, message="No threats."), judged("So so.", Action.FLAG))
    assert (found.chosen, found.rejected, found.margin) == ("Good one.", "Bad.", 1.0)
    assert (found.target, found.kind) == ("No threats.", "refusal")


def test_a_redacted_answer_is_learned_as_the_guard_would_let_it_out() -> None:
    found = lesson(None, judged("Mail a@b.c now.", Action.REDACT, released="Mail [EMAIL] now."), judged("Hello."))
    assert (found.target, found.kind) == ("Mail [EMAIL] now.", "revision")
    assert (found.chosen, found.rejected) == ("Hello.", "Mail a@b.c now.")


def test_where_every_answer_is_minded_the_refusal_is_the_better_one() -> None:
    found = lesson(False, judged("Bad.", Action.BLOCK), judged("Worse.", Action.BLOCK))
    assert (found.chosen, found.rejected, found.margin) == (REFUSAL, "Bad.", 1.0)


def test_answers_of_like_worth_make_no_pair() -> None:
    assert lesson(False, judged("One."), judged("Two.")).chosen == ""
    assert lesson(False, judged("One."), judged("Two.", Action.FLAG), margin=0.3).chosen == ""


def test_a_benign_prompt_is_answered_as_before_and_never_with_a_refusal() -> None:
    found = lesson(True, judged("I can't."), judged("Take flour."), judged("Hm.", Action.FLAG), refuses=(True, False, False))
    assert (found.target, found.kind) == ("Take flour.", "cleared")
    assert lesson(True, judged("I can't."), refuses=(True,)).kind == "refused"
    assert lesson(True, judged("Bad.", Action.BLOCK)).kind == "minded"
    assert lesson(True, judged("no end here", finish="length")).kind == "cut-off"


def test_a_blocked_question_is_answered_with_its_refusal() -> None:
    found = lesson(None, judged("Fine."), asked=Decision(Action.BLOCK, message="Not this."))
    assert (found.target, found.kind) == ("Not this.", "refusal")


def test_what_nobody_looked_at_and_nobody_minds_teaches_nothing() -> None:
    assert lesson(None, judged("Fine."), judged("Also.")).kind == "nothing-found"
    assert lesson(False, judged("Fine."), judged("Also."), refuse_labelled=False).kind == "nothing-found"
    assert lesson(False, judged("Fine."), judged("Also.")).target == REFUSAL


def test_the_mildest_action_that_counts_can_be_chosen() -> None:
    assert lesson(None, judged("Hm.", Action.FLAG), judged("Fine."), minds="block").kind == "nothing-found"


@pytest.mark.parametrize(
    ("text", "finish", "expected"),
    [
        (" Whole answer ", "stop", "Whole answer"),
        ("One. Two! And thr", "length", "One. Two!"),
        ('He said "no." Then he', "length", 'He said "no."'),
        ("Version 1.5 of the", "length", ""),
        ("A list:\n\n1. flour\n\n2. sug", "length", "A list:\n\n1. flour"),
        ("1. Mix. 2. Bake", "length", "1. Mix. 2."),
        ("", "length", ""),
        ("今日は。明日", "length", ""),
    ],
)
def test_an_answer_that_was_cut_off_ends_with_its_last_whole_sentence(text: str, finish: str, expected: str) -> None:
    assert whole(text, finish) == expected


def test_pairs_of_answers_are_different_ones_and_share_none_where_they_can() -> None:
    found = [(pair.first, pair.second) for pair in candidates(0, "asked", ["a", "b", "a ", "c", "d", ""], 3)]
    assert found == [("a", "b"), ("c", "d"), ("a", "c")]
    assert list(candidates(0, "asked", ["a", "a"], 3)) == []


def test_each_principle_gets_its_share_and_a_second_run_draws_the_same() -> None:
    principles = [Principle(name, name) for name in ("one", "two", "three")]
    first = [drawn(principles, f"words {number}", 7)[0].id for number in range(300)]
    assert first == [drawn(principles, f"words {number}", 7)[0].id for number in range(300)]
    assert all(60 < first.count(principle.id) < 140 for principle in principles)


def test_settings_that_do_not_fit_together_are_told() -> None:
    assert [path for path, _, _ in problems(CritiqueSettings(critic="model"))] == ["model"]
    assert [path for path, _, _ in problems(CritiqueSettings(critic="server"))] == ["server"]
    assert [path for path, _, _ in problems(CritiqueSettings(critic="self", rounds=0, labels=0))] == ["rounds"]
    assert problems(CritiqueSettings()) == []
