from contextlib import nullcontext
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from in2_plugin.config import Lengths
from in2_plugin.corpus.sources.documents import Document
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.corpus.store_writer import build_store
from in2_plugin.errors import SpendingStopped
from in2_plugin.questions import Kind, Part, Passage, Question, Rejection
from in2_plugin.questions.collection import MAX_DRAWS, collect, passages, short_passages, shortfall
from in2_plugin.questions.yield_check import YieldCheck

ROOMY = Lengths(min=5_000, max=10_000)


class Scripted:
    """A writer that answers as a function says."""

    name = "scripted"

    def __init__(self, answer) -> None:
        self._answer = answer

    def write(self, drawn, missing):
        for passage in drawn:
            yield self._answer(passage)

    def detail(self) -> str:
        return ""


def collected(answer, drawn, wanted, objection=lambda _: None):
    """Questions and rejections of a collection with a scripted writer, and what it says of itself."""
    questions, rejections = [], []
    outcome = collect(Scripted(answer), drawn, wanted, set(), objection, questions.append, rejections.append)
    assert outcome.kept == len(questions)
    return questions, rejections, outcome


def question(passage, text) -> Question:
    return Question(passage.kind, "f", text, "a", passage.document, passage.segment_ids, (), (), "scripted")


@pytest.fixture(scope="module")
def store(mistral, tmp_path_factory):
    texts = ["\n".join(f"Line {i} of document {d} says a few words." for i in range(20)) for d in range(6)]
    texts.append("Alone.")
    texts.append("\n".join(["A line with </s> in it is of no use."] * 20))
    documents = [Document("s", str(i), text) for i, text in enumerate(texts)]
    folder = tmp_path_factory.mktemp("store")
    return build_store(documents, folder, mistral, segment_tokens=40, paper_exact=False, rng=np.random.default_rng(0))


def test_fine_grained_passages_are_usable_segments(store):
    drawn = list(passages(store, Kind.FINE_GRAINED, ROOMY, np.random.default_rng(0)))
    assert len(drawn) == MAX_DRAWS * int(store.usable.sum())
    assert {p.segment_ids for p in drawn if p.draw == 0} == {(i,) for i in np.flatnonzero(store.usable).tolist()}


def test_integration_passages_are_whole_documents_of_two_segments(store):
    drawn = list(passages(store, Kind.INTEGRATION, ROOMY, np.random.default_rng(0)))
    assert {p.document for p in drawn} == set(range(6))
    assert all(p.segment_ids == tuple(store.segments_of(p.document)) for p in drawn)


