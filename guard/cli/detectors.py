"""`guard detectors`: what may stand behind `use:` here, what it needs and what it costs; nothing heavy is imported to list it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import guard
from guard.detectors.registry import kinds
from guard.policy.kinds import Kind
from guard.policy.load import load
from guard.policy.model import DetectorConfig

_MODEL_FILES = ("*.onnx", "*.safetensors", "*.plzma", "*.gguf")
_OWN_DISTRIBUTION = "tenet-guard"
_OWN_LICENCE = "Apache-2.0"
_SHOWN_GROUPS = 4
_SMALLEST_MODEL = 65_536
"""Bytes; a smaller file of a package is a sample for its tests."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A kind of detector as it is listed.

    Attributes:
        installed: Whether all that it imports is there.
        install: The command that installs it; empty where it is there.
        versions: Of each package behind it that is there.
        licence: Of the model or library behind it.
        bytes: Size of the model's files that are on this machine; 0 for none.
        remote: Whether texts leave this machine.
        categories: What it can report; empty where its options say that.
        milliseconds: Measured for a text, by detector; empty where nothing was measured.
    """

    use: str
    summary: str
    installed: bool
    install: str
    versions: Mapping[str, str]
    licence: str
    bytes: int
    reach: str
    remote: bool
    categories: tuple[str, ...]
    milliseconds: Mapping[str, float | None]


def list_detectors(policy: str, *, measure: bool, json_output: bool) -> None:
    """Print every kind of detector: a table on a terminal, plain lines elsewhere.

    Args:
        policy: Whose detectors are looked at and measured; empty for those that need no configuration.

    Raises:
        PolicyError: For mistakes in the policy.
    """
    configs = load(policy, kinds()).detectors if policy else {}
    measured = _measured(policy) if measure else {}
    listed = [_listed(kind, configs, measured.get(kind.use, {})) for kind in kinds().values()]
    if json_output:
        print(json.dumps([asdict(each) for each in listed], indent=2))
    elif sys.stdout.isatty():
        Console().print(_table(listed, measure=measure))
    else:
        print(_plain(listed, measure=measure))


def _measured(policy: str) -> dict[str, dict[str, float | None]]:
    from guard.cli.measuring import measure_kinds, measure_policy

    by_kind: dict[str, dict[str, float | None]] = {}
    for each in measure_policy(policy, kinds()) if policy else measure_kinds(kinds()):
        by_kind.setdefault(each.use, {})[each.detector] = each.milliseconds
        if each.reason:
            print(f"{each.detector}: not measured: {each.reason}", file=sys.stderr)
    return by_kind


def _listed(kind: Kind, configs: Mapping[str, DetectorConfig], measured: Mapping[str, float | None]) -> Listed:
    modules = {module.partition(".")[0] for module in kind.modules}
    found = {module: spec for module in sorted(modules) if (spec := importlib.util.find_spec(module)) is not None}
    own = [config for config in configs.values() if config.use == kind.use]
    return Listed(
        use=kind.use,
        summary=kind.summary,
        installed=len(found) == len(modules),
        install="" if len(found) == len(modules) else f"pip install '{_OWN_DISTRIBUTION}[{kind.extra}]'",
        versions=dict(_versions(found or (guard.__name__,))),
        licence=kind.licence or _OWN_LICENCE,
        bytes=sum(_sizes(kind, [Path(spec.origin).parent for spec in found.values() if spec.origin], own)),
        reach=kind.reach,
        remote=kind.remote,
        categories=_categories(kind, own),
        milliseconds=measured,
    )


def _versions(modules: Sequence[str] | Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the distributions that the modules come from, with their versions."""
    for module in modules:
        name = _OWN_DISTRIBUTION if module == guard.__name__ else module
        try:
            yield name.replace("_", "-"), importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            for other in importlib.metadata.packages_distributions().get(module, ()):
                yield other, importlib.metadata.version(other)


def _sizes(kind: Kind, folders: Sequence[Path], configs: Sequence[DetectorConfig]) -> Iterator[int]:
    """Yield the sizes of the model's files: what Tenet ships, what the packages ship, what a policy names."""
    for name in kind.ships:
        yield (Path(guard.__file__).parent / name).stat().st_size
    for folder in folders:
        for pattern in _MODEL_FILES:
            sizes = (file.stat().st_size for file in [*folder.glob(pattern), *folder.glob(f"*/{pattern}")])
            yield from (size for size in sizes if size >= _SMALLEST_MODEL)
    for config in configs:
        named = [Path(config.options[name]) for name, option in kind.options.items() if option.path and name in config.options]
        for path in named:
            files = path.rglob("*") if path.is_dir() else [path]
            yield from (file.stat().st_size for file in files if file.is_file())


def _categories(kind: Kind, configs: Sequence[DetectorConfig]) -> tuple[str, ...]:
    """Return what a kind can report, as it is or as a policy configures it; nothing where only a configuration tells."""
    found: dict[str, None] = {}
    for options in [config.options for config in configs] or [{}]:
        try:
            found |= dict.fromkeys(kind.categories(options))
        except (LookupError, TypeError, AttributeError):  # it needs options that are not there
            continue
    return tuple(found)


_HEADINGS = ("kind", "installed", "licence", "model", "reach", "texts leave", "finds")


def _row(listed: Listed) -> tuple[str, ...]:
    return (
        listed.use,
        _installed(listed),
        listed.licence,
        _size(listed.bytes),
        listed.reach,
        "yes" if listed.remote else "no",
        _groups(listed.categories),
    )


def _table(listed: Sequence[Listed], *, measure: bool) -> Table:
    table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for heading in (*_HEADINGS, *(["ms per text"] if measure else [])):
        table.add_column(heading, no_wrap=heading in ("kind", "model", "reach"))
    for each in listed:
        row = (*_row(each), *([_times(each)] if measure else []))
        table.add_row(*map(escape, row), style="" if each.installed else "dim")
    return table


def _plain(listed: Sequence[Listed], *, measure: bool) -> str:
    rows = [(*_HEADINGS, "ms per text"), *((*_row(each), _times(each)) for each in listed)]
    rows = [row if measure else row[:-1] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def _installed(listed: Listed) -> str:
    if not listed.installed:
        return listed.install
    packages = [f"{name} {version}" for name, version in listed.versions.items() if name != _OWN_DISTRIBUTION]
    return ", ".join(packages) or "built in"


def _size(size: int) -> str:
    if not size:
        return "-"
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:,.0f} kB"


def _groups(categories: Sequence[str]) -> str:
    """Return the groups of the categories, with how many kinds of each."""
    groups = Counter(category.partition("/")[0] for category in categories)
    shown = [f"{group} ({count})" if count > 1 else group for group, count in groups.items()]
    more = [f"and {len(shown) - _SHOWN_GROUPS} more"] if len(shown) > _SHOWN_GROUPS else []
    return ", ".join(shown[:_SHOWN_GROUPS] + more) or "as configured"


def _times(listed: Listed) -> str:
    times = [(name, f"{each:.3g}" if each is not None else "-") for name, each in listed.milliseconds.items()]
    return ", ".join(text if name == listed.use else f"{name} {text}" for name, text in times) or "-"
