"""Check the output of `in2 recipes plan`."""

import json
import re

from in2_plugin.preflight.costs import GIB
from in2_plugin.recipe.folder import find_recipe
from in2_plugin.recipe.planning.plan import plan_recipe
from in2_plugin.recipe.planning.text import as_json, plan_lines
from tests.support import ROOT


def test_the_guide_shows_what_is_printed():
    guide = (ROOT / "docs/recipes.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```\n(film-7b: .*?)```", guide, re.DOTALL)
    printed = "\n".join(plan_lines(plan_recipe(find_recipe("film-7b"))))
    assert printed.startswith(shown.rstrip())


def test_json_has_the_figures():
    found = json.loads(json.dumps(as_json(plan_recipe(find_recipe("film-7b"), gpus=16, gpu="h100-80g"))))
    run = found["runs"][0]
    assert run["gpu"] == "H100-80G"
    assert run["machines"][0]["memory"]["total"] < 20 * GIB
    assert found["questions"]["calls"] == 1_550_000
    assert 200 < found["questions"]["money"] < 250
