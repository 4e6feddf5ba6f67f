"""The files of the affordable recipes, from `affordable_table` and the templates.

Invariant: a README's tables are read from the files beside it, and its figures are those of `affordable_costs`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from in2_plugin.preflight.costs import GIB, operations
from in2_plugin.recipe.planning.plan import Plan
from recipe_texts.affordable_costs import gib_a_gpu, lengths, plans_of
from recipe_texts.affordable_table import NATIVE, RECIPES, Recipe
from recipe_texts.affordable_texts import STORIES
from recipe_texts.affordable_values import EIGHT, values_of
from recipe_texts.film import LIST_PRICES, STORE_BYTES_A_TOKEN, TOKENS_A_TEXT
from recipe_texts.remarks import remarks
from recipe_texts.rendering import rendered
from recipe_texts.wrapping import wrapped

CARDS = {24: ("RTX-4090", "RTX-3090"), 80: ("A100-80G", "H100-80G")}
"""Kinds of GPU that costs are given for, by their memory; the first is the one to plan with."""
IN_PARTS = "axolotl-context-parallel.yml"
SEARCH = 40
"""Steps of each run of a search for the learning rate."""
PACES = "computed / at the paper's pace"


def folders() -> dict[str, dict[str, str]]:
    """{folder: {file: text}}"""
    return {recipe.name: _files(recipe) for recipe in RECIPES}


def _files(recipe: Recipe) -> dict[str, str]:
    values = values_of(recipe)
    files = {name: rendered(f"affordable/{name}", values) for name in _names(recipe)}
    if recipe.in_parts:
        files[IN_PARTS] = rendered("affordable/axolotl.yml", values_of(recipe, recipe.in_parts))
    plans = plans_of(recipe.name, files, recipe.gpus, CARDS[recipe.card])
    more = {"costs": list(_costs(recipe, plans)), "tables": list(_tables(files)), "story": STORIES[recipe.name]}
    readme = rendered("affordable/README.md", {**values, **_sizes(recipe, plans), **_search(recipe), **more})
    return {**files, "README.md": wrapped(readme)}


def _names(recipe: Recipe) -> list[str]:
    if recipe.trl:
        return ["build.yml", "sft.yml", "accelerate.yml", "eval.sh"]
    return ["build.yml", "axolotl.yml", "eval.sh", *(() if recipe.rank else ("zero3.json",))]


def _tables(files: dict[str, str]) -> Iterator[tuple[str, list[tuple[str, str, str, str]]]]:
    """(file, rows) for a README; of the file for context parallelism only what is other than in axolotl.yml."""
    whole = _rows(files.get("axolotl.yml", ""))
    for name in ("axolotl.yml", IN_PARTS, "sft.yml", "accelerate.yml", "build.yml"):
        if name in files:
            rows = _rows(files[name])
            yield name, [row for row in rows if row not in whole] if name == IN_PARTS else rows


def _rows(text: str) -> list[tuple[str, str, str, str]]:
    return [(remark.key, remark.value, remark.origin, remark.why) for remark in remarks(text)]


def _sizes(recipe: Recipe, plans: Mapping[str, Plan]) -> dict[str, Any]:
    card = CARDS[recipe.card][0]
    run = plans[card].runs[0]
    return {
        "host": f"{run.machines[0].host / 1e9:.0f}" if recipe.offload else None,
        "checkpoints": f"{run.disk.checkpoints / 1e9:.0f}",
        "weights": f"{run.disk.base_model / 1e9:.0f}",
        "store": f"{(recipe.documents * TOKENS_A_TEXT * STORE_BYTES_A_TOKEN + run.disk.examples) / 1e9:.1f}",
        "card": card,
    }


def _search(recipe: Recipe) -> dict[str, Any]:
    """Rates to try, and how the 24 GB recipe would do at the window's whole length."""
    rates = (float(recipe.rate) / 3, float(recipe.rate), float(recipe.rate) * 3)
    rest = f" {EIGHT}" if recipe.gpus > 1 else ""
    longer = replace(recipe, longest=NATIVE, offload=True)
    each = [operations(one.shape, one.setup, *_sums(one)) for one in (longer, recipe)]
    return {
        "search": SEARCH,
        "rates": " ".join(f"{rate:.1e}" for rate in rates),
        "launch_rest": rest,
        "long_with": f"{gib_a_gpu(longer.shape, longer.setup, NATIVE):.0f}",
        "long_times": f"{each[0] / each[1]:.1f}",
    }


def _sums(recipe: Recipe) -> tuple[float, float]:
    """(tokens, squares of lengths) of the drawn examples."""
    drawn = lengths(recipe.longest).astype(float)
    return float(drawn.sum()), float((drawn**2).sum())


def _costs(recipe: Recipe, plans: Mapping[str, Plan]) -> Iterator[tuple[str, str, str]]:
    """(what, how much, source)"""
    first = plans[CARDS[recipe.card][0]]
    how = "computed from the lengths: 80% uniform from 4,096 on; 800 a short example and 500 a conversation are assumed"
    yield f"examples, steps of {recipe.batch}", f"{recipe.examples:,}, {first.runs[0].steps:,}", "the two YAML files"
    yield "tokens", f"{first.runs[0].tokens / 1e6:,.0f}M", how
    for gpu, plan in plans.items():
        took = plan.runs[0].machines[0]
        both = took.days, took.days_at_the_papers_pace
        yield f"time on {recipe.gpus} x {gpu}", " / ".join(map(_time, both)), PACES
        yield f"GPU-days, {gpu}", " / ".join(f"{days * recipe.gpus:.1f}" for days in both), PACES
    for run in first.runs:
        what = f"the same with {IN_PARTS}" if run.file.path.name == IN_PARTS else "memory a GPU"
        yield what, f"{run.machines[0].memory.total / GIB:.0f} GiB of {recipe.card}", "computed"
    yield from _question_costs(first)


def _time(days: float) -> str:
    return f"{days:.1f} days" if days >= 2 else f"{days * 24:.1f} hours"


def _question_costs(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """Calls, tokens and money."""
    asked, answered = plan.questions.writer.input_tokens, plan.questions.writer.output_tokens
    how = "computed for texts of 600 tokens; `in2 estimate build.yml` reads yours"
    yield "questions", f"{plan.questions.calls:,} calls, {asked / 1e6:.1f}M tokens in, {answered / 1e6:.1f}M out", how
    for name, price_in, price_out in LIST_PRICES:
        money = (asked * price_in + answered * price_out) / 1e6
        yield f"money for them, {name}", f"{money:,.0f} USD", f"computed: {price_in} / {price_out} USD a million tokens"