def test_of_a_long_document_a_run_of_segments_is_drawn(store):
    tight = Lengths(min=200, max=220)
    drawn = list(passages(store, Kind.INTEGRATION, tight, np.random.default_rng(0)))
    assert {p.document for p in drawn} == set(range(6))
    for passage in drawn:
        assert passage.segment_ids == tuple(range(passage.segment_ids[0], passage.segment_ids[-1] + 1))
        assert len(passage.segment_ids) == 2 or store.n_tokens[list(passage.segment_ids)].sum() <= 100
        assert set(store.document[list(passage.segment_ids)]) == {passage.document}
    tokens = np.bincount(store.document, weights=store.n_tokens)[:6]
    assert (tokens > 220).all()
    # a run that would begin with a document's last segment is not drawn
    assert 0.5 * MAX_DRAWS * (tokens // 220).sum() < len(drawn) <= MAX_DRAWS * (tokens // 220).sum()


def test_a_document_with_an_unusable_segment_is_drawn_without_it(mistral, tmp_path):
    lines = [f"Line {i} says a few words about nothing much." for i in range(40)]
    lines[20] = "This line says </s> and is of no use."
    store = build_store(
        [Document("s", "0", "\n".join(lines))], tmp_path, mistral,
        segment_tokens=40, paper_exact=False, rng=np.random.default_rng(0),
    )  # fmt: skip
    drawn = list(passages(store, Kind.INTEGRATION, ROOMY, np.random.default_rng(0)))
    (unusable,) = np.flatnonzero(~store.usable)
    assert drawn
    assert not any(unusable in p.segment_ids for p in drawn)


def test_segments_that_are_too_long_are_not_drawn(store):
    assert list(passages(store, Kind.FINE_GRAINED, Lengths(min=2, max=3), np.random.default_rng(0))) == []
    assert list(passages(store, Kind.INTEGRATION, Lengths(min=2, max=3), np.random.default_rng(0))) == []


def numbered(passage):
    return question(passage, f"{passage.segment_ids}{passage.draw}")


def test_collect_stops_at_the_number_wanted(store):
    drawn = passages(store, Kind.FINE_GRAINED, ROOMY, np.random.default_rng(0))
    questions, *_ = collected(numbered, drawn, 9)
    assert len(questions) == 9


def test_the_writer_learns_how_many_are_missing_and_is_closed_at_the_end(store):
    told = []

    class Curious(Scripted):
        def write(self, drawn, missing):
            try:
                for passage in drawn:
                    told.append(missing())
                    yield self._answer(passage)
            finally:
                told.append("closed")

    drawn = passages(store, Kind.FINE_GRAINED, ROOMY, np.random.default_rng(0))
    collect(Curious(numbered), drawn, 3, set(), lambda _: None, lambda _: None, lambda _: None)
    assert told == [3, 2, 1, "closed"]


def test_a_longer_run_asks_the_same_first(store):
    def ask(n):
        drawn = passages(store, Kind.FINE_GRAINED, ROOMY, np.random.default_rng(0))
        return collected(numbered, drawn, n)[0]

    assert ask(12)[:5] == ask(5)


def test_duplicates_are_kept_as_rejections_with_what_they_say(store):
    drawn = passages(store, Kind.FINE_GRAINED, ROOMY, np.random.default_rng(0))
    texts = iter(["one", "One ", "two"])
    questions, rejections, _ = collected(lambda p: question(p, next(texts)), drawn, 2)
    assert [q.question for q in questions] == ["one", "two"]
    (rejection,) = rejections
    assert rejection.reason == "the same question was written before"
    assert (rejection.question, rejection.answer, rejection.writer) == ("One ", "a", "scripted")


def test_what_another_part_asked_is_not_asked_again(store):
    asked = set()
    for expected in (["one"], []):
        questions = []
        drawn = islice(passages(store, Kind.FINE_GRAINED, ROOMY, np.random.default_rng(0)), 3)
        writer = Scripted(lambda p: question(p, "one"))
        collect(writer, drawn, 1, asked, lambda _: None, questions.append, lambda _: None)
        assert [q.question for q in questions] == expected


def test_objections_are_kept_as_rejections_and_others_are_asked_for(store):
    drawn = passages(store, Kind.FINE_GRAINED, ROOMY, np.random.default_rng(0))

    def objection(q):
        return "an even segment" if q.segment_ids[0] % 2 == 0 else None

    questions, rejections, _ = collected(numbered, drawn, 5, objection)
    assert len(questions) == 5
    assert all(q.segment_ids[0] % 2 for q in questions)
    assert {r.reason for r in rejections} == {"an even segment"}


def test_a_shortfall_says_how_many_are_missing_and_why(store):
    drawn = passages(store, Kind.INTEGRATION, ROOMY, np.random.default_rng(0))
    _, _, outcome = collected(lambda p: Rejection(p, "it is dull"), drawn, 5)
    said = shortfall(Part.INTEGRATION, 5, outcome)
    assert "mixture.integration asks for 5 questions, but the corpus gave 0, 5 too few" in said
    assert "it is dull: 48 times" in said


def test_none_wanted_none_asked(store):
    def never(_):
        raise AssertionError("was asked")

    assert collected(never, iter([object()]), 0)[:2] == ([], [])


def test_a_short_context_is_a_whole_document_without_special_tokens(store):
    drawn = list(short_passages(store, Kind.FINE_GRAINED, ROOMY, np.random.default_rng(0)))
    assert {p.document for p in drawn} == set(range(7))
    assert all(p.context == tuple(store.segments_of(p.document)) and p.segment_ids[0] in p.context for p in drawn)
    tight = Lengths(min=10, max=200)
    assert {p.document for p in short_passages(store, Kind.FINE_GRAINED, tight, np.random.default_rng(0))} == {6}


def test_short_passages_are_other_draws_than_long_ones(store):
    long = {(p.segment_ids, p.draw) for p in passages(store, Kind.INTEGRATION, ROOMY, np.random.default_rng(0))}
    short = {(p.segment_ids, p.draw) for p in short_passages(store, Kind.INTEGRATION, ROOMY, np.random.default_rng(0))}
    assert short and long.isdisjoint(short)


@pytest.mark.parametrize("kind", list(Kind))
def test_passages_that_stay_usable_come_in_the_same_order(store, kind):
    """So that a further evaluation set costs no new answers."""

    def drawn(of):
        return [(p.segment_ids, p.draw) for p in passages(of, kind, ROOMY, np.random.default_rng(0))]

    fewer = SegmentStore(store.folder)
    left_out = set(store.segments_of(2))
    fewer.usable = np.array([usable and i not in left_out for i, usable in enumerate(store.usable)])
    assert drawn(fewer) == [one for one in drawn(store) if not left_out.intersection(one[0])]


def drawn_again(n: int, draws: int = 8):
    return (Passage(Kind.FINE_GRAINED, i, (i,), (), draw) for draw in range(draws) for i in range(n))


@pytest.mark.parametrize("works", [True, False])
def test_a_small_corpus_that_is_exhausted_is_a_shortfall_and_a_model_that_fails_is_not(works):
    """300 passages that all give a question at first, and afterwards the same again or nothing."""

    def answer(passage):
        asked = replace(question(passage, f"Who is {passage.document}?"), request=f"{passage.document} {passage.draw}")
        if passage.draw and not works:
            return Rejection(passage, "unreadable answer", request=asked.request)
        return asked

    seen = []
    stop = nullcontext() if works else pytest.raises(SpendingStopped, match="unreadable answer")
    with stop:
        found = collect(
            Scripted(answer), drawn_again(300), 1_000, set(), lambda _: None, seen.append, lambda _: None,
            YieldCheck(0.05, "x"),
        )  # fmt: skip
        message = shortfall(Part.FINE_GRAINED, 1_000, found)
        assert "the corpus gave 300, 700 too few (most often because the same question was written before" in message
    assert len(seen) == 300
