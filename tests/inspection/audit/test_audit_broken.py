"""Datasets that are broken on purpose: how, the figure of the audit that says so, and words of its detail."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from in2_plugin.config import Decontamination
from in2_plugin.corpus.screening.evaluation_items import evaluation_items
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.corpus.tokenizer import ModelTokenizer
from in2_plugin.dataset.reader import turns_of
from in2_plugin.dataset.tables import EXAMPLES, read_rows
from in2_plugin.examples.rendering import Renderer, gold_spans
from in2_plugin.examples.template import Template
from in2_plugin.inspection.plans import TRAINERS
from tests.support import damages
from tests.support.audits import audited, long_ones


@pytest.fixture
def copy(built, tmp_path) -> Path:
    """A copy of a good dataset that a test may break."""
    return Path(shutil.copytree(built, tmp_path / "in2"))


def _rows(folder: Path, change: Callable[[list[dict]], object]) -> None:
    damages.rows(folder, "examples", EXAMPLES, change)


def _golds_at_the_edges(folder: Path) -> None:
    def change(content: list[dict]) -> None:
        for number, row in enumerate(long_ones(content)):
            golds = [span["segment_id"] for turn in row["turns"] for span in turn["gold"]]
            others = [i for i in row["segment_ids"] if i not in golds]
            row["segment_ids"] = [*golds, *others] if number % 2 else [*others, *golds]

    _rows(folder, change)


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
    return f"{text} {next(said for _, said in evaluation_items(Decontamination()) if len(said.split()) > 12)}"


def _golds_repeated(folder: Path) -> None:
    """Three fillers say what a gold beside them says: more than the search for near-duplicates may miss."""
    rows = [row for row in read_rows(folder / "examples.parquet") if row["part"] == "fine_grained"][:3]

    def change(values: list) -> None:
        for row in rows:
            values[damages.fillers(row)[0]] = values[row["turns"][0]["gold"][0]["segment_id"]]

    damages.arrow("segments", "text", change)(folder)


def _evaluated(folder: Path) -> None:
    """An evaluation set that quotes a segment in use comes up after the build."""
    said = SegmentStore(folder / "segments").text(_filler(folder))
    (folder.parent / "quiz.jsonl").write_text(json.dumps({"question": said}) + "\n")
    build = json.loads((folder / "build.json").read_text())
    build["corpus"]["decontamination"]["sources"] = [{"path": str(folder.parent / "quiz.jsonl")}]
    (folder / "build.json").write_text(json.dumps(build))


def _one_text_for_many(folder: Path) -> None:
    used = sorted({i for row in read_rows(folder / "examples.parquet") for i in row["segment_ids"]})[:20]

    def change(values: list) -> None:
        for segment in used:
            values[segment] = values[used[0]]

    damages.arrow("segments", "text", change)(folder)


def _turns(change: Callable[[dict, dict], object]) -> damages.Damage:
    """Change the first turn of the first long example; the function is given the row and the turn."""

    def damage(folder: Path) -> None:
        def first(content: list[dict]) -> None:
            row = long_ones(content)[0]
            change(row, row["turns"][0])

        _rows(folder, first)

    return damage


def _one_token_more(row: dict, turn: dict) -> None:
    turn["n_answer_tokens"] += 1
    row["n_answer_tokens"] += 1


def _without(part: str) -> damages.Damage:
    return lambda folder: _rows(folder, lambda content: [row for row in content if row["part"] != part])


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
    return _turns(lambda row, turn: [(row if name in row else turn).update({name: changes[name]}) for name in changes])


BROKEN = {
    "positions biased to the edges": (_golds_at_the_edges, "depth, all, by tenths", "28% stand at depth 0%-10%"),
    "a leaked answer in a filler": (
        _text(_filler, _with_answer), "sampled questions answered outside their segments", "which answers",
    ),
    "what a question quotes in a filler": (
        damages.leak, "sampled questions answered outside their segments", "which answers",
    ),
    "a copy of the gold among the fillers": (
        _golds_repeated, "sampled questions beside a near-duplicate of their gold", "repeats gold",
    ),
    "a filler of the question's own document": (
        damages.filler_of_its_document, "examples with a filler of their own document", "row",
    ),
    "an evaluation sentence in the corpus": (_text(_filler, _with_probe), "evaluation text in use", "as in val "),
    "an evaluation set that quotes the corpus": (_evaluated, "evaluation text in use", "quiz.jsonl"),
    "a wrong mask": (_turns(_one_token_more), "sampled masks that are not the answers", "answer tokens, planned with"),
    "counts that disagree": (
        _turns(lambda row, turn: turn.update(n_answer_tokens=turn["n_answer_tokens"] + 1)),
        "examples whose token counts disagree", "row",
    ),
    "a truncated row": (_turns(_last_cut), "sampled examples of another length than planned", "planned with"),
    "a row without its gold": (_turns(_without_gold), "examples without their gold", "was cut"),
    "a row longer than allowed": (_set(n_tokens=9_999), "examples outside lengths", "row"),
    "an unknown segment": (
        _turns(lambda row, turn: row["segment_ids"].append(10**6)), "examples with unknown segments", "row",
    ),
    "an unknown part": (_set(part="else"), "examples of an unknown part", "row"),
    "no turn": (_set(turns=[]), "examples without a turn", "row"),
    "a segment twice": (_turns(_filler_twice), "examples with a segment twice", "row"),
    "an unusable segment": (damages.unusable_filler, "examples with segments that were left out", "screening"),
    "another token id": (damages.other_id, "sampled examples with other ids than their text", "row"),
    "a span that is moved": (
        _turns(lambda row, turn: turn["gold"][0].update(start=turn["gold"][0]["start"] + 1)),
        "sampled golds elsewhere than planned", "gold of",
    ),
    "a question asked twice": (lambda folder: _rows(folder, _twice), "questions asked twice", "row 130"),
    "a question that nobody wrote": (_set(question="Why?"), "sampled turns that are not in questions.parquet", "Why?"),
    "an empty answer": (_set(answer=" "), "empty answers", "row"),
    "duplicated segments": (_one_text_for_many, "duplicate segments", "19 of"),
    "a part that is missing": (_without("integration"), "mixture, integration", "0 of 100, 0.0% where"),
    "rows that are missing": (
        lambda folder: _rows(folder, lambda content: content[:-1]), "mixture, in all", "asks for 130",
    ),
    "biased lengths": (lambda folder: _rows(folder, _short_ones), "length", "tokens; rows were lost"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_dataset_fails_naming_the_cause(copy, mistral, name):
    damage, figure, said = BROKEN[name]
    damage(copy)
    found = audited(copy, mistral)
    assert not found.passed
    failing = {failed.name: failed for failed in found.failing}
    assert figure in failing
    assert said in failing[figure].detail
    assert "FAILS" in (copy / "report.html").read_text()
    assert json.loads((copy / "audit.json").read_text())["passed"] is False


def test_what_is_broken_alone_fails_alone(copy, mistral):
    _turns(_one_token_more)(copy)
    assert [figure.name for figure in audited(copy, mistral).failing] == ["sampled masks that are not the answers"]


def test_golds_at_the_edges_fail_by_their_depths_alone(copy, mistral):
    """The same when every row agrees with itself, as a wrong planner would leave it."""
    _golds_at_the_edges(copy)
    store = SegmentStore(copy / "segments")
    renderer = Renderer(store, mistral, Template("chat", mistral))

    def agree(content: list[dict]) -> None:
        for row in content:
            rendered = renderer.render(row["segment_ids"], turns_of(row))
            row["n_tokens"] = len(rendered.input_ids)
            for turn in row["turns"]:
                golds = [span["segment_id"] for span in turn["gold"]]
                turn["gold"] = list(map(asdict, gold_spans(rendered, row["segment_ids"], golds)))

    _rows(copy, agree)
    failing = [figure.name for figure in audited(copy, mistral).failing]
    assert "depth, all, by tenths" in failing
    assert all(name.startswith("depth") for name in failing if name != TRAINERS)


def test_a_dataset_for_another_tokenizer_fails_by_that_alone(copy, qwen):
    failing = audited(copy, qwen).failing
    assert [figure.name for figure in failing[:2]] == [
        "another tokenizer than built for", "another chat template than built for",
    ]  # fmt: skip
    assert "the dataset was built for" in failing[0].detail
    assert "`--tokenizer`" in failing[0].detail
    assert len(failing) == 2


@pytest.fixture
def other_template(mistral_folder) -> ModelTokenizer:
    pretrained = AutoTokenizer.from_pretrained(mistral_folder)
    pretrained.chat_template = pretrained.chat_template.replace("[/INST]", "[/INST] ANSWER:")
    return ModelTokenizer(pretrained)


def test_another_chat_template_fails(copy, other_template):
    failing = audited(copy, other_template).failing
    assert [figure.name for figure in failing] == ["another chat template than built for"]


def test_another_chat_template_fails_by_its_length_before_there_is_a_manifest(copy, other_template):
    (copy / "manifest.json").unlink()
    failing = {figure.name for figure in audited(copy, other_template).failing}
    assert "sampled examples of another length than planned" in failing


class _MaskOneTokenEarly(Renderer):
    """Supervises the last token of the question, and not the end of the turn."""

    def render(self, segment_ids, turns):
        rendered = super().render(segment_ids, turns)
        return replace(rendered, answers=tuple((start - 1, stop - 1) for start, stop in rendered.answers))


class _MaskOfOneTurn(Renderer):
    """Supervises everything from the first answer on."""

    def render(self, segment_ids, turns):
        rendered = super().render(segment_ids, turns)
        first = rendered.answers[0]
        return replace(rendered, answers=((first[0] - 1, first[1] - 2), (first[1] - 1, first[1])))


@pytest.mark.parametrize(
    ("renderer", "said"),
    [(_MaskOneTokenEarly, "is supervised instead of"), (_MaskOfOneTurn, "answer tokens, planned with")],
)
def test_a_mask_is_read_from_the_labels(copy, mistral, renderer, said):
    failing = audited(copy, mistral, renderer).failing
    # trainers read the plans, which the renderer was not altered for
    assert [figure.name for figure in failing] == ["sampled masks that are not the answers", TRAINERS]
    assert failing[0].value >= 130
    assert said in failing[0].detail


def test_a_finished_folder_keeps_its_manifest_when_it_fails(copy, mistral):
    _golds_at_the_edges(copy)
    audited(copy, mistral)
    assert (copy / "manifest.json").exists()
