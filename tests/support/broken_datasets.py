"""Datasets that are damaged on purpose, with the figure of the audit that fails."""

import json
from collections.abc import Callable
from pathlib import Path

from in2_plugin.config import Decontamination
from in2_plugin.corpus.screening.evaluation_items import evaluation_items
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.corpus.tokenizer import ModelTokenizer
from in2_plugin.dataset.tables import EXAMPLES, read_rows
from tests.support import damages
from tests.support.audits import audited, long_ones


def change_examples(folder: Path, change: Callable[[list[dict]], object]) -> None:
    damages.rows(folder, "examples", EXAMPLES, change)


def golds_at_the_edges(folder: Path) -> None:
    def change(content: list[dict]) -> None:
        for number, row in enumerate(long_ones(content)):
            golds = [span["segment_id"] for turn in row["turns"] for span in turn["gold"]]
            others = [i for i in row["segment_ids"] if i not in golds]
            row["segment_ids"] = [*golds, *others] if number % 2 else [*others, *golds]

    change_examples(folder, change)


def _text(segment: Callable[[Path], int], text: Callable[[Path, str], str]) -> damages.Damage:
    """Replace the text of one segment."""

    def damage(folder: Path) -> None:
        place = segment(folder)

        def change(values: list) -> None:
            values[place] = text(folder, values[place])

        damages.arrow("segments", "text", change)(folder)

    return damage


def _filler(folder: Path) -> int:
    return damages.fillers(damages.first_fine_grained(folder))[0]


def _with_answer(folder: Path, text: str) -> str:
    return f"{text} {damages.first_fine_grained(folder)['turns'][0]['answer'].upper()}"


def _with_probe(folder: Path, text: str) -> str:
    return f"{text} {next(item for _, item in evaluation_items(Decontamination()) if len(item.split()) > 12)}"


def _golds_repeated(folder: Path) -> None:
    """Copy golds into three of their fillers: more than screening for near-duplicates may miss."""
    rows = [row for row in read_rows(folder / "examples.parquet") if row["part"] == "fine_grained"][:3]

    def change(values: list) -> None:
        for row in rows:
            values[damages.fillers(row)[0]] = values[row["turns"][0]["gold"][0]["segment_id"]]

    damages.arrow("segments", "text", change)(folder)


def _evaluated(folder: Path) -> None:
    """Add an evaluation set that quotes a segment in use after the build."""
    text = SegmentStore(folder / "segments").text(_filler(folder))
    (folder.parent / "quiz.jsonl").write_text(json.dumps({"question": text}) + "\n")
    build = json.loads((folder / "build.json").read_text())
    build["corpus"]["decontamination"]["sources"] = [{"path": str(folder.parent / "quiz.jsonl")}]
    (folder / "build.json").write_text(json.dumps(build))


def _one_text_for_many(folder: Path) -> None:
    used = sorted({i for row in read_rows(folder / "examples.parquet") for i in row["segment_ids"]})[:20]

    def change(values: list) -> None:
        for segment in used:
            values[segment] = values[used[0]]

    damages.arrow("segments", "text", change)(folder)


def change_turn(change: Callable[[dict, dict], object]) -> damages.Damage:
    """Change the first turn of the first long example; `change` receives the row and the turn."""

    def damage(folder: Path) -> None:
        def first(content: list[dict]) -> None:
            row = long_ones(content)[0]
            change(row, row["turns"][0])

        change_examples(folder, first)

    return damage


def one_token_more(row: dict, turn: dict) -> None:
    turn["n_answer_tokens"] += 1
    row["n_answer_tokens"] += 1


def _without(part: str) -> damages.Damage:
    return lambda folder: change_examples(folder, lambda content: [row for row in content if row["part"] != part])


def _twice(content: list[dict]) -> list[dict]:
    return [*content, long_ones(content)[0]]


def _short_ones(content: list[dict]) -> list[dict]:
    return [row for row in content if row["n_tokens"] < 900]


def _last_cut(row: dict, turn: dict) -> None:
    row["segment_ids"] = row["segment_ids"][:-1]


def _without_gold(row: dict, turn: dict) -> None:
    row["segment_ids"] = [i for i in row["segment_ids"] if i != turn["gold"][0]["segment_id"]]


