"""Write the model card: what a model was made of, how good it is, where it fails."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from alignment.classifiers.calibration import ALARMS, PRIOR, PRIOR_OF_KINDS
from alignment.classifiers.dataset import HELD_OUT, Example, label_counts
from alignment.classifiers.evaluation import Evaluation
from alignment.classifiers.metrics import Metrics
from alignment.classifiers.sources import SOURCES
from alignment.classifiers.training import Training
from guard.detectors.embedded_stages import CATEGORIES, CLEAR, LINEAR_SHARE
from guard.detectors.encoder_stage import OVERLAP as TOKEN_OVERLAP
from guard.detectors.encoder_stage import PROMPT_END, PROMPT_START
from guard.detectors.encoder_stage import WINDOW as TOKENS
from guard.detectors.features import BUCKETS
from guard.detectors.linear import OVERLAP, WINDOW

_HEADINGS = ("positives", "negatives", "AUROC", "AUPRC", "recall at 1 %", "recall at 5 %")

_INTRODUCTION = """# The linear stage of `use: embedded`

A multi-label text classifier: hashed words, pairs of words and pieces of words of the folded view, times int8 weights.
English only. Licence of the weights: Apache-2.0. Written by `align classifier train`; do not edit.

- File: `linear.safetensors`, {size:.2f} MB, {buckets:,} buckets × {categories} categories; version `{version}`.
  Its SHA-256 stands in `linear.safetensors.sha256` and is checked at load.
- Rebuild: `make model`, or `align classifier train --data ../shared/data --out guard/detectors/models`
  (a few minutes on one core; seed {seed}).
- Judged in windows of {window} code points that overlap by {overlap}; a text gets the highest score of its windows. A kind
  (`violence/graphic`) never scores above its group (`violence`).
- Calibrated by Platt's sigmoid on cross-fitted logits, for traffic with {prior:.0%} positives ({kinds:.0%} for kinds);
  the offset is lowered where more than {alarms:.1%} of harmless texts would reach 0.5 in one category.
"""

_FAILURES = """## Known failures

- It counts words. Negation, quotation, counter-speech, irony and reclaimed words fool it; implicit hate is missed.
- Harmless questions with violent verbs ("kill a process") and violent sports talk may score high; own examples soften this.
- Hate is far from solved: on sets that were not trained on, AUROC lies between chance (emoji and sexism sets) and 0.8.
- `sexual/minors`, `self-harm/intent`, `self-harm/instructions`, `illicit/violent`, `harassment/threatening`
  and `violence/graphic` rest on a few dozen positives each; what their scores rank is mostly the topic.
- `injection` without an override phrase, such as an innocent-looking order planted in an e-mail, is mostly missed.
- `harmful-response` judges the answer without its question, and was taught by answers and refusals of few models.
- Tweets marked offensive over-mark African American English (documented by their authors);
  `toxicity` and `profanity` inherit it.
- Other languages than English: no claim at all.
"""


def card(training: Training, size: int, version: str) -> str:
    """Return the model card in Markdown.

    Args:
        size: Of the model file, in bytes.
        version: Of the stage: the start of the file's SHA-256.
    """
    introduction = _INTRODUCTION.format(
        size=size / 1e6,
        buckets=BUCKETS,
        categories=len(CATEGORIES),
        version=version,
        seed=training.stage.about["seed"],
        window=WINDOW,
        overlap=OVERLAP,
        prior=PRIOR,
        kinds=PRIOR_OF_KINDS,
        alarms=ALARMS,
    )
    sections = (
        introduction,
        _data(training.examples),
        measured(training.evaluation),
        _unseen(training.unseen),
        _thresholds(training),
        _FAILURES,
    )
    return "\n".join(sections)


_ENCODER = """# The transformer stage of `use: embedded`, and both stages together

all-MiniLM-L6-v2 (Apache-2.0; 6 layers, 22 million parameters), fine-tuned with a head for each of {categories} categories
on partial labels. English only. Licence of the weights: Apache-2.0. Written by `align classifier train --stage transformer`;
do not edit.

- File: `encoder.onnx`, {size:.1f} MB, int8 (weights by channel; activations by a scale of each call, and each window is a
  call, so that a score does not depend on its company); version `{version}`. Its SHA-256 stands beside it and is checked.
- Rebuild: `make model` (seed {seed}; about an hour on two cores).
- It reads the folded view with emoji spelled out, in windows of {window} tokens that overlap by {overlap}; a text gets the
  highest score of its windows, and a kind (`violence/graphic`) never more than its group (`violence`). Before an answer it
  reads the question, where that is known: at most {prompt} tokens, which are not judged.
- A text with a score of {clear} or more in the linear stage gets the scores of both: their log-odds, {share:.0%} of them the
  linear stage's. The figures below are of that, as it is served, where they do not say otherwise.
- Calibrated by Platt's sigmoid, the int8 model alone and both stages together, on texts that were not trained on, for traffic
  with {prior:.0%} positives ({kinds:.0%} for kinds); the offset is lowered where more than {alarms:.1%} of harmless texts would
  reach 0.5 in one category.
"""

_ENCODER_FAILURES = """## Known failures

- `sexual/minors`, `self-harm/intent`, `self-harm/instructions`, `illicit/violent`, `harassment/threatening` and
  `violence/graphic` rest on some dozens of positives each.
- Answers with known questions are our own only; the data sets' answers come without.
- A threat inside a window of harmless sentences scores lower than alone, as a threat more than as harassment.
- Overrides in known wordings ("ignore all previous instructions") score low when they stand alone and sound like a user's own
  change of mind: the pattern detector `injection` is for those.
- Tweets marked offensive over-mark African American English (documented by their authors).
- Half of OpenAI's moderation set was trained on (four times as often as other rows): on its other half it is at an advantage
  over models that never saw the set.
