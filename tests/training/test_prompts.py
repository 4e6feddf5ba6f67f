"""Prompts for GRPO are assembled when they are read, chosen by length, and counted."""

import logging
import pickle

import pytest

from in2_plugin.dataset.prompts import COLUMNS, QuestionPrompts
from in2_plugin.errors import ConfigError
from in2_plugin.training.prompts import load_prompts


@pytest.fixture(scope="module")
def expected(built, mistral, dataset):
    prompts = QuestionPrompts.open(built, mistral, number_segments=True)
    return [one for row in dataset.rows() for one in prompts.each(row)]


def test_rows_are_prompts(built, mistral, expected):
    loaded = load_prompts([built], mistral, number_segments=True)
    assert loaded.column_names == ["in2_dataset", "in2_example", "in2_turn"]
    assert len(loaded) == len(expected)
    assert loaded[3] == expected[3] and tuple(loaded[3]) == COLUMNS
    assert [row["answer"] for row in loaded.shuffle(seed=1).select([4])] != [expected[4]["answer"]]


def test_datasets_are_concatenated(built, mistral, expected):
    twice = load_prompts([built, built], mistral, number_segments=True)
    assert len(twice) == 2 * len(expected)
    assert twice[len(expected) + 5] == expected[5]


def test_a_worker_reads_the_same_rows(built, mistral, expected):
    loaded = load_prompts([built], mistral, number_segments=True)
    assert pickle.loads(pickle.dumps(loaded))[2] == expected[2]


def test_long_prompts_are_left_out_and_counted(built, mistral, expected, caplog, monkeypatch):
    limit = sorted(one["prompt_tokens"] for one in expected)[len(expected) // 2]
    kept = [one for one in expected if one["prompt_tokens"] <= limit]
    counted = []
    monkeypatch.setattr(QuestionPrompts, "_count", _count_and(counted, QuestionPrompts._count))
    with caplog.at_level(logging.WARNING):
        loaded = load_prompts([built], mistral, number_segments=True, max_prompt_tokens=limit)
    assert 0 < len(counted) < len(expected)
    assert list(loaded) == kept
    left_out = len(expected) - len(kept)
    assert f"in2: {len(kept)} prompts; left out: {left_out} prompts longer than {limit:,} tokens" in caplog.text


def _count_and(counted, count):
    def both(self, content):
        counted.append(content)
        return count(self, content)

    return both


def test_a_limit_below_every_prompt_is_an_error(built, mistral):
    with pytest.raises(ConfigError, match="no prompt is left to train on: 130 prompts longer than 10 tokens"):
        load_prompts([built], mistral, max_prompt_tokens=10)
