"""Properties of every example of a complete dataset."""

import hashlib
import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from in2_plugin.config import Distractors, Lengths, Positions
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.corpus.store_writer import build_store
from in2_plugin.dataset.tables import example_row, read_rows
from in2_plugin.errors import NotEnoughSegments
from in2_plugin.examples.planner import ContextOrder, Conversation, ExamplePlanner
from in2_plugin.examples.positions import Dealer, Draw
from in2_plugin.examples.rendering import IGNORED, Renderer
from in2_plugin.examples.specs import orders
from in2_plugin.examples.template import Template
from in2_plugin.pipeline.record_pool import add_records
from in2_plugin.questions import Kind, Part, Passage, Question
from in2_plugin.questions.leaks import Forbidden
from in2_plugin.questions.records.writer import RecordsWriter
from tests.support.synthetic_corpus import byte_tokenizer, synthetic_questions, synthetic_store


@pytest.fixture(scope="module")
def rows(built):
    return list(read_rows(built / "examples.parquet"))


@pytest.fixture(scope="module")
def exclusive(built):
    questions = read_rows(built / "questions.parquet")
    return {row["question"]: [text.casefold() for text in row["exclusive"]] for row in questions}


def test_lengths_are_within_bounds_and_spread(rows):
    lengths = np.array([row["n_tokens"] for row in rows if row["part"] != "short_context"])
    assert lengths.min() >= 512 and lengths.max() <= 2_048
    # a document longer than 512 tokens cannot have a short example; fine-grained ones are uniform
    lengths = np.sort([row["n_tokens"] for row in rows if row["part"] == "fine_grained"])
    steps = np.arange(1, len(lengths) + 1) / len(lengths)
    # Kolmogorov-Smirnov against uniform(512, 2048): the 99.9th percentile at n = 70 is 0.23
    assert np.abs((lengths - 512) / (2_048 - 512) - steps).max() < 0.23


def test_counts_match_the_rendered_ids(rows, dataset):
    for row in rows:
        rendered = dataset.render(row)
        assert len(rendered.input_ids) == row["n_tokens"]
        assert (rendered.labels != IGNORED).sum() == row["n_answer_tokens"]


def test_fillers_are_from_other_documents(rows, dataset):
    for row in rows:
        own = {i for turn in row["turns"] for i in turn["segment_ids"]}
        documents = {turn["document"] for turn in row["turns"]}
        fillers = [i for i in row["segment_ids"] if i not in own]
        assert documents.isdisjoint(dataset.store.document[fillers].tolist())
        (turn,) = row["turns"]
        gold = {span["segment_id"] for span in turn["gold"]}
        assert gold <= own
        if row["part"] == "fine_grained":
            assert own == gold
        else:
            whole = dataset.store.segments_of(turn["document"])
            assert own <= set(whole)
            if row["part"] == "short_context":
                assert row["segment_ids"] == list(whole) and not fillers


def test_no_filler_answers_a_question(rows, dataset, exclusive):
    for row in rows:
        (turn,) = row["turns"]
        forbidden = Forbidden(exclusive[turn["question"]], [turn["answer"]])
        fillers = [i for i in row["segment_ids"] if i not in turn["segment_ids"]]
        assert not any(forbidden.found_in(dataset.store.text(i).casefold()) for i in fillers), turn["question"]


def test_gold_is_where_the_row_says(rows, dataset, mistral):
    for row in rows[:30]:
        ids = dataset.render(row).input_ids
        for span in row["turns"][0]["gold"]:
            expected = mistral.ids([dataset.store.text(span["segment_id"])])[0][1:]
            assert set(expected) <= {*ids[span["start"] : span["stop"]].tolist(), *expected[:1]}


def test_integration_needs_two_segments(rows):
    kinds = {(turn["kind"], len(turn["gold"]) >= 2) for row in rows for turn in row["turns"]}
    assert kinds == {("integration", True), ("fine_grained", False)}


def test_no_segment_occurs_twice(rows):
    assert all(len(set(row["segment_ids"])) == len(row["segment_ids"]) for row in rows)


def test_row_groups_are_bounded(built):
    metadata = pq.read_metadata(built / "examples.parquet")
    assert all(metadata.row_group(i).num_rows <= 1_000 for i in range(metadata.num_row_groups))


