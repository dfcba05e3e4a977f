"""From feedback to training data: what is taken, what wins, what is left out, and what nobody gets to see."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from feedback_given import keep_answers, many, say
from sqlalchemy import insert, update
from typer.testing import CliRunner

from guard.cli.main import app
from guard.errors import StoreError
from guard.store import schema
from guard.store.connecting import writing
from guard.store.exporting.asked import FORMATS, SPLITS, Asked
from guard.store.exporting.choosing import choose
from guard.store.exporting.exporting import export
from guard.store.exporting.resolving import Agreement
from guard.store.exporting.splitting import split, split_of
from guard.store.exporting.spool import Item, Spool, Vote
from guard.store.identity import now
from guard.store.importing.importing import Asked as ImportAsked
from guard.store.importing.importing import import_file
from guard.store.store import Store
from guard.values import Action

MAIL = "jane.doe@example.org"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for name in SPLITS for line in (folder / f"{name}.jsonl").read_text().splitlines()]


def exported(store: Store, out: Path, kind: str, **asked: Any) -> list[dict[str, Any]]:
    export(store, Asked(kind, out, **asked))
    return records(out)


def reasons(out: Path) -> dict[str, int]:
    return {each["reason"]: each["count"] for each in json.loads((out / "data_card.json").read_text())["left_out"]}


def texts(messages: list[dict[str, str]]) -> list[str]:
    return [message["content"] for message in messages]


def test_a_correction_is_chosen_over_the_answer_it_corrects(store: Store, out: Path):
    turns = [("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello"), ("user", "What is 2+2?")]
    exchange = keep_answers(store, turns, ["5"])
    say(store, exchange, "correction", correction="4")
    (record,) = exported(store, out, "pairs")
    assert [message["role"] for message in record["prompt"]] == ["system", "user", "assistant", "user"]
    assert texts(record["prompt"]) == ["Be brief.", "Hi", "Hello", "What is 2+2?"]
    assert record["chosen"] == [{"role": "assistant", "content": "4"}]
    assert record["rejected"] == [{"role": "assistant", "content": "5"}]


def test_the_preferred_of_several_choices_is_chosen_over_each_other(store: Store, out: Path):
    exchange = keep_answers(store, "Tell me of bees.", ["They fly.", "They swim.", "They sing."])
    say(store, exchange, "preference", preferred=0, compared=(1, 2))
    found = {(record["chosen"][0]["content"], record["rejected"][0]["content"]) for record in exported(store, out, "pairs")}
    assert found == {("They fly.", "They swim."), ("They fly.", "They sing.")}


def test_thumbs_on_answers_to_one_prompt_make_a_pair(store: Store, out: Path):
    for answer, value in (("It is a river.", 1.0), ("No idea.", -1.0)):
        say(store, keep_answers(store, "What is the Rhine?", [answer]), "thumb", value=value)
    (record,) = exported(store, out, "pairs")
    assert (texts(record["chosen"]), texts(record["rejected"])) == (["It is a river."], ["No idea."])


def test_the_heavier_side_wins_and_a_tie_says_nothing(store: Store, out: Path):
    heavy = keep_answers(store, "Which is better for a cold morning?", ["Tea with honey.", "Coffee, black."])
    say(store, heavy, "preference", preferred=0, compared=(1,), source="a", weight=1.0)
    say(store, heavy, "preference", preferred=1, compared=(0,), source="b", weight=2.5)
    tied = keep_answers(store, "Where should one sleep in the mountains?", ["In a tent.", "In a hut, if there is one."])
    say(store, tied, "preference", preferred=0, compared=(1,), source="a")
    say(store, tied, "preference", preferred=1, compared=(0,), source="b")
    (record,) = exported(store, out, "pairs")
    assert texts(record["chosen"]) == ["Coffee, black."]
    assert record["weight"] == 1.5
    assert reasons(out) == {"tie": 1}
    card = json.loads((out / "data_card.json").read_text())
    assert card["agreement"]["by"]["all"]["alpha"] < 0


def test_one_source_counts_once_however_often_it_speaks(store: Store, out: Path):
    exchange = keep_answers(store, "Say something nice.", ["You are kind."])
    for value in (1.0, 1.0, 1.0, 1.0, -1.0):
        say(store, exchange, "thumb", value=value, source="often", choice=0)
    say(store, exchange, "thumb", value=1.0, source="other", weight=0.5, choice=0)
    (record,) = exported(store, out, "binary")
    assert (record["label"], record["weight"]) == (False, 0.5)


def test_rejected_flagged_and_distrusted_feedback_is_left_out(store: Store, out: Path):
    kept = keep_answers(store, "A question about bread and butter.", ["An answer about bread."])
    say(store, kept, "thumb", value=1.0, source="good")
    for number, said in enumerate(({"status": "rejected"}, {"status": "flagged"}, {"source": "outlier"}, {"weight": 0.0})):
        say(store, keep_answers(store, f"Another question, number {number}.", [f"{number} is it."]), "thumb", value=1.0, **said)
    row = {"tenant": "", "source": "outlier", "flagged": True, "created": now(), "changed": now()}
    with writing(store.engine) as connection:
        connection.execute(insert(schema.sources), row)
    assert [texts(record["completion"]) for record in exported(store, out, "binary")] == [["An answer about bread."]]
    assert reasons(out) == {"rejected": 1, "flagged": 1, "flagged-source": 1, "no-weight": 1}


def test_what_a_reviewer_accepted_counts_whoever_said_it(store: Store, out: Path):
    say(store, keep_answers(store, "Hello?", ["Yes."]), "thumb", value=1.0, source="outlier", status="accepted")
    row = {"tenant": "", "source": "outlier", "flagged": True, "weight": 0.5, "created": now(), "changed": now()}
    with writing(store.engine) as connection:
        connection.execute(insert(schema.sources), row)
    assert [record["weight"] for record in exported(store, out, "binary")] == [0.5]


def test_a_score_that_names_a_category_is_about_the_text_and_not_the_answers_worth(store: Store, tmp_path: Path):
    exchange = keep_answers(store, "Hello?", ["Go away, you fool."])
    say(store, exchange, "score", value=0.9, category="toxicity", source="a")
    say(store, exchange, "score", value=0.1, category="violence", source="a")
    say(store, exchange, "score", value=0.3, source="a")
    assert [record["score"] for record in exported(store, tmp_path / "scalar", "scalar")] == [0.3]
    (record,) = exported(store, tmp_path / "moderation", "moderation")
    assert record["labels"] == {"toxicity": 1, "violence": 0}


def test_what_is_not_kept_is_counted_and_named(store: Store, out: Path):
    for form in ("none", "withheld"):
        say(store, keep_answers(store, "Hello?", ["Yes?"], form=form), "thumb", value=1.0)
    say(store, "ex_unknown", "thumb", value=1.0)
    say(store, keep_answers(store, "Which?", ["This.", "That."]), "thumb", value=1.0)
    say(store, keep_answers(store, "Refused?", ["Words nobody saw."], action=Action.BLOCK), "thumb", value=1.0)
    assert exported(store, out, "binary") == []
    assert reasons(out) == {"not-kept": 1, "withheld": 1, "no-exchange": 1, "which-choice": 1, "not-shown": 1}
    card = (out / "data_card.md").read_text()
    assert "`store: none`" in card
    assert "There is nothing in train, validation, held_out yet." in card


def test_personal_data_goes_unless_it_is_asked_for(store: Store, tmp_path: Path):
    exchange = keep_answers(store, f"I am {MAIL}.", [f"Hello {MAIL}."], form="full")
    say(store, exchange, "correction", correction=f"Write to {MAIL}.")
    for kind in ("pairs", "sft", "binary"):
        export(store, Asked(kind, tmp_path / kind))
        for file in (tmp_path / kind).iterdir():
            assert MAIL.encode() not in file.read_bytes(), file
    (record,) = [each for each in records(tmp_path / "pairs")]
    assert texts(record["prompt"] + record["chosen"]) == ["I am [EMAIL].", "Write to [EMAIL]."]
    (record,) = exported(store, tmp_path / "kept", "pairs", keep_personal_data=True)
    assert texts(record["chosen"]) == [f"Write to {MAIL}."]
    assert json.loads((tmp_path / "kept" / "data_card.json").read_text())["redaction"]["personal_data"] == "kept"


def test_no_tenant_sees_anothers(store: Store, out: Path):
    for tenant, answer in (("ours", "Our answer."), ("theirs", "CANARY of theirs.")):
        exchange = keep_answers(store, "The same question?", [answer], tenant=tenant)
        say(store, exchange, "thumb", tenant=tenant, value=1.0)
        say(store, exchange, "thumb", tenant="ours", value=-1.0, source="crossing")
    assert [texts(record["completion"]) for record in exported(store, out, "binary", tenant="ours")] == []
    assert reasons(out) == {"no-exchange": 1, "tie": 1}
    assert all(b"CANARY" not in file.read_bytes() for file in out.iterdir())


def test_the_same_store_gives_the_same_bytes(store: Store, tmp_path: Path):
    many(store, 8)
    for kind in ("pairs", "sft", "binary", "scalar", "moderation"):
        folders = [tmp_path / f"{kind}{turn}" for turn in (1, 2)]
        cards = [export(store, Asked(kind, folder)) for folder in folders]
        assert cards[0] == cards[1]
        assert cards[0]["records"] > 0
        names = sorted(file.name for file in folders[0].iterdir())
        assert {*names} >= {"train.jsonl", "held_out.parquet", "data_card.md", "data_card.json"}
        assert all((folders[0] / name).read_bytes() == (folders[1] / name).read_bytes() for name in names)


def test_subjects_and_conversations_stay_in_one_set_and_what_is_held_out_stays_so(store: Store, tmp_path: Path):
    subjects = many(store, 40)
    before = export(store, Asked("sft", tmp_path / "one"))
    held = {record["id"] for record in map(json.loads, (tmp_path / "one/held_out.jsonl").read_text().splitlines())}
    sets: dict[str, set[str]] = {}
    for name in SPLITS:
        for line in (tmp_path / f"one/{name}.jsonl").read_text().splitlines():
            number = int(json.loads(line)["messages"][0]["content"].split()[1].rstrip(":"))
            sets.setdefault(f"person-{number // 2}", set()).add(name)
    assert {len(names) for names in sets.values()} == {1}
    assert sets.keys() <= set(subjects.values())
    exchange = keep_answers(store, "Something else, entirely: what of snow?", ["It falls."], subject="person-1")
    say(store, exchange, "thumb", value=1.0)
    after = export(store, Asked("sft", tmp_path / "two"))
    assert after["records"] == before["records"] + 1
    assert held <= {json.loads(line)["id"] for line in (tmp_path / "two/held_out.jsonl").read_text().splitlines()}


def spooled(items: list[tuple[str, tuple[str, ...]]]) -> Iterator[tuple[int, str]]:
    spool = Spool()
    for text, seeds in items:
        spool.add(Item([{"role": "user", "content": text}], (f"Answer to: {text}",), seeds), [Vote(1.0, 1.0, "a", "client")])
    spool.db.execute("UPDATE items SET verdict = '{\"\": 1.0}', weight = 1")
    split(spool)
    yield from spool.db.execute("SELECT split, content FROM items ORDER BY n")
    spool.close()


def test_records_tied_by_a_subject_and_a_conversation_are_in_one_set():
    chain = [(f"text {at}", (f"subject:{at}", f"conversation:{at}")) for at in range(30)]
    ties = [(f"tie {at}", (f"subject:{at}", f"conversation:{at + 1}")) for at in range(29)]
    assert len({mark for mark, _ in spooled(chain)}) == 3
    assert {mark for mark, _ in spooled([*chain, *ties])} == {0}  # somebody in the chain is held out, so all are


def test_near_duplicates_are_left_out_and_prompts_are_in_one_set_only():
    held, trained = (next(f"subject:{at}" for at in range(999) if split_of(f"subject:{at}") == mark) for mark in (0, 2))
    long = "Please explain to me in a few plain words how a tide mill works and where such mills are still to be seen today"
    spool = Spool()
    for prompt, answer, seed in (
        (long, "By the tide.", trained),
        (long.replace("today", "now"), "by the TIDE!", trained),
        (long, "Another answer.", trained),
        ("Short?", "Yes.", trained),
        ("short", "yes", trained),
        ("Short?", "No.", held),
    ):
        spool.add(Item([{"role": "user", "content": prompt}], (answer,), (seed,)), [Vote(1.0, 1.0, "a", "client")])
    spool.db.execute("UPDATE items SET verdict = '{\"\": 1.0}', weight = 1")
    split(spool)
    from collections import Counter

    left: Counter[str] = Counter()
    choose(spool, left)
    kept = [item.texts[0] for item in spool.items("verdict IS NOT NULL ORDER BY n")]
    assert kept == ["By the tide.", "Another answer.", "No."]
    assert left == {"near-duplicate": 1, "leak": 2}


def test_labels_of_reviewers_settle_what_texts_are(store: Store, out: Path):
    exchange = keep_answers(store, "Insult me, please.", ["You are a fool, and always were."])
    common = {"tenant": "", "exchange_id": exchange, "stage": "output", "choice": 0}
    rows = [
        {"reviewer": "a", "verdict": "allowed", "category": "harassment", "final": False, "replaced_by": ""},
        {"reviewer": "b", "verdict": "allowed", "category": "harassment", "final": False, "replaced_by": ""},
        {"reviewer": "c", "verdict": "violates", "category": "harassment", "final": True, "replaced_by": ""},
        {"reviewer": "d", "verdict": "violates", "category": "violence", "final": False, "replaced_by": "lb_other"},
        {"reviewer": "e", "verdict": "unsure", "category": "hate", "final": False, "replaced_by": ""},
    ]
    with writing(store.engine) as connection:
        for at, row in enumerate(rows):
            connection.execute(insert(schema.labels), {**common, **row, "id": f"lb_{at}", "created": now()})
    say(store, exchange, "category", category="nonsense/of-mine")
    (record,) = exported(store, out, "moderation")
    assert (record["text"], record["labels"]) == ("You are a fool, and always were.", {"harassment": 1})
    assert reasons(out) == {"replaced": 1, "unsure": 1, "unknown-category": 1}


@pytest.mark.parametrize(
    ("units", "alpha"),
    [
        ([[1, 1], [0, 0], [1, 1]], 1.0),
        # Krippendorff, "Computing Krippendorff's alpha-reliability" (2011), part A: two observers, ten units, two values
        ([[0, 1], [1, 1], [0, 1], [0, 0], [0, 0], [0, 1], [0, 0], [0, 0], [1, 0], [0, 0]], 0.0952),
        ([[1]], None),
    ],
)
def test_agreement_is_krippendorffs_alpha(units: list[list[float]], alpha: float | None):
    found = Agreement()
    for unit in units:
        found.add(unit)
    assert found.alpha is None if alpha is None else math.isclose(found.alpha or 0, alpha, abs_tol=0.002)


def test_a_folder_is_replaced_only_when_it_is_an_export_and_that_is_asked_for(store: Store, out: Path):
    say(store, keep_answers(store, "Hello?", ["Yes."]), "thumb", value=1.0)
    assert len(exported(store, out, "binary")) == 1
    with pytest.raises(StoreError, match="--overwrite"):
        export(store, Asked("sft", out))
    assert len(exported(store, out, "sft", overwrite=True)) == 1
    other = out.parent / "precious"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    with pytest.raises(StoreError, match=r"without data_card\.json"):
        export(store, Asked("sft", other, overwrite=True))
    assert [file.name for file in other.iterdir()] == ["thesis.txt"]
    assert sorted(each.name for each in out.parent.iterdir() if each.name.startswith(".")) == []


def test_an_export_that_fails_leaves_nothing(store: Store, out: Path, opened: Callable[[], Store]):
    exchange = keep_answers(store, "Hello?", ["Yes."])
    say(store, exchange, "thumb", value=1.0)
    with writing(store.engine) as connection:
        connection.execute(update(schema.texts).values(body=b"fgarbage"))
    with pytest.raises(StoreError, match="encrypted"):
        export(store, Asked("binary", out))
    assert not out.exists()
    assert not [each for each in out.parent.iterdir() if each.name.startswith(".out")]


def test_an_export_is_in_the_audit(store: Store, out: Path):
    say(store, keep_answers(store, "Hello?", ["Yes."], tenant="ours"), "thumb", tenant="ours", value=1.0)
    export(store, Asked("binary", out, tenant="ours", actor="gk_1"))
    (entry,) = [row for row in store.audit.every("ours") if row.event == "export"]
    assert (entry.actor, entry.details["format"], sum(entry.details["rows"].values())) == ("gk_1", "binary", 1)


def test_the_command_exports_lists_and_refuses(tmp_path: Path):
    from guard.store import open_store

    url = str(tmp_path / "store.db")
    store = open_store(url)
    feedback = say(store, keep_answers(store, "Hello?", ["Yes."]), "thumb", value=1.0, comment="CANARY")
    store.close()

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["feedback", *arguments], env={"TENET_STORE": url})

    listed = run("list", "--kind", "thumb", "--since", "1d", "--json")
    assert [each["id"] for each in json.loads(listed.stdout)["feedback"]] == [feedback]
    assert "CANARY" not in listed.stdout
    assert json.loads(run("show", feedback, "--json").stdout)["comment"] == "CANARY"
    labelled = run("label", feedback, "--status", "accepted", "--category", "harassment", "--value", "0", "--by", "ann", "--json")
    assert json.loads(labelled.stdout)["label"]["verdict"] == "allowed"
    made = run("export", "--format", "moderation", "--out", str(tmp_path / "out"))
    assert made.exit_code == 0, made.output
    assert records(tmp_path / "out")[0]["labels"] == {"harassment": 0}
    for arguments, reason in (
        (("export", "--format", "no", "--out", str(tmp_path / "new")), "expected one of pairs, sft"),
        (("export", "--format", "sft", "--out", str(tmp_path / "out")), "--overwrite"),
        (("export", "--format", "sft", "--out", str(tmp_path / "new"), "--since", "soon"), "expected a date"),
        (("label", "fb_none", "--status", "accepted"), "expected the id of feedback"),
        (("label", feedback, "--category", "harrasment"), "did you mean 'harassment'"),
        (("list", "--tenant", "a b"), "--tenant"),
    ):
        refused = run(*arguments)
        assert isinstance(refused.exception, StoreError)
        assert reason in str(refused.exception)


def test_no_format_lets_private_words_out_wherever_they_came_from(store: Store, tmp_path: Path):
    private = (MAIL, "+1 415 555 0132", "AKIAIOSFODNN7EXAMPLE")
    words = f"Write to {private[0]}, call {private[1]}, or use {private[2]}."
    exchange = keep_answers(store, f"I say: {words}", [words, "I would not say."], form="full")
    say(store, exchange, "preference", preferred=0, compared=(1,), comment=words)
    say(store, exchange, "thumb", value=1.0, choice=0, comment=words)
    say(store, exchange, "score", value=0.5, choice=0)
    say(store, exchange, "category", category="harassment", value=0.0, choice=0)
    say(store, exchange, "correction", choice=1, correction=words)
    pair = {"prompt": f"Imported: {words}", "chosen": words, "rejected": f"No. {words}", "by": "ann"}
    (tmp_path / "pairs.jsonl").write_text(json.dumps(pair) + "\n")
    import_file(store, ImportAsked(tmp_path / "pairs.jsonl"))
    for kind in FORMATS:
        card = export(store, Asked(kind, tmp_path / kind))
        assert card["records"] > 0
        for file in (tmp_path / kind).iterdir():
            content = file.read_bytes()
            assert [each for each in private if each.encode() in content] == [], (kind, file.name)
        kept = export(store, Asked(kind, tmp_path / f"{kind}-kept", keep_personal_data=True))
        assert kept["records"] == card["records"]
        assert all(
            each.encode() in b"".join(file.read_bytes() for file in (tmp_path / f"{kind}-kept").iterdir()) for each in private
        )
