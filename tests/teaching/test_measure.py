"""Measures of a teacher against a plain computation, one question at a time."""

import math

import numpy as np
import pytest
import torch

from in2_plugin.corpus.tokenizer import load_tokenizer
from in2_plugin.dataset.reader import IN2Dataset
from in2_plugin.teaching.measure import compare, gold_answers, sampled_examples
from in2_plugin.teaching.run import teach
from in2_plugin.teaching.score import HFTeacher
from tests.support.taught import taught_dataset, teacher_folder


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    folder = taught_dataset(tmp_path_factory.mktemp("measure"))
    found = teach(folder, str(teacher_folder()), "initial", dtype="float32")
    return IN2Dataset(folder, load_tokenizer(str(teacher_folder()))).plans, found


@pytest.fixture(scope="module")
def teacher():
    return HFTeacher.load(str(teacher_folder()), "float32")


def log_probs(teacher, ids, start, stop):
    with torch.no_grad():
        return (
            teacher._model(input_ids=torch.from_numpy(ids.astype(np.int64))[None])
            .logits[0]
            .log_softmax(-1)[start - 1 : stop - 1]
        )


def test_gold_answers_count_every_question(taught):
    plans, found = taught
    answers = list(gold_answers(plans, found.store))
    assert len(answers) == sum(len(plans.answers(i)) for i in range(len(plans)))
    assert sum(one.n_tokens for one in answers) == plans.n_answer_tokens.sum()
    assert {one.part for one in answers} == {"fine_grained", "integration", "short_context", "general"}
    assert all(0 < one.covered <= 1 for one in answers)


def test_exact_answers_are_found(taught):
    plans, found = taught
    ids, logprobs = found.store.of(0)
    first, *_ = found.store.rows.of(0)
    answer = first.ids[first.answer]
    ids[: len(answer), 0] = answer
    store = type(
        "Store", (), {"rows": found.store.rows, "of": lambda _, i: (ids, logprobs) if i == 0 else found.store.of(i)}
    )()
    exact = [one.exact for one in gold_answers(plans, store) if one.example == 0]
    assert exact[0]


def test_comparison_equals_a_plain_computation(taught, teacher):
    plans, found = taught
    (example,) = sampled_examples(plans, 1)
    steps = []
    compared = compare(teacher, plans, found.store, [example], steps.append)
    ids, _ = plans.assemble(example)
    for one, row, (start, stop, depth) in zip(
        compared, found.store.rows.of(example), plans.answers(example).tolist(), strict=True
    ):
        gold = log_probs(teacher, row.ids, row.answer.start, row.answer.stop)
        whole = log_probs(teacher, ids, start, stop)
        target = torch.from_numpy(ids[start:stop])
        assert one.gold_nats == pytest.approx(-float(gold.gather(1, target[:, None]).mean()), abs=1e-4)
        assert one.whole_nats == pytest.approx(-float(whole.gather(1, target[:, None]).mean()), abs=1e-4)
        assert one.kl == pytest.approx(float((gold.exp() * (gold - whole)).sum(-1).mean()), abs=1e-4)
        assert one.gold_exact == bool((gold.argmax(-1) == target).all())
        assert one.depth == depth or (math.isnan(one.depth) and math.isnan(depth))
    assert steps == [1]


def test_only_long_contexts_are_sampled(taught):
    plans, _ = taught
    everything = sampled_examples(plans, 10_000)
    assert set(plans.part[everything].tolist()) == {0, 1} and len(everything) == np.isin(plans.part, [0, 1]).sum()
    assert len(sampled_examples(plans, 3)) == 3 and sampled_examples(plans, 3) == sampled_examples(plans, 3)