def _filler_twice(row: dict, turn: dict) -> None:
    own = set(turn["segment_ids"])
    row["segment_ids"] += [i for i in row["segment_ids"] if i not in own][:1]


def _set(**changes: object) -> damages.Damage:
    return change_turn(
        lambda row, turn: [(row if name in row else turn).update({name: changes[name]}) for name in changes]
    )


BROKEN: dict[str, dict[str, tuple[damages.Damage, str, str]]] = {
    "positions": {
        "golds at the edges": (golds_at_the_edges, "depth, all, by tenths", "28% are at depth 0%-10%"),
        "lengths that are not uniform": (
            lambda folder: change_examples(folder, _short_ones), "length", "tokens; rows were lost",
        ),
    },
    "leaks": {
        "a filler with the answer": (
            _text(_filler, _with_answer), "sampled questions answered outside their segments", "which answers",
        ),
        "a filler with a quoted text": (
            damages.leak, "sampled questions answered outside their segments", "which answers",
        ),
        "a filler that repeats the gold": (
            _golds_repeated, "sampled questions beside a near-duplicate of their gold", "repeats gold",
        ),
        "a question without a row in questions.parquet": (
            _set(question="Why?"), "sampled turns that are not in questions.parquet", "Why?",
        ),
    },
    "texts": {
        "an evaluation item in the corpus": (_text(_filler, _with_probe), "evaluation text in use", "as in val "),
        "an evaluation set that quotes the corpus": (_evaluated, "evaluation text in use", "quiz.jsonl"),
        "duplicate segments": (_one_text_for_many, "duplicate segments", "19 of"),
    },
    "rendering": {
        "a wrong mask": (
            change_turn(one_token_more), "sampled masks that are not the answers", "answer tokens, planned with",
        ),
        "a truncated row": (change_turn(_last_cut), "sampled examples of another length than planned", "planned with"),
        "a changed token id": (damages.other_id, "sampled examples with other ids than their text", "row"),
        "a shifted gold span": (
            change_turn(lambda row, turn: turn["gold"][0].update(start=turn["gold"][0]["start"] + 1)),
            "sampled golds elsewhere than planned", "gold of",
        ),
    },
    "counts": {
        "inconsistent counts": (
            change_turn(lambda row, turn: turn.update(n_answer_tokens=turn["n_answer_tokens"] + 1)),
            "examples whose token counts disagree", "row",
        ),
        "a duplicate question": (lambda folder: change_examples(folder, _twice), "questions asked twice", "row 130"),
        "an empty answer": (_set(answer=" "), "empty answers", "row"),
        "a missing part": (_without("integration"), "mixture, integration", "0 of 100, 0.0%; `mixture` sets"),
        "missing rows": (
            lambda folder: change_examples(folder, lambda content: content[:-1]), "mixture, in all", "sets 130",
        ),
    },
    "tally": {
        "a filler from the document of the question": (
            damages.filler_of_its_document, "examples with a filler of their own document", "row",
        ),
        "a row without its gold": (change_turn(_without_gold), "examples without their gold", "was truncated"),
        "a row longer than lengths.max": (_set(n_tokens=9_999), "examples outside lengths", "row"),
        "an unknown segment": (
            change_turn(lambda row, turn: row["segment_ids"].append(10**6)), "examples with unknown segments", "row",
        ),
        "an unknown part": (_set(part="else"), "examples of an unknown part", "row"),
        "a row without turns": (_set(turns=[]), "examples without a turn", "row"),
        "a repeated segment": (change_turn(_filler_twice), "examples with a segment twice", "row"),
        "an unusable segment": (damages.unusable_filler, "examples with segments that were left out", "screening"),
    },
}  # fmt: skip
"""By module of the audit: (damage, figure that fails, words of its detail)."""


def assert_audit_fails(folder: Path, tokenizer: ModelTokenizer, module: str, name: str) -> None:
    """Damage a folder, audit it, and assert that the expected figure fails in audit.json and report.html."""
    damage, figure, detail = BROKEN[module][name]
    damage(folder)
    found = audited(folder, tokenizer)
    assert not found.passed
    failing = {failed.name: failed for failed in found.failing}
    assert figure in failing
    assert detail in failing[figure].detail
    assert "FAILS" in (folder / "report.html").read_text()
    assert json.loads((folder / "audit.json").read_text())["passed"] is False
