"""Scores are read as they were written, resumed where they stopped, and never mixed."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from in2_plugin import layout
from in2_plugin.corpus.tokenizer import load_tokenizer
from in2_plugin.dataset.reader import IN2Dataset
from in2_plugin.errors import ConfigError, DatasetError
from in2_plugin.teaching.rows import write_gold_rows
from in2_plugin.teaching.store import TeacherFacts, TeacherShards, TeacherStore, teacher_names
from tests.support.taught import taught_dataset, teacher_folder

K = 4


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    folder = taught_dataset(tmp_path_factory.mktemp("store"))
    return write_gold_rows(IN2Dataset(folder, load_tokenizer(str(teacher_folder()))))


@pytest.fixture
def facts(rows):
    return TeacherFacts("m", "0" * 64, "float32", K, rows.source, shard_examples=8)


def scores(n, rng):
    """Random scores of n tokens, the likeliest first."""
    logits = np.sort(rng.normal(size=(n, K + 1)).astype(np.float32))[:, ::-1]
    logprobs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    return rng.integers(0, 2_000, (n, K)).astype(np.uint32), logprobs


def fill(shards, seed=0):
    """Write the missing shards and return all scores by example."""
    found = {}
    rng = np.random.default_rng(seed)
    for shard in shards.missing():
        each = [scores(int(shards.rows.n_answer_tokens[number]), rng) for number in shards.examples(shard)]
        shards.write(shard, *(np.concatenate(column) for column in zip(*each, strict=True)))
        found.update(zip(shards.examples(shard), each, strict=True))
    return found


def test_scores_are_read_as_written(rows, facts):
    written = fill(TeacherShards.claim(rows, "written", facts))
    store = TeacherStore.open(rows.dataset, "written")
    assert len(written) == len(rows) and store.n_shards == -(-len(rows) // 8) and store.facts == facts
    for number, (ids, logprobs) in written.items():
        found_ids, found = store.of(number)
        assert found_ids.dtype == np.uint32 and found.dtype == np.float32
        assert found_ids.tolist() == ids.tolist() and found.shape == (rows.n_answer_tokens[number], K + 1)
        np.testing.assert_allclose(found, logprobs, atol=2e-3)
        assert np.array_equal(found[:, -1], logprobs[:, -1])  # 1 minus rounded probabilities would not be this
    assert store.highest_id() == max(ids.max() for ids, _ in written.values())


def test_tokens_are_counted_as_in_the_plans(rows):
    plans = IN2Dataset(rows.dataset, load_tokenizer(str(teacher_folder()))).plans
    assert rows.n_answer_tokens.tolist() == plans.n_answer_tokens.tolist()


def test_a_store_pickles_as_path_and_name(rows, facts):
    fill(TeacherShards.claim(rows, "pickled", facts))
    store = TeacherStore.open(rows.dataset, "pickled")
    pickled = pickle.dumps(store)
    assert len(pickled) < 400
    assert pickle.loads(pickled).of(2)[0].tolist() == store.of(2)[0].tolist()


def test_only_missing_and_damaged_shards_are_written_again(rows, facts):
    shards = TeacherShards.claim(rows, "resumed", facts)
    fill(shards)
    kept = (shards.folder / layout.scores_file(0)).read_bytes()
    path = shards.folder / layout.scores_file(1)
    path.write_bytes(path.read_bytes()[:-1])
    (shards.folder / layout.scores_file(2)).rename(shards.folder / (layout.scores_file(2) + ".part"))
    with pytest.raises(DatasetError, match=r"2 of 5 shards are missing or damaged; run `in2 teach .* --name resumed`"):
        TeacherStore.open(rows.dataset, "resumed")
    again = TeacherShards.claim(rows, "resumed", facts)
    assert list(again.missing()) == [1, 2]
    fill(again, seed=1)
    assert (shards.folder / layout.scores_file(0)).read_bytes() == kept
    TeacherStore.open(rows.dataset, "resumed")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weights": "1" * 64}, "was made with weights of SHA-256 0{64}, not 1{64}; delete the folder, or choose"),
        ({"dtype": "bfloat16"}, "was made with the dtype float32, not bfloat16"),
        ({"top_k": 5}, "was made with a top-k of 4, not 5"),
    ],
)
def test_another_model_under_the_same_name_is_refused(rows, facts, change, words):
    TeacherShards.claim(rows, "mine", facts)
    with pytest.raises(ConfigError, match=words):
        TeacherShards.claim(rows, "mine", replace(facts, **change))


def test_a_model_that_has_moved_and_other_shards_are_accepted(rows, facts):
    TeacherShards.claim(rows, "moved", facts)
    again = TeacherShards.claim(rows, "moved", replace(facts, model="elsewhere", shard_examples=64))
    assert again.facts.shard_examples == 8


@pytest.mark.parametrize("key", ["template", "content"])
def test_scores_of_other_examples_are_refused(rows, facts, key):
    """Equal questions about other segments have another content."""
    TeacherShards.claim(rows, key, replace(facts, source=replace(facts.source, **{key: "f" * 16})))
    with pytest.raises(ConfigError, match="has scores of examples from before the dataset was rebuilt"):
        TeacherShards.claim(rows, key, facts)
    with pytest.raises(DatasetError, match="before the dataset was rebuilt; delete the folder and run `in2 teach"):
        TeacherStore.open(rows.dataset, key)


def test_scores_of_an_earlier_version_are_accepted(rows, facts):
    earlier = replace(facts, source=replace(facts.source, content=""))
    fill(TeacherShards.claim(rows, "earlier", earlier))
    assert list(TeacherShards.claim(rows, "earlier", facts).missing()) == []
    TeacherStore.open(rows.dataset, "earlier")


@pytest.mark.parametrize("name", ["current", "", "../up", "a b"])
def test_names_that_are_not_possible(rows, facts, name):
    with pytest.raises(ConfigError, match="cannot be the name of a teacher"):
        TeacherShards.claim(rows, name, facts)


def test_a_missing_teacher_names_those_that_exist(rows, facts):
    TeacherShards.claim(rows, "one", facts)
    assert "one" in teacher_names(rows.dataset)
    with pytest.raises(DatasetError, match=r"has no scores of a teacher `two` \(there are: .*one.*\); run `in2 teach"):
        TeacherStore.open(rows.dataset, "two")