- Other languages than English: no claim at all.
"""


def encoder_card(
    evaluation: Evaluation,
    unseen: Mapping[tuple[str, str], Metrics],
    answers: Mapping[str, Metrics],
    examples: Sequence[Example],
    size: int,
    version: str,
    seed: int,
) -> str:
    """Return the card of the transformer in Markdown.

    Args:
        evaluation: On held-out rows of sources that were trained on.
        unseen: (category, source) to metrics, of sources that were not.
        answers: How answers were shown, to metrics of `harmful-response`.
        examples: All of them.
        size: Of the model file, in bytes.
        version: The start of its SHA-256.
    """
    introduction = _ENCODER.format(
        categories=len(CATEGORIES),
        size=size / 1e6,
        version=version,
        seed=seed,
        window=TOKENS,
        overlap=TOKEN_OVERLAP,
        prompt=PROMPT_START + PROMPT_END,
        clear=CLEAR,
        share=LINEAR_SHARE,
        prior=PRIOR,
        kinds=PRIOR_OF_KINDS,
        alarms=ALARMS,
    )
    rows = [(source, name, *_figures(found)) for (name, source), found in unseen.items()]
    never = "\n".join(
        (
            "## Sources that it never saw\n",
            "The transformer alone, as the linear stage was taught these sources. Held-out harmless rows join the negatives of a",
            "source that has none.\n",
            _table(("data set", "category", *_HEADINGS), rows),
        )
    )
    shown = "\n".join(
        (
            "## Answers whose question is known: `harmful-response` on held-out rows of our own\n",
            _table(("shown", *_HEADINGS), [(name, *_figures(found)) for name, found in answers.items()]),
        )
    )
    return "\n".join((introduction, _data(examples), never, shown, measured(evaluation), _ENCODER_FAILURES))


def measured(evaluation: Evaluation) -> str:
    """Return an evaluation as tables in Markdown."""
    rows = [
        (name, *_figures(found), f"{evaluation.calibration[name]:.3f}", _disguised(evaluation, name))
        for name, found in evaluation.by_category.items()
    ]
    parts = [(source, name, *_figures(found)) for (name, source), found in evaluation.by_source.items()]
    alarms = [(source, f"{half:.1%}", f"{recommended:.1%}") for source, (half, recommended) in evaluation.alarms.items()]
    return "\n".join(
        (
            f"## Held-out rows ({HELD_OUT} % by hash of the text; near-duplicates removed)\n",
            "These are rows of sets that were trained on: easier than unseen data. ECE: expected calibration error.",
            "Disguised: of the positives that reach 0.5, the share that still does in leetspeak, look-alike letters,",
            "spaced or misspelled words.\n",
            _table(("category", *_HEADINGS, "ECE", "disguised"), rows),
            "### By data set, where it has both kinds of rows\n",
            _table(("data set", "category", *_HEADINGS), parts),
            "### False alarms on harmless sets: share of texts with any category at or above\n",
            _table(("data set", "0.5", "the recommended threshold"), alarms),
        )
    )


def _data(examples: Sequence[Example]) -> str:
    counts = {source: sum(example.source == source for example in examples) for source in SOURCES}
    sources = [(name, str(counts[name]), f"{source.weight:g}", source.licence) for name, source in SOURCES.items()]
    labels = label_counts(examples)
    known = [(name, *(str(count) for count in labels.get(name, (0, 0)))) for name in CATEGORIES]
    return "\n".join(
        (
            "## Data\n",
            "Labels are partial: a category that a row does not speak of is masked, except where",
            "`alignment/classifiers/sources.py` says that it follows from another or is practically absent. `own_examples` were",
            "written for this model: short texts for the scarce categories and, above all, harmless look-alikes. Every fifth",
            "text is also shown in a disguised spelling. Credits: hatemoji_build by H. R. Kirk et al. (2022), bad_words_en by",
            "LDNOOBW, parts of benign_more and begin_wow by N. Dziri et al. (2022), and the authors of Disfl-QA.\n",
            _table(("data set", "rows used", "weight of a row", "licence"), sources),
            _table(("category", "known absent", "known present"), known),
        )
    )


def _unseen(unseen: Mapping[tuple[str, str], Metrics]) -> str:
    rows = [(source, name, *_figures(found)) for (name, source), found in unseen.items()]
    return "\n".join(
        (
            "## Sets left out of training\n",
            "For each row a model was trained without the set and tested on all of it (with the held-out harmless rows as",
            "negatives where the set has none). Where our own rules fill in labels of a set, they are measured as well. These",
            "figures guided two choices (where rare words weigh more, and the regularisation), so they flatter a little.\n",
            _table(("data set", "category", *_HEADINGS), rows),
        )
    )


def _thresholds(training: Training) -> str:
    stage = training.stage
    rows = [(name, f"{stage.thresholds[name]:.2f}", f"{stage.loose[name]:.2f}") for name in stage.categories]
    return "\n".join(
        (
            "## Recommended thresholds\n",
            "At most 1 % and 5 % of harmless texts reach them in one category, measured on harmless sets by models that",
            "never saw the set; never below 0.3 and 0.1.\n",
            _table(("category", "1 %", "5 %"), rows),
        )
    )


def _figures(found: Metrics) -> tuple[str, ...]:
    rates = (found.auroc, found.auprc, found.recall_1, found.recall_5)
    return str(found.positives), str(found.negatives), *(f"{rate:.3f}" for rate in rates)


def _disguised(evaluation: Evaluation, name: str) -> str:
    count, share = evaluation.disguised.get(name, (0, 0.0))
    return f"{share:.0%} of {count}" if count else "none"


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
