"""Lazy examples equal the rendered rows, in any process, and their lengths need no tokens."""

import pickle

import numpy as np
import pytest
from torch.utils.data import DataLoader

from in2_plugin.errors import DatasetError, TokenizerMismatch
from in2_plugin.training.dataset import ANSWERS, EXAMPLE, TEACHER, LazyExamples
from in2_plugin.training.loss_by_depth import CODES


@pytest.fixture(scope="module")
def lazy(built, mistral):
    return LazyExamples.open([built], mistral)


@pytest.fixture(scope="module")
def rendered(dataset):
    return [dataset.render(row) for row in dataset.rows()]


def test_items_equal_the_rendered_rows(lazy, rendered):
    assert len(lazy) == len(rendered)
    for number, expected in enumerate(rendered):
        item = lazy[number]
        assert item["input_ids"].tolist() == expected.input_ids.tolist()
        assert item["labels"].tolist() == expected.labels.tolist()
        assert item["attention_mask"].tolist() == [1] * len(expected.input_ids)
        assert item[EXAMPLE] == number
        assert len(item[ANSWERS]) == (expected.labels != -100).sum()
    assert lazy[-1]["input_ids"].tolist() == rendered[-1].input_ids.tolist()
    with pytest.raises(IndexError):
        lazy[len(lazy)]


def test_lengths_equal_those_of_rendered_rows(lazy, rendered):
    assert lazy.lengths.tolist() == [len(one.input_ids) for one in rendered]
    assert lazy.n_answer_tokens == sum(int((one.labels != -100).sum()) for one in rendered)


def test_datasets_are_concatenated(built, mistral, lazy):
    twice = LazyExamples.open([built, built], mistral)
    n = len(lazy)
    assert len(twice) == 2 * n and twice.lengths.tolist() == 2 * lazy.lengths.tolist()
    assert twice[n + 5]["input_ids"].tolist() == lazy[5]["input_ids"].tolist()
    assert twice[n + 5][EXAMPLE] == n + 5
    assert twice.n_answer_tokens == 2 * lazy.n_answer_tokens


class Echo:
    def __init__(self, name):
        self.name = name

    def of(self, example):
        return self.name, example


def test_each_folder_has_its_teacher(built, mistral, lazy):
    taught = LazyExamples.open([built, built], mistral).taught_by([Echo("a"), Echo("b")])
    n = len(lazy)
    assert (taught[5][TEACHER], taught[n + 5][TEACHER]) == (("a", 5), ("b", 5))
    assert taught.select(np.array([n + 7]))[0][TEACHER] == ("b", 7)
    assert TEACHER not in lazy[5]


def test_split_is_random_and_complete(lazy):
    rest, held_out = lazy.split(20, seed=3)
    again, _ = lazy.split(20, seed=3)
    numbers = [[one[i][EXAMPLE] for i in range(len(one))] for one in (rest, held_out, again)]
    assert sorted(numbers[0] + numbers[1]) == list(range(len(lazy)))
    assert len(held_out) == 20 and numbers[0] == numbers[2]
    assert numbers[1] != list(range(len(lazy)))[-20:]
    assert rest.lengths.tolist() == lazy.lengths[numbers[0]].tolist()
    assert rest.n_answer_tokens + held_out.n_answer_tokens == lazy.n_answer_tokens


def test_packed_items_have_position_ids(built, mistral):
    packed = LazyExamples.open([built], mistral, packed=True)
    item = packed[7]
    assert item["position_ids"].tolist() == list(range(len(item["input_ids"])))
    assert "length" in packed.column_names and packed["length"].tolist() == packed.lengths.tolist()
    fewer = packed.remove_columns(["length", "attention_mask"])
    assert fewer.column_names == ["input_ids", "labels", "position_ids"]
    assert set(fewer[7]) == {"input_ids", "labels", "position_ids", EXAMPLE, ANSWERS}
    assert "attention_mask" in packed[7]


def test_dataset_pickles_as_a_path(lazy):
    assert len(pickle.dumps(lazy)) < 1_500
    loader = DataLoader(lazy, batch_size=None, num_workers=1, multiprocessing_context="spawn", sampler=[9, 2])
    ids = [batch["input_ids"].tolist() for batch in loader]
    assert ids == [lazy[i]["input_ids"].tolist() for i in (9, 2)]


def test_other_tokenizer_and_missing_dataset_are_refused(built, qwen, mistral, tmp_path):
    with pytest.raises(TokenizerMismatch):
        LazyExamples.open([built], qwen)
    with pytest.raises(DatasetError, match="there is no IN2 dataset"):
        LazyExamples.open([tmp_path / "none"], mistral)


def test_answer_codes_encode_part_and_depth(lazy, dataset):
    from in2_plugin.config import PARTS

    for number, row in enumerate(dataset.rows()):
        codes, plans = lazy[number][ANSWERS], lazy._plans[0]
        ((start, stop, _),), (opening,) = plans.answers(number).tolist(), plans.openings(number).tolist()
        assert (codes >= CODES).tolist() == [True] * opening + [False] * (stop - start - opening)
        found = np.unique(codes % CODES).tolist()
        assert {code // 8 for code in found} == {PARTS.index(row["part"])}
        if row["part"] == "fine_grained":
            (span,) = row["turns"][0]["gold"]
            place = row["segment_ids"].index(span["segment_id"]) / len(row["segment_ids"])
            assert abs(found[0] % 8 - 5 * place) <= 1 and found[0] % 8 < 5
        else:
            assert found[0] % 8 == 5
