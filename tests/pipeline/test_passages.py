"""Numbers of questions per part and kind."""

from itertools import islice

import numpy as np
import pytest

from in2_plugin.config import Lengths, Mixture
from in2_plugin.corpus.store_writer import build_store
from in2_plugin.pipeline.passages import (
    corpus_questions,
    display_name,
    part_passages,
    questions_by_kind,
    records_writer,
    wanted_questions,
)
from in2_plugin.pipeline.record_pool import add_records
from in2_plugin.questions import Kind, Part, Passage, Question


def mixture(fine: int, integration: int, short: int) -> Mixture:
    return Mixture(fine_grained=fine, integration=integration, short_context=short, general=0)


def test_short_contexts_have_both_kinds_in_the_proportion_of_the_long_parts():
    assert list(wanted_questions(mixture(30, 10, 8))) == [
        (Part.FINE_GRAINED, Kind.FINE_GRAINED, 30),
        (Part.INTEGRATION, Kind.INTEGRATION, 10),
        (Part.SHORT_CONTEXT, Kind.FINE_GRAINED, 6),
        (Part.SHORT_CONTEXT, Kind.INTEGRATION, 2),
        (Part.RECORDS, Kind.FINE_GRAINED, 0),
        (Part.RECORDS, Kind.INTEGRATION, 0),
    ]


def test_one_in_four_questions_about_records_needs_two_of_them():
    wanted = list(wanted_questions(mixture(1, 0, 0).model_copy(update={"records": 10})))
    assert wanted[-2:] == [(Part.RECORDS, Kind.FINE_GRAINED, 8), (Part.RECORDS, Kind.INTEGRATION, 2)]
    # they are nothing that the writer of the build file writes
    assert wanted[:-2] == list(corpus_questions(mixture(1, 0, 0)))


def test_records_have_their_own_passages(mistral, tmp_path, documents):
    store = build_store(
        documents[:20], tmp_path, mistral, segment_tokens=128, paper_exact=False, rng=np.random.default_rng(0),
        add_more=lambda writer: add_records(writer, mistral, 6, 0, 128),
    )  # fmt: skip
    lengths = Lengths(min=512, max=2_048)

    def drawn(part: Part, kind: Kind) -> list[Passage]:
        return [one for one in part_passages(store, part, kind, lengths, 0, with_texts=False) if not one.draw]

    invented = set(store.record_segments)
    assert {i for one in drawn(Part.RECORDS, Kind.FINE_GRAINED) for i in one.segment_ids} == invented
    assert sorted(i for one in drawn(Part.RECORDS, Kind.INTEGRATION) for i in one.segment_ids) == sorted(invented)
    for kind in Kind:
        assert invented.isdisjoint(i for one in drawn(Part(kind), kind) for i in one.segment_ids)
    writer = records_writer(store, 0)
    passages = list(islice(part_passages(store, Part.RECORDS, Kind.INTEGRATION, lengths, 0), 6))
    assert all(isinstance(result, Question) for result in writer.write(passages, lambda: 6))


@pytest.mark.parametrize(("given", "expected"), [((30, 10, 8), (36, 12)), ((0, 0, 5), (5, 0)), ((0, 4, 4), (0, 8))])
def test_questions_by_kind_include_short_contexts(given, expected):
    assert questions_by_kind(mixture(*given)) == dict(zip(Kind, expected, strict=True))


def test_display_names():
    assert display_name(Part.FINE_GRAINED, Kind.FINE_GRAINED) == "fine-grained"
    assert display_name(Part.SHORT_CONTEXT, Kind.INTEGRATION) == "short-context integration"
    assert display_name(Part.RECORDS, Kind.FINE_GRAINED) == "fine-grained record"
