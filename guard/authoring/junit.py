"""The outcomes of policy tests as JUnit XML, which CI systems show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

from guard.authoring.testing import Outcome


def junit(outcomes: Mapping[str, Sequence[Outcome]]) -> str:
    """Return one test suite for each policy, by its name."""
    root = ElementTree.Element("testsuites", name="guard policy test")
    for policy, of_policy in outcomes.items():
        failed = sum(not outcome.passed for outcome in of_policy)
        seconds = f"{sum(outcome.seconds for outcome in of_policy):.3f}"
        suite = ElementTree.SubElement(
            root, "testsuite", name=_said(policy), tests=str(len(of_policy)), failures=str(failed), errors="0", time=seconds
        )
        for outcome in of_policy:
            file, _, line = outcome.where.rpartition(":")
            case = ElementTree.SubElement(
                suite,
                "testcase",
                name=_said(outcome.name),
                classname=_said(policy),
                file=file,
                line=line,
                time=f"{outcome.seconds:.3f}",
            )
            if not outcome.passed:
                failure = ElementTree.SubElement(case, "failure", message=_said(outcome.failures[0]))
                failure.text = _said("\n".join(f"{outcome.where}: {line}" for line in outcome.failures))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _said(text: str) -> str:
    """Return a text with what XML 1.0 can't hold replaced."""
    return "".join(
        char if char in "\t\n\r" or " " <= char <= "\ud7ff" or "\ue000" <= char <= "\ufffd" or char > "\uffff" else "�"
        for char in text
    )
