"""Render report.html of a dataset: the results of its audit as plots, and some examples with their gold marked.

The page is self-contained: no script, no external resources, no matplotlib. Invariants: Jinja2 escapes all text from a
corpus or a model; equal audits give equal pages.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import in2_plugin
from in2_plugin.inspection.figures import short
from in2_plugin.inspection.page.drawing import HEIGHT, MIDDLE_FIFTH, WIDTH, heat_map, histogram, part_bars
from in2_plugin.inspection.page.examples import ShownExample
from in2_plugin.questions.form_counts import form_line

TEMPLATE = "dataset.html.j2"


def render_dataset_page(audit: Mapping[str, Any], examples: Sequence[ShownExample]) -> str:
    """Return the page as HTML.

    Args:
        audit: content of audit.json.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["short"] = short
    data = audit["data"]
    return environment.get_template(TEMPLATE).render(
        failing=[figure for figure in audit["figures"] if not figure["passed"]],
        passing=[figure for figure in audit["figures"] if figure["passed"]],
        tiles=_tiles(data),
        note=_note(data["segments_per_context"]),
        rows=heat_map(data["depth_by_length"]),
        plot=(WIDTH, HEIGHT),
        histograms=list(_histograms(data)),
        parts=part_bars(data["parts"]),
        facts=_facts(data),
        screening=_screening(data["screening"]),
        examples=examples,
        version=in2_plugin.__version__,
    )


def _tiles(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the numbers at the top of the page, each with its name."""
    segments, tiles = data["segments_per_context"], [(short(data["examples"]), "examples")]
    tiles += [(short(part["have"]), part["part"].replace("_", "-")) for part in data["parts"] if part["have"]]
    if segments:
        tiles.append((short(segments["median"]), "segments per context (median)"))
    if len(data["histogram"]) == 1 and data["middle_fifth"] is not None:
        tiles.append((f"{data['middle_fifth']:.1%}", "of golds in the middle fifth (20% intended)"))
    return tiles


def _note(segments: Mapping[str, Any] | None) -> str:
    """Return a sentence about contexts with few segments, or nothing."""
    if not segments or segments["few"] == 0:
        return ""
    return (
        f"{segments['few']:,} of {segments['contexts']:,} long contexts have fewer than ten segments, and "
        f"{segments['single']:,} have a single one. A context of n segments has n places, so their depths are coarse; "
        "raise `lengths.min` for finer ones."
    )


def _histograms(data: Mapping[str, Any]) -> Sequence[Any]:
    is_uniform = len(data["histogram"]) == 1
    return (
        histogram("Depth of golds", "place among the segments of the context", data["depth"], "%", is_uniform,
                  MIDDLE_FIFTH),
        histogram("Length of long examples", "tokens", data["length"], "tokens", True),
        histogram("Length of answers", "supervised tokens; each range is twice as wide as the previous one",
                  data["answer_tokens"], "tokens", False),
    )  # fmt: skip


def _facts(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    segments = data["segments"]
    return [
        ("Examples", short(data["examples"])),
        ("Questions per context, at most", short(data["questions_per_context"])),
        ("Positions", data["positions"]),
        ("Writer of the questions", data["writer"]),
        *([("Forms of questions", form_line(data["forms"]))] if data["forms"] else []),
        ("Segments in use", f"{segments['in_use']:,} of {segments['all']:,}"),
        ("Tokenizer fingerprint", data["tokenizer"]),
        (
            "Token ids",
            "stored ids concatenated" if data["joining"] == "splice" else "each example tokenized as a whole",
        ),
    ]


def _screening(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    verb = "excluded" if facts["removes_near_duplicates"] else "found and kept"
    rows = [
        ("Evaluation texts compared", short(facts["evaluation_items"])),
        ("Evaluation texts too short to compare", short(facts["short_items"])),
        ("Documents excluded for evaluation text", short(facts["contaminated_documents"])),
        ("Segments of these documents", short(facts["contaminated_segments"])),
        (f"Near-duplicate segments {verb}", short(facts["near_duplicates"])),
    ]
    return rows + [(f"Documents that share text with {name}", short(n)) for name, n in facts["by_item"].items()]
