"""Conversations are read in the common formats of instruction datasets, and sampled uniformly."""

import json
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from in2_plugin.config import RowSource
from in2_plugin.corpus.sources.bad_rows import BadRow
from in2_plugin.corpus.sources.instructions import Sampled, Unusable, conversation, sample
from in2_plugin.errors import CorpusError

FORMS = {
    "openorca": {"id": "t0.1", "system_prompt": "Be brief.", "question": "Why?", "response": "Because."},
    "alpaca": {"instruction": "Be brief.", "input": "Why?", "output": "Because."},
    "sharegpt": {
        "conversations": [
            {"from": "system", "value": "Be brief."},
            {"from": "human", "value": "Why?"},
            {"from": "gpt", "value": "Because."},
        ]
    },
    "messages": {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": " Why?\r\n"},
            {"role": "assistant", "content": "Because."},
        ]
    },
    "prompt": {"prompt": "Be brief.\n\nWhy?", "completion": "Because."},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_format_gives_the_same_conversation(form):
    assert conversation(FORMS[form]) == (("Be brief.\n\nWhy?", "Because."),)


def test_a_missing_system_prompt_or_input_leaves_no_empty_line():
    assert conversation({"system_prompt": "", "question": "Why?", "response": "So."}) == (("Why?", "So."),)
    assert conversation({"instruction": "Why?", "input": None, "output": "So."}) == (("Why?", "So."),)


def test_several_turns_stay_in_order():
    messages = [("human", "A?"), ("gpt", "a"), ("human", "B?"), ("gpt", "b")]
    row = {"conversations": [{"from": who, "value": text} for who, text in messages]}
    assert conversation(row) == (("A?", "a"), ("B?", "b"))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"question": "Why?", "response": " "}, "empty"),
        ({"messages": []}, "empty"),
        ({"messages": [{"role": "user", "content": "Why?"}]}, "do not take turns"),
        ({"messages": [{"role": "assistant", "content": "x"}, {"role": "user", "content": "y"}]}, "do not take turns"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "a message of 'tool'"),
        ({"messages": None}, "`messages` is empty"),
        ({"instruction": None, "output": "x"}, "`instruction` is empty"),
        ({"prompt": None, "completion": None}, "`prompt` is empty"),
    ],
)
def test_unusable_rows_have_a_reason(row, reason):
    with pytest.raises(Unusable, match=reason):
        conversation(row)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"messages": ["hello"]}, "no object"),
        ({"messages": "hello"}, "`messages` holds str, not a list of messages"),
        ({"messages": [{"role": ["user"], "content": "q"}]}, "the role of a message holds list, not text"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "`content` holds list, not text"),
        ({"question": 7, "response": "x"}, "`question` holds int, not text"),
        ({"text": "x", "label": 1}, "has the columns text, label, and a conversation needs"),
        ({"instruction": "x"}, "has the columns instruction, and a conversation needs"),
    ],
)
def test_bad_rows_have_a_reason(row, reason):
    with pytest.raises(BadRow, match=reason):
        conversation(row)


def test_bad_rows_are_counted_with_the_first_place(tmp_path):
    source = chats(tmp_path / "c.jsonl", 3)
    with (tmp_path / "c.jsonl").open("a") as file:
        file.write('{"question": null, "response": "x"}\n{"messages": [{"role": ["user"]}]}\n')
    chosen, told = sampled([source], 9)
    assert len(chosen) == 3 and told.left_out.total() == 2
    assert told.first["`question` is empty"].endswith("c.jsonl:4")
    (line,) = told.bad
    assert line.endswith("c.jsonl:5: the role of a message holds list, not text")


def chats(path, n):
    path.write_text("".join(json.dumps({"question": f"Q{i}", "response": f"A{i}"}) + "\n" for i in range(n)))
    return RowSource(path=str(path))


def sampled(sources, wanted, seed=0, objection=lambda turns: None):
    *chosen, told = sample(sources, wanted, objection, np.random.default_rng(seed), lambda n: None)
    assert isinstance(told, Sampled)
    return chosen, told


def test_every_row_is_equally_likely(tmp_path):
    source = chats(tmp_path / "c.jsonl", 20)
    counts = Counter(turns[0][0] for seed in range(800) for _, turns in sampled([source], 5, seed)[0])
    # 200 of each are expected, with a binomial standard deviation of 12
    assert len(counts) == 20 and all(150 < count < 250 for count in counts.values())


def test_a_sample_has_distinct_rows_from_every_source(tmp_path):
    chosen, told = sampled([chats(tmp_path / "c.jsonl", 50), chats(tmp_path / "d.jsonl", 50)], 30)
    assert len({place for place, _ in chosen}) == 30 and told.rows == 100
    assert {place.rpartition("/")[2][0] for place, _ in chosen} == {"c", "d"}


def test_all_rows_are_taken_if_there_are_too_few(tmp_path):
    chosen, _ = sampled([chats(tmp_path / "c.jsonl", 7)], 30)
    assert sorted(turns[0][0] for _, turns in chosen) == sorted(f"Q{i}" for i in range(7))


def test_rejected_rows_are_counted_by_reason(tmp_path):
    source = chats(tmp_path / "c.jsonl", 10)
    chosen, told = sampled([source], 30, objection=lambda t: "odd" if int(t[0][0][1:]) % 2 else None)
    assert len(chosen) == 5 and told.left_out == {"odd": 5}


def test_parquet_with_nested_messages_is_read(tmp_path):
    pq.write_table(pa.Table.from_pylist([FORMS["messages"]] * 3), tmp_path / "c.parquet")
    chosen, _ = sampled([RowSource(path=str(tmp_path / "c.parquet"), limit=2)], 9)
    assert [turns for _, turns in chosen] == [(("Be brief.\n\nWhy?", "Because."),)] * 2


def test_a_text_file_is_an_error(tmp_path):
    (tmp_path / "c.txt").write_text("Hello.")
    with pytest.raises(CorpusError, match="contains plain text"):
        sampled([RowSource(path=str(tmp_path / "c.txt"))], 3)
