"""The page on training says what there is."""

from __future__ import annotations

import re
from pathlib import Path

from alignment.recipe.reading import load_recipe
from alignment.training.settings import EXPERIMENTAL, KINDS, Common

PAGE = (Path(__file__).parents[2] / "docs/train.md").read_text()


def method(settings: type[Common]) -> str:
    return str(settings.__struct_config__.tag)


def test_the_table_of_methods_has_every_method_with_its_data():
    shown = dict(re.findall(r"^\| `(\w+)` \| `(\w+)` \|", PAGE, re.MULTILINE))
    assert shown == {method(settings): kind for settings, kind in KINDS.items()}
    experimental = set(re.findall(r"^\| `(\w+)` .*experimental in TRL \|$", PAGE, re.MULTILINE))
    assert experimental == set(EXPERIMENTAL)


def test_the_recipe_that_is_shown_loads(tmp_path: Path):
    (shown,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    file = tmp_path / "support-bot.yaml"
    file.write_text(shown)
    assert [method(type(step)) for step in load_recipe(str(file), ()).steps] == ["sft", "dpo"]
