"""`guard detectors --options`: every option of every kind, as the page of the documentation that lists them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from guard.detectors import registry
from guard.policy.kinds import Kind, Option

_INTRODUCTION = """# Options of every detector

Printed by `guard detectors --options`. [detectors.md](detectors.md) says which to choose. Beside its own options every detector
takes `use`, `override` and [`runtime`](policy.md#how-a-detector-is-run)."""


def print_options() -> None:
    """Print the page for the kinds that there are here."""
    print(options_page(registry.kinds()))


def options_page(kinds: Mapping[str, Kind]) -> str:
    """Return the page in Markdown."""
    return "\n".join([_INTRODUCTION, *(line for use in sorted(kinds) for line in _section(kinds[use]))])


def _section(kind: Kind) -> Iterator[str]:
    yield f"\n## `{kind.use}`\n"
    needs = f" Needs `pip install 'tenet-guard[{kind.extra}]'`." if kind.extra else ""
    leaves = " Texts leave this machine." if kind.remote else ""
    yield f"{kind.summary[0].upper()}{kind.summary[1:]}.{needs}{leaves}\n"
    if not kind.options:
        yield "No options."
        return
    yield "| option | type | meaning |"
    yield "| :-- | :-- | :-- |"
    for name, option in kind.options.items():
        yield f"| `{name}`{', required' if option.required else ''} | {_type(option)} | {option.summary} |"


def _type(option: Option) -> str:
    if option.choices:
        words = ", ".join(f"`{choice}`" for choice in option.choices)
        return f"list of {words}" if option.type == "strings" else f"one of {words}"
    bounds = [f"{word} {bound:,}" for word, bound in (("from", option.minimum), ("to", option.maximum)) if bound is not None]
    return " ".join([_WORDS.get(option.type, option.type), *bounds])


_WORDS = {"strings": "list of texts", "string": "text", "any": "anything", "boolean": "true or false"}
