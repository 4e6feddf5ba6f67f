"""The three probes of the paper: document, code and database.

Formats and question wordings are the published ones (paper, Figure 3), spaces before commas and question marks
included, because a model's score depends on them. Percentages are from Table 1 of arXiv 2404.16811, measured at about
32K tokens. Curves of document and code are read off the released figure to about one point; those of database are
computed exactly from the released model outputs. `registry.py` explains how to add a probe.
"""

from collections.abc import Mapping
from typing import Any

from in2_plugin.probing.probes.code_skip_list import CODE_SKIP_LIST
from in2_plugin.probing.probes.probe import Item, PaperBaseline, PaperFacts, Probe
from in2_plugin.probing.scoring.answers import code_score, database_score, document_score

ENTITY_WORDS = range(3, 9)
"""Words of a label and of a description; the published sets contain no other entity."""
_UNMARKED = str.maketrans("", "", '[]"')
_MISTRAL, _FILM, _GPT = "Mistral-7B-Instruct-v0.2", "FILM-7B", "GPT-4-Turbo"
_MISTRAL_CURVE, _FILM_CURVE = "Mistral, paper", "FILM, paper"


def _document_item(row: Mapping[str, Any]) -> Item:
    return Item(row["sentence"], row["piece"], (row["sentence"],))


def _code_item(row: Mapping[str, Any]) -> Item:
    name = row["function_name"]
    return Item(f"def {name}:\n{row['function_define']}", row["piece"], (name,))


def _database_item(row: Mapping[str, Any]) -> Item | None:
    # the published contexts and golds have labels without brackets and quotes: models never repeat them
    label, description = row["label"].translate(_UNMARKED), row["dcpt"].translate(_UNMARKED)
    if not all(len(text.split()) in ENTITY_WORDS for text in (label, description)):
        return None
    text = f"<id: {row['id']}, label: {label}, description: {description}>"
    return Item(text, row["id"], (label, description))


DOCUMENT = Probe(
    name="document",
    title="Document",
    file="document_sentences.jsonl",
    spans=16,
    parse_item=_document_item,
    question='In above context, which sentence contains the piece "{}"?',
    score=document_score,
    gold_fields=("completion",),
    paper=PaperFacts(
        split="document_bi_32k",
        n_positions=800,
        skipped=frozenset(),
        scores={_MISTRAL: (74.2, 32.1), _FILM: (85.4, 6.1), _GPT: (81.3, 31.7)},
        curves={
            _MISTRAL_CURVE: (83.5, 79.5, 72, 76, 76, 78, 75.5, 73, 71, 62, 59.5, 64, 69, 73.5, 83, 91.5),
            _FILM_CURVE: (87.5, 88, 84, 83, 88.5, 82.5, 84, 83, 85, 86, 83, 83.5, 85.5, 88.5, 87.5, 87),
        },
        # word recall is where the metric gives credit for free; recomputed from the released items
        baselines=(
            PaperBaseline(37.7, "echo only 37.7", "repeating the eight words of the question scores 37.7"),
            PaperBaseline(12.0, "any other 12.0", "answering with a random other sentence scores 12.0"),
        ),
    ),
)

CODE = Probe(
    name="code",
    title="Code",
    file="code_functions.jsonl",
    spans=16,
    parse_item=_code_item,
    question='In above context, which function contains the code snip "{}" ?',
    score=code_score,
    gold_fields=("completion",),
    paper=PaperFacts(
        split="code_backward_32k",
        n_positions=800,
        skipped=CODE_SKIP_LIST,
        scores={_MISTRAL: (20.3, 59.5), _FILM: (83.3, 18.7), _GPT: (66.1, 46.5)},
        curves={
            _MISTRAL_CURVE: (59.5, 35, 30, 21, 18, 11.5, 16.5, 7.5, 3, 3, 5, 3.5, 6.5, 12, 31.5, 62.5),
            _FILM_CURVE: (90, 84, 84.5, 81, 80.5, 80.5, 81.5, 76.5, 74, 83.5, 81.5, 82, 82.5, 87.5, 90.5, 93),
        },
    ),
)

DATABASE = Probe(
    name="database",
    title="Database",
    file="database_entities.jsonl",
    spans=15,
    parse_item=_database_item,
    question="In above context , what is the label and description for the query where the id is {} ?",
    score=database_score,
    # with its comma: an id that is a prefix of another one is not ambiguous
    marker="<id: {},",
    gold_fields=("label", "description"),
    paper=PaperFacts(
        split="database_forward_32k",
        n_positions=750,
        skipped=frozenset((774, 1126)),
        scores={_MISTRAL: (47.5, 77.0), _FILM: (89.0, 16.8), _GPT: (89.6, 18.0)},
        curves={
            _MISTRAL_CURVE: (
                68.1, 56.6, 54.6, 37.8, 33.7, 26.5, 29.6, 18.4, 20.9, 20.4, 33.2, 51.0, 77.6, 88.8, 95.4,
            ),
            _FILM_CURVE: (88.2, 84.7, 91.8, 89.8, 82.1, 90.3, 87.8, 86.6, 93.4, 93.4, 92.9, 95.9, 91.8, 79.1, 87.8),
        },
        # a random wrong entity scores 0.1: on a plot that is the axis
    ),
)  # fmt: skip

BUILTIN = (DOCUMENT, CODE, DATABASE)