@pytest.fixture(scope="module")
def small_store(documents, mistral, tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    rng = np.random.default_rng(0)
    return build_store(documents[:20], folder, mistral, segment_tokens=128, paper_exact=False, rng=rng)


def planner(store, tokenizer, lengths, positions="stratified", template="chat", **distractors) -> ExamplePlanner:
    renderer = Renderer(store, tokenizer, Template(template, tokenizer))
    return ExamplePlanner(store, renderer, lengths, Positions(strategy=positions), Distractors(**distractors), seed=0)


def question(segment=0, answer="Zebras.", **changes) -> Question:
    values = {"document": 0, "segment_ids": (segment,), "gold": (segment,), "exclusive": ()}
    return Question(Kind.FINE_GRAINED, "f", "Q?", answer, **{**values, **changes}, writer="test")


@pytest.fixture(scope="module")
def store_with_records(documents, mistral, tmp_path_factory):
    return build_store(
        documents[:60], tmp_path_factory.mktemp("records"), mistral, segment_tokens=128, paper_exact=False,
        rng=np.random.default_rng(0), add_more=lambda writer: add_records(writer, mistral, 64, 0, 128),
    )  # fmt: skip


def record_questions(store, n: int) -> list[Question]:
    """Questions about the first pages, with their own exclusive texts."""
    first = store.record_segments.start
    found = RecordsWriter(0, int(store.document[first])).write(
        [
            Passage(Kind.FINE_GRAINED, int(store.document[i]), (i,), (store.text(i),), 0)
            for i in range(first, first + 2 * n, 2)
        ],
        lambda: n,
    )
    return [one for one in found if isinstance(one, Question)]


def test_records_are_among_records_and_sometimes_half_among_text(store_with_records, mistral):
    store, dealer = store_with_records, Dealer(Positions(), np.random.default_rng(0))
    plans = planner(store, mistral, Lengths(min=1_000, max=2_000))
    shares = []
    for number, asked in enumerate(record_questions(store, 60)):
        assert plans.objection(asked) is None
        example = plans.plan(ContextOrder(number, (asked,), dealer.deal(1)))
        assert example.part == "records"
        fillers = example.segment_ids[example.segment_ids != asked.gold[0]]
        shares.append(float(np.mean(fillers < store.record_segments.start)))
    mixed = [share for share in shares if share]
    assert len(shares) == 60 and 5 <= len(mixed) <= 28
    assert all(0.2 <= share <= 0.8 for share in mixed)


def test_text_is_never_among_records(store_with_records, mistral):
    store, dealer = store_with_records, Dealer(Positions(), np.random.default_rng(0))
    plans = planner(store, mistral, Lengths(min=1_000, max=2_000))
    for number in range(30):
        example = plans.plan(ContextOrder(number, (question(),), dealer.deal(1)))
        assert example.segment_ids.max() < store.record_segments.start


def test_records_are_not_mixed_with_a_small_corpus(store_with_records, mistral):
    # 60 documents do not have twice the tokens of the longest context
    store, dealer = store_with_records, Dealer(Positions(), np.random.default_rng(0))
    corpus_tokens = int(store.n_tokens[: store.record_segments.start].sum())
    plans = planner(store, mistral, Lengths(min=1_000, max=corpus_tokens // 2))
    for number, asked in enumerate(record_questions(store, 12)):
        example = plans.plan(ContextOrder(number, (asked,), replace(dealer.deal(1), length=0.0)))
        assert example.segment_ids.min() >= store.record_segments.start


WIDE = Lengths(min=4_000, max=8_000)


@pytest.mark.parametrize(
    ("changes", "lengths", "expected"),
    [
        ({}, WIDE, None),
        ({"exclusive": ("e",)}, WIDE, "too little of the corpus may stand beside it"),
        ({"answer": "The"}, WIDE, "too little of the corpus may stand beside it"),
        ({"answer": "Zanzibar </s>"}, WIDE, "special token"),
        ({}, Lengths(min=4_000, max=80_000), "too little of the corpus may stand beside it"),
        ({}, Lengths(min=10, max=60), "longer than lengths.max"),
        ({"short_context": True, "segment_ids": (0, 1), "exclusive": ("e",)}, WIDE, "another part of its document"),
        ({"short_context": True, "segment_ids": (0, 1), "answer": "The"}, WIDE, None),
    ],
)
def test_questions_that_cannot_become_examples(small_store, mistral, changes, lengths, expected):
    reason = planner(small_store, mistral, lengths).objection(question(**changes))
    assert reason is None if expected is None else expected in str(reason)


def test_answers_in_fillers_can_be_allowed(small_store, mistral):
    assert planner(small_store, mistral, WIDE, answer=False).objection(question(answer="The")) is None


def test_what_the_tokenizer_cannot_spell_is_rejected(small_store, mistral, monkeypatch):
    monkeypatch.setattr(mistral, "can_spell", lambda text: "é" not in text)
    asked = question(answer="In a café.")
    for changed in (asked, replace(asked, question="Which café?", answer="Zebras.")):
        assert "no token for some of its characters" in planner(small_store, mistral, WIDE).objection(changed)


def test_a_corpus_too_small_for_the_lengths_is_an_error(small_store, mistral):
    tight = planner(small_store, mistral, Lengths(min=300_000, max=320_000))
    with pytest.raises(NotEnoughSegments, match="add text"):
        tight.plan(ContextOrder(0, (question(),), Draw(0.5, (0.5,))))


def test_an_example_depends_only_on_its_order(small_store, mistral):
    order = ContextOrder(7, (question(),), Draw(0.5, (0.25,)))
    one, other = planner(small_store, mistral, WIDE), planner(small_store, mistral, WIDE)
    other.plan(ContextOrder(6, (question(),), Draw(0.9, (0.9,))))
    assert str(one.plan(order)) == str(other.plan(order))


def test_banned_segments_are_replaced(small_store, mistral):
    order = ContextOrder(7, (question(),), Draw(0.5, (0.25,)))
    plan = planner(small_store, mistral, WIDE).plan
    first = plan(order)
    banned = frozenset(first.segment_ids.tolist()[:3]) - {0}
    second = plan(replace(order, banned=banned))
    assert banned and banned.isdisjoint(second.segment_ids.tolist())


def test_a_filler_never_repeats_a_gold_segment(small_store, mistral):
    store = SegmentStore(small_store.folder)
    first = planner(store, mistral, WIDE).plan(ContextOrder(7, (question(),), Draw(0.5, (0.25,))))
    filler = next(i for i in first.segment_ids.tolist() if i)
    store.repeats_in_use = {filler: 0}
    second = planner(store, mistral, WIDE).plan(ContextOrder(7, (question(),), Draw(0.5, (0.25,))))
    assert filler not in second.segment_ids


def test_several_questions_share_a_context_with_their_own_golds(small_store, mistral):
    documents = small_store.document
    segments = [int(np.flatnonzero(documents == d)[0]) for d in range(3)]
    asked = tuple(question(s, answer=f"Answer {s}.", document=d) for d, s in enumerate(segments))
    example = planner(small_store, mistral, WIDE).plan(ContextOrder(1, asked, Draw(0.3, (0.1, 0.5, 0.9))))
    assert [turn.gold[0].segment_id for turn in example.turns] == segments
    starts = [turn.gold[0].start for turn in example.turns]
    assert starts == sorted(starts)
    assert example.n_answer_tokens == sum(turn.n_answer_tokens for turn in example.turns)
    fillers = [i for i in example.segment_ids.tolist() if i not in segments]
    assert set(documents[fillers].tolist()).isdisjoint({0, 1, 2})


def test_questions_that_may_share_a_context(small_store, mistral):
    documents = small_store.document
    one, other = (int(np.flatnonzero(documents == d)[0]) for d in (0, 1))
    word = small_store.text(one).split()[0]
    together = planner(small_store, mistral, WIDE).go_together
    first = question(one)
    assert together([first], question(other, answer="Zanzibar.", document=1))
    assert not together([first], question(other, answer=word, document=1))  # the first one's gold answers it
    assert not together([question(one, exclusive=(small_store.text(other)[:30],))], question(other, document=1))
    assert not together([first], question(one + 1))  # of the same document


def test_a_conversation_is_an_example_without_segments(small_store, mistral):
    turns = (("Say hello.", "Hello!"), ("Once more.", "Hello again!"))
    plan = planner(small_store, mistral, WIDE)
    example = plan.plan(Conversation("chats.jsonl:3", turns))
    assert (example.part, example.segment_ids.size, len(example.turns)) == ("general", 0, 2)
    assert example.turns[0].form == "chats.jsonl:3" and example.turns[0].document is None
    assert 0 < example.n_answer_tokens < example.n_tokens < 80


def test_the_bytes_of_a_plan_do_not_change(tmp_path):
    """Examples of an invented corpus, drawn and planned by the version of November 2026."""
    tokenizer = byte_tokenizer()
    store = synthetic_store(tmp_path, tokenizer)
    questions, rng = synthetic_questions(store, 60), np.random.default_rng(0)
    plans = planner(store, tokenizer, Lengths(min=1_500, max=2_500), template="film")
    numbers = {Part.FINE_GRAINED: np.arange(len(questions))}
    drawn = orders(questions, numbers, [], 0, 4, plans.go_together, Dealer(Positions(), rng), rng)
    rows = [example_row(plans.plan(order)) for order in drawn]
    assert Counter(len(row["turns"]) for row in rows)[4] >= 10
    digest = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
    assert digest[:16] == "c83270ec03c39bbf"
