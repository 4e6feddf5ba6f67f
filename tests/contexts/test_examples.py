"""What holds for every example of a finished dataset."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from in2_plugin.config import Lengths
from in2_plugin.contexts.examples import ExamplePlanner
from in2_plugin.contexts.rendering import IGNORED, Renderer
from in2_plugin.contexts.tables import read_rows
from in2_plugin.contexts.template import make_template
from in2_plugin.corpus.store import build_store
from in2_plugin.errors import NotEnoughSegments
from in2_plugin.questions import Kind, Question


@pytest.fixture(scope="module")
def rows(built):
    return list(read_rows(built / "examples.parquet"))


@pytest.fixture(scope="module")
def exclusive(built):
    questions = read_rows(built / "questions.parquet")
    return {row["question"]: [text.casefold() for text in row["exclusive"]] for row in questions}


def test_lengths_are_within_bounds_and_spread(rows):
    lengths = np.array([row["n_tokens"] for row in rows])
    assert lengths.min() >= 512 and lengths.max() <= 2_048
    # a document longer than 512 tokens cannot have a short example; fine-grained ones are uniform
    lengths = np.sort([row["n_tokens"] for row in rows if row["kind"] == "fine_grained"])
    steps = np.arange(1, len(lengths) + 1) / len(lengths)
    # Kolmogorov-Smirnov against uniform(512, 2048): the 99.9th percentile at n = 70 is 0.23
    assert np.abs((lengths - 512) / (2_048 - 512) - steps).max() < 0.23


def test_counts_are_those_of_the_rendered_ids(rows, dataset):
    for row in rows:
        rendered = dataset.render(row)
        assert len(rendered.input_ids) == row["n_tokens"]
        assert (rendered.labels != IGNORED).sum() == row["n_answer_tokens"]


def test_fillers_are_from_other_documents(rows, dataset):
    for row in rows:
        own = set(dataset.store.segments_of(row["document"]))
        questions_own = own & set(row["segment_ids"])
        gold = {span["segment_id"] for span in row["gold"]}
        assert gold <= questions_own
        if row["kind"] == "fine_grained":
            assert questions_own == gold
        elif dataset.store.n_tokens[list(own)].sum() <= 2_048:
            assert questions_own == own


def test_what_a_question_quotes_occurs_once(rows, dataset, exclusive):
    for row in rows:
        own = set(dataset.store.segments_of(row["document"]))
        fillers = [dataset.store.text(i).casefold() for i in row["segment_ids"] if i not in own]
        for text in exclusive[row["question"]]:
            assert not any(text in filler for filler in fillers), (text, row["question"])


def test_gold_is_where_the_row_says(rows, dataset, mistral):
    for row in rows[:30]:
        ids = dataset.render(row).input_ids
        for span in row["gold"]:
            expected = mistral.ids([dataset.store.text(span["segment_id"])])[0][1:]
            assert set(expected) <= {*ids[span["start"] : span["stop"]].tolist(), *expected[:1]}


def test_integration_needs_two_segments(rows):
    assert all(len(row["gold"]) >= 2 for row in rows if row["kind"] == "integration")
    assert all(len(row["gold"]) == 1 for row in rows if row["kind"] == "fine_grained")


def test_no_segment_stands_twice(rows):
    assert all(len(set(row["segment_ids"])) == len(row["segment_ids"]) for row in rows)


def test_gold_depths_are_spread(rows):
    depths = np.array([row["gold"][0]["start"] / row["n_tokens"] for row in rows if row["kind"] == "fine_grained"])
    assert np.histogram(depths, bins=4, range=(0, 1))[0].min() > 0.08 * len(depths)


def test_row_groups_are_bounded(built):
    metadata = pq.read_metadata(built / "examples.parquet")
    assert all(metadata.row_group(i).num_rows <= 1_000 for i in range(metadata.num_row_groups))


@pytest.mark.parametrize(
    ("exclusive", "lengths", "expected"),
    [
        ((), Lengths(min=4_000, max=8_000), None),
        (("e",), Lengths(min=4_000, max=8_000), "too little of the corpus may stand beside it"),
        ((), Lengths(min=4_000, max=80_000), "too little of the corpus may stand beside it"),
        ((), Lengths(min=10, max=60), "longer than lengths.max"),
    ],
)
def test_objections(documents, mistral, tmp_path, exclusive, lengths, expected):
    store = build_store(
        documents[:20], tmp_path, mistral, segment_tokens=128, paper_exact=False, rng=np.random.default_rng(0)
    )
    planner = ExamplePlanner(store, Renderer(store, mistral, make_template("chat", mistral)), lengths)
    said = planner.objection(Question(Kind.FINE_GRAINED, "f", "Q?", "A.", 0, (0,), (0,), exclusive, "test"))
    assert said is None if expected is None else expected in str(said)


def test_a_corpus_too_small_for_the_lengths_says_so(documents, mistral, tmp_path):
    store = build_store(
        documents[:2], tmp_path, mistral, segment_tokens=128, paper_exact=False, rng=np.random.default_rng(0)
    )
    renderer = Renderer(store, mistral, make_template("chat", mistral))
    question = Question(Kind.FINE_GRAINED, "f", "Q?", "A.", 0, (0,), (0,), (), "test")
    planner = ExamplePlanner(store, renderer, Lengths(min=30_000, max=32_000))
    with pytest.raises(NotEnoughSegments, match="add text"):
        list(planner.plan([question], np.random.default_rng(0)))
