"""Sizes of the pool of records, and its segments in a store."""

import json
import math

import numpy as np
import pytest

from in2_plugin.config.examples import MOST_RECORDS
from in2_plugin.corpus.store import SegmentStatus
from in2_plugin.corpus.store_writer import build_store
from in2_plugin.pipeline.passages import PAIRS
from in2_plugin.pipeline.record_pool import LEAST_REGISTERS, SOURCE, add_records, n_registers
from in2_plugin.questions.collection import MAX_DRAWS
from in2_plugin.questions.records.registers import MOST_REGISTERS, PAGES, invent_register
from tests.support.builds import small_config

NO_TEXT = {"fine_grained": 0, "integration": 0}


@pytest.mark.parametrize(
    ("records", "longest", "registers"),
    [
        (0, 2_048, 0),
        (1, 2_048, LEAST_REGISTERS),
        (501, 2_048, 251),
        (1, 32_768, 4 * 32_768 // 128 // 2),
        (200_000, 2_048, MOST_REGISTERS),
    ],
)
def test_the_pool_has_a_page_per_question_and_several_contexts(tmp_path, records, longest, registers):
    mixture = {**NO_TEXT, "general": 0, "fine_grained": 10, "records": records}
    config = small_config(tmp_path, tmp_path, mixture=mixture, lengths={"min": 512, "max": longest})
    assert n_registers(config) == registers


def test_the_largest_pool_gives_the_most_records_if_pages_have_one_record():
    sizes = np.array([len(invent_register(number, 0).fields) for number in range(0, MOST_REGISTERS, 50)])
    questions = np.minimum(sizes * (sizes - 1), MAX_DRAWS).mean() * MOST_REGISTERS  # ordered pairs of fields
    assert questions >= MOST_RECORDS / PAIRS
    assert PAGES * questions >= MOST_RECORDS * (1 - 1 / PAIRS)


def test_shares_of_a_total_count(tmp_path):
    mixture = {"fine_grained": 1, "integration": 0, "records": 1, "total": 1_000}
    assert n_registers(small_config(tmp_path, tmp_path, mixture=mixture)) == 250


@pytest.fixture(scope="module")
def stores(mistral, documents, tmp_path_factory):
    """The same store of 20 documents without and with 300 registers, more than a chunk."""
    common = {"segment_tokens": 128, "paper_exact": False}
    folder = tmp_path_factory.mktemp("stores")
    bare = build_store(documents[:20], folder / "bare", mistral, **common, rng=np.random.default_rng(0))
    with_records = build_store(
        documents[:20], folder / "records", mistral, **common, rng=np.random.default_rng(0),
        add_more=lambda writer: add_records(writer, mistral, 300, 7, 128),
    )  # fmt: skip
    return bare, with_records


def test_records_are_the_last_segments_and_change_no_other(stores):
    bare, store = stores
    assert len(store) == len(bare) + 600
    assert store.corpus_segments == range(len(bare))
    assert store.record_segments == range(len(bare), len(store))
    assert (store.n_tokens[: len(bare)] == bare.n_tokens).all()
    assert (
        store.gather(np.arange(len(bare), dtype=np.uint32)).tolist()
        == bare.gather(np.arange(len(bare), dtype=np.uint32)).tolist()
    )
    assert bare.record_segments == range(len(bare), len(bare))


def test_a_store_without_records_is_written_as_before(stores):
    bare, store = (json.loads((one.folder / "store.json").read_text()) for one in stores)
    assert "record_segments" not in bare
    assert store["record_segments"] == 600


def test_registers_are_documents_of_two_segments(stores):
    _, store = stores
    sources, sizes = store.documents["source"].to_pylist(), store.documents["n_segments"].to_pylist()
    assert sources[-300:] == [SOURCE] * 300
    assert sizes[-300:] == [2] * 300
    assert store.documents["key"][-1].as_py() == "register 299"
    assert list(store.segments_of(store.facts.documents - 1)) == [len(store) - 2, len(store) - 1]


def test_their_token_ids_can_be_spliced(stores):
    _, store = stores
    records = store.record_segments
    usable = np.mean(store.standing[records.start :] == SegmentStatus.USABLE)
    assert usable == 1
    tokens = store.n_tokens[records.start :]
    assert tokens.min() >= 128 and np.median(tokens) < 180 and math.isclose(tokens.mean(), 150, rel_tol=0.15)
