"""Whatever a field holds, its row gives text, is counted, or ends the reading with one sentence."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from in2_plugin.config import Decontamination, RowSource
from in2_plugin.config.corpus import Source
from in2_plugin.corpus.screening.decontamination import Contaminants
from in2_plugin.corpus.screening.evaluation_items import evaluation_items
from in2_plugin.corpus.sources.bad_rows import ALL_BAD, TOLERATED, BadRow, BadRows, checked_text
from in2_plugin.corpus.sources.documents import read_documents
from in2_plugin.corpus.sources.instructions import Sampled, sample
from in2_plugin.errors import CorpusError

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["\ud83d", "user", "gpt", "a"])
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
MESSAGES = st.lists(st.dictionaries(st.sampled_from(["role", "content", "from", "value"]), VALUES) | VALUES)
COLUMNS = (
    *("messages", "conversations", "instruction", "input", "output", "system", "system_prompt", "question", "response"),
    *("prompt", "completion"),
)
ROWS = st.dictionaries(st.sampled_from(COLUMNS), VALUES | MESSAGES)
GOOD = {"text": "One.", "question": "Why?", "response": "So."}
JSON_ROW = {"text": VALUES, "question": VALUES, "response": VALUES}


def write(path, rows) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("rows") / "rows.jsonl"


def documents(source: str) -> int:
    stream = read_documents([Source(path=source)])
    texts = [document.text.encode() for document in stream]
    return len(texts) + stream.empty + stream.bad[0].count


def conversations(source: str) -> int:
    *chosen, told = sample([RowSource(path=source)], 9, lambda turns: None, np.random.default_rng(0), lambda n: None)
    assert isinstance(told, Sampled) and all(text.encode() for _, turns in chosen for turn in turns for text in turn)
    return len(chosen) + told.left_out.total()


def evaluation(source: str, fields: tuple[str, ...]) -> int:
    config = Decontamination.parse({"ngram": 1, "probes": False, "sources": [{"path": source, "fields": fields}]}, "t")
    Contaminants.of(evaluation_items(config), 1, 1)
    return 3


READERS = [
    documents,
    conversations,
    lambda source: evaluation(source, ()),
    lambda source: evaluation(source, ("question",)),
]
READER_NAMES = ["documents", "instructions", "evaluation", "evaluation field"]


@pytest.mark.parametrize("read", READERS, ids=READER_NAMES)
@given(row=st.fixed_dictionaries({}, optional=JSON_ROW) | ROWS)
@settings(max_examples=200, deadline=None)
def test_any_value_in_any_field_is_counted_or_one_sentence(path, read, row):
    source = write(path, [GOOD, row, GOOD])
    try:
        assert read(source) == 3
    except CorpusError as refusal:
        assert "\n" not in str(refusal) and ("rows.jsonl" in str(refusal) or "evaluation items has" in str(refusal))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (7, "`text` holds int, not text"),
        ({"a": 1}, "`text` holds dict, not text"),
        ("ab\ud83d", r"character 3 of `text` is half of a surrogate pair \(a broken \\u escape\)"),
    ],
)
def test_what_is_not_text_has_a_reason(value, reason):
    with pytest.raises(BadRow, match=reason):
        checked_text(value, "text")


def test_text_is_normalized_and_null_is_empty():
    assert checked_text("\ufeffone\r\ntwo", "text") == "one\ntwo"
    assert checked_text(None, "text") == ""


def test_skipped_rows_are_shown_with_the_first_place_and_reason(path):
    write(path, [GOOD, {"text": 7}, {"text": None}, {"body": "x"}, GOOD])
    stream = read_documents([Source(path=str(path))])
    assert len(list(stream)) == 2 and (stream.empty, stream.bad[0].count) == (1, 2)
    assert stream.bad[0].line() == (
        f"{path}: skipped 2 rows that cannot be used; the first is {path}:2: `text` holds int, not text"
    )


def test_a_source_with_too_many_bad_rows_is_refused_at_its_end(path):
    rows = [*[GOOD] * 4, *[{"text": 7}] * (TOLERATED + 1)]
    expected = (
        r"rows.jsonl:5: `text` holds int, not text; 11 of 15 rows read from .* cannot be used; fix them, or raise"
    )
    stream = read_documents([Source(path=write(path, rows))])
    with pytest.raises(CorpusError, match=expected):
        list(stream)
    assert len(list(read_documents([Source(path=str(path), max_bad_rows=0.9)]))) == 4
    assert len(list(read_documents([Source(path=write(path, rows[:-1]))]))) == 4


@pytest.mark.parametrize("read", READERS, ids=READER_NAMES)
def test_bad_rows_at_the_start_of_a_source_are_a_share_of_all_rows(path, read):
    bad = [{"text": 7, "question": "\ud83d", "response": "a"}] * (TOLERATED + 1)
    source = write(path, bad + [GOOD] * (99 * len(bad) - 1))
    with pytest.raises(CorpusError, match=r"rows.jsonl:1: .*; 11 of 1,099 rows read from .* cannot be used"):
        read(source)
    read(write(path, bad + [GOOD] * 99 * len(bad)))


@pytest.mark.parametrize("read", READERS, ids=READER_NAMES)
def test_a_source_whose_first_rows_are_all_bad_is_not_read_to_its_end(path, read):
    source = write(path, [{"text": 7, "question": "\ud83d", "response": "a"}] * (ALL_BAD + 1))
    with pytest.raises(CorpusError, match=r"rows.jsonl:1: .*; 1,000 of 1,000 rows read from .* cannot be used"):
        read(source)


def test_no_bad_row_is_accepted_if_the_share_is_zero(path):
    with pytest.raises(
        CorpusError, match=r"rows.jsonl:2: has no field `text` \(set `text_field` to one of body\); 1 of"
    ):
        list(read_documents([Source(path=write(path, [GOOD, {"body": "x"}]), max_bad_rows=0)]))


def test_counts_of_several_pieces_are_added():
    bad = BadRows("c", 0.1)
    bad.rows = 1_000
    for piece in range(4):
        bad.add(lambda piece=piece: f"c:{piece}", "reason", 25)
    bad.require()
    bad.add(str, "other", 25)
    with pytest.raises(CorpusError, match="c:0: reason; 125 of 1,000 rows read from c"):
        bad.require()
