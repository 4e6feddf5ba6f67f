"""The recipes of the paper: FILM-7B, the same with fewer examples, and the ablations.

Invariant: what differs between two of them stands in `RECIPES`; everything else is in the templates. Sections and
tables are those of arXiv 2404.16811 in its NeurIPS version.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from recipe_texts.film_costs import PAPER_EXAMPLES, Costs, costs_of, paper_gpu_days
from recipe_texts.film_texts import EVALUATION_SETS, SCORES, STORIES
from recipe_texts.remarks import Remark, remarks
from recipe_texts.rendering import rendered
from recipe_texts.wrapping import wrapped

V02 = "mistralai/Mistral-7B-Instruct-v0.2"
BATCH = 128
HOURS_A_DAY = 24
DOCUMENTS_A_PERCENT = 200_000
"""Texts of 600 tokens: each filler is then used about twice."""
STORE_BYTES_A_TOKEN = 6.2
"""Measured on the bundled corpus with Mistral's tokenizer: ids, text and offsets."""
TOKENS_A_TEXT, ALL_TEXTS = 600, 13_800_000
"""A text of C4 realnewslike (paper, footnote), and how many there are (the dataset's card)."""
QUESTION_TOKENS = ((413, 112), (1_167, 119))
"""Input and output of one call, fine-grained and integration: `in2 estimate` on the bundled corpus."""
LIST_PRICES = (("gpt-4o-mini's list price of July 2024", 0.15, 0.60), ("gpt-4-turbo's list price of 2024", 10, 30))
"""USD a million tokens, input and output."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One folder."""

    name: str
    percent: int
    """Share of the paper's examples."""
    save_steps: int
    rope_base: str | None = None
    window: int | None = None
    instruct_only: bool = False

    @property
    def examples(self) -> int:
        return 300_000 if self.instruct_only else PAPER_EXAMPLES * self.percent // 100

    @property
    def steps(self) -> int:
        return -(-self.examples // BATCH)

    @property
    def several_machines(self) -> bool:
        return not self.instruct_only and self.percent > 1

    @property
    def gpus(self) -> int:
        """GPUs that the README plans with."""
        return 16 if self.several_machines else 8


RECIPES = (
    Recipe("film-7b", 100, 200),
    Recipe("film-7b-1pct", 1, 50),
    Recipe("film-7b-10pct", 10, 200),
    Recipe("film-7b-20pct", 20, 200),
    Recipe("rope-2e6", 20, 200, rope_base="2000000.0"),
    Recipe("rope-1e7", 20, 200, rope_base="10000000.0"),
    Recipe("rope-1e8", 20, 200, rope_base="100000000.0"),
    Recipe("sliding-window", 20, 200, window=4_096),
    Recipe("instruct-only", 20, 200, instruct_only=True),
)


def folders() -> dict[str, dict[str, str]]:
    """{folder: {file: text}}"""
    return {recipe.name: _files(recipe) for recipe in RECIPES}


def _files(recipe: Recipe) -> dict[str, str]:
    values = _values(recipe)
    names = ["build.yml", "zero3-offload.json", "train.sh", "eval.sh"]
    if recipe.several_machines:
        names += ["torchrun.sh", "slurm.sbatch", "ray.sh"]
    if recipe.percent == 1:
        names += ["rehearse.py"]
    if recipe.name == "film-7b":
        names += ["build-ray.sbatch", "build-array.sh"]
    files = {name: rendered(f"film/{name}", values) for name in names}
    files["axolotl.yml"] = rendered("film/axolotl.yml", values)
    if values["has_fsdp"]:
        fsdp = {**values, "sharding": "fsdp", "file": "axolotl-fsdp.yml"}
        files["axolotl-fsdp.yml"] = rendered("film/axolotl.yml", fsdp)
    costs = costs_of(recipe.name, files, (8, 16, 128) if recipe.several_machines else (8,))
    tables = {name: _table(files[file]) for name, file in (("axolotl", "axolotl.yml"), ("build", "build.yml"))}
    more = {"axolotl_values": tables["axolotl"], "build_values": tables["build"], **_needs(recipe, costs)}
    files["README.md"] = wrapped(rendered("film/README.md", {**values, **more}))
    return files


def _table(text: str) -> list[tuple[str, str, str, str]]:
    """Rows of the README; the entries of a long list come as one."""
    rows = []
    for key, group in groupby(remarks(text), key=lambda remark: remark.key):
        entries: Sequence[Remark] = list(group)
        if len(entries) == 1:
            rows.append((key, entries[0].value, entries[0].origin, entries[0].why))
        else:
            rows.append((key, f"{len(entries)} entries", entries[0].origin, "the sets that the paper evaluates on"))
    return rows


def _values(recipe: Recipe) -> dict[str, Any]:
    story = STORIES[recipe.name]
    return {
        "name": recipe.name,
        "title": story.title,
        "purpose": story.purpose,
        "what": story.what,
        "data_what": story.data,
        "expectation": story.expectation,
        "caveats": story.caveats,
        "troubles": story.troubles,
        "scores": SCORES[recipe.name],
        "base_model": V02,
        "base_model_remark": "section 2.2; no sliding window, RoPE base 1e6, 32K positions",
        "rope_base": recipe.rope_base,
        "window": recipe.window,
        "instruct_only": recipe.instruct_only,
        "several_machines": recipe.several_machines,
        "has_fsdp": recipe.several_machines,
        "rehearsal": recipe.percent == 1,
        "sharding": "deepspeed",
        "file": "axolotl.yml",
        "save_steps": recipe.save_steps,
        "gpus": recipe.gpus,
        "first_step": 2 if recipe.instruct_only else 3,
        "evaluation_sets": EVALUATION_SETS,
        **_mixture(recipe),
    }


def _mixture(recipe: Recipe) -> dict[str, Any]:
    shares = {"fine_grained": 1_100_000, "integration": 300_000, "short_context": 150_000, "general": 200_000}
    documents = DOCUMENTS_A_PERCENT * recipe.percent
    values = {
        "mixture": shares,
        "mixture_remark": "section 2.1",
        "general_remark": "section 2.1",
        "total": recipe.examples if recipe.percent < 100 else None,
        "total_remark": f"Table 6, {recipe.percent}% of the four above",
        "documents": documents if recipe.percent < 100 else None,
        "documents_remark": f"{documents * TOKENS_A_TEXT / 1e6:,.0f}M tokens; each filler is used about twice",
    }
    if recipe.instruct_only:
        nothing = dict.fromkeys(shares, 0)
        values |= {
            "mixture": {**nothing, "general": recipe.examples},
            "mixture_remark": "Table 2, the control has none",
            "general_remark": "Table 2, about 300K, as many as the 20% run",
            "total": None,
        }
    return values


def _needs(recipe: Recipe, costs: Costs) -> dict[str, Any]:
    return {
        "gpus_needed": STORIES[recipe.name].gpus,
        "host_one": f"{costs.host_gb(8):.0f}",
        "host_two": f"{costs.host_gb(16):.0f}" if recipe.several_machines else None,
        "disk": _disk(recipe, costs),
        "with_offload": f"{costs.gib_a_gpu(recipe.gpus):.0f}",
        "no_offload": f"{costs.gib_without_offload(recipe.gpus):.0f}",
        "costs": list(_costs(recipe, costs)),
    }


def _disk(recipe: Recipe, costs: Costs) -> str:
    disk = costs.run(8).disk
    model = (disk.base_model + disk.trained_model) / 1e9
    said = f"{disk.checkpoints / 1e9:.0f} GB for checkpoints, those that are kept and the one that is being written"
    if recipe.instruct_only:
        return f"{said}, and {model:.0f} GB for the model before and after (computed)."
    texts = min(ALL_TEXTS, DOCUMENTS_A_PERCENT * recipe.percent)
    store = (texts * TOKENS_A_TEXT * STORE_BYTES_A_TOKEN + disk.examples) / 1e9
    return (
        f"{said}, {model:.0f} GB for the model before and after, {store:,.0f} GB for the dataset ({texts / 1e6:,.1f}M "
        f"texts of {TOKENS_A_TEXT} tokens, {STORE_BYTES_A_TOKEN} bytes a token; all computed), and 15 GB for C4 "
        "realnewslike as it is downloaded (the dataset's card)."
    )


def _costs(recipe: Recipe, costs: Costs) -> Iterator[tuple[str, str, str]]:
    source = "paper, Table 2" if recipe.instruct_only else "paper, section 2.2 and Table 6"
    assumed = "; 500 a conversation is our assumption" if recipe.instruct_only else ""
    yield "examples, steps of 128", f"{recipe.examples:,}, {recipe.steps:,}", source
    yield "tokens", _count(costs.run(8).tokens), f"computed from the lengths{assumed}"
    for gpus in costs.plans:
        yield f"time on {gpus} x A100-80G", _pace(recipe, costs, gpus), "computed / at the paper's pace"
    yield "GPU-days", _gpu_days(recipe, costs), "computed / at the paper's pace"
    yield f"memory a GPU, {recipe.gpus} GPUs", f"{costs.gib_a_gpu(recipe.gpus):.0f} GiB of 80", f"computed{assumed}"
    if recipe.several_machines:
        yield "the same with axolotl-fsdp.yml", f"{costs.gib_a_gpu(recipe.gpus, True):.0f} GiB of 80", "computed"
    yield from _question_costs(costs)


def _pace(recipe: Recipe, costs: Costs, gpus: int) -> str:
    at_papers = "not stated" if recipe.instruct_only else _time(paper_gpu_days(recipe.examples) / gpus)
    return f"{_time(costs.days(gpus))} / {at_papers}"


def _gpu_days(recipe: Recipe, costs: Costs) -> str:
    computed = costs.days(recipe.gpus) * recipe.gpus
    at_papers = "not stated" if recipe.instruct_only else f"{paper_gpu_days(recipe.examples):,.0f}"
    return f"{computed:,.{0 if computed > 10 else 1}f} / {at_papers}"


def _time(n_days: float) -> str:
    return f"{n_days:.1f} days" if n_days >= 1 else f"{n_days * HOURS_A_DAY:.1f} hours"


def _count(tokens: float) -> str:
    return f"{tokens / 1e9:.1f}G" if tokens >= 1e9 else f"{tokens / 1e6:.0f}M"


def _question_costs(costs: Costs) -> Iterator[tuple[str, str, str]]:
    """Calls, tokens and money of the questions, where a model writes them."""
    cost = costs.plans[8].questions
    if cost is None or not cost.calls:
        return
    asked, answered = cost.writer.input_tokens, cost.writer.output_tokens
    how = "computed for texts of 600 tokens; `in2 estimate build.yml` reads yours"
    yield "questions", f"{cost.calls:,} calls, {_count(asked)} tokens in, {_count(answered)} out", how
    for name, price_in, price_out in LIST_PRICES:
        money = asked / 1e6 * price_in + answered / 1e6 * price_out
        yield f"money for them, {name}", f"{money:,.0f} USD", f"computed: {price_in} / {price_out} USD a million tokens"


assert RECIPES[0].examples == PAPER_EXAMPLES
