"""Prompts have the context and one question, and their columns name the gold that is in them."""

import math
import pickle

import pytest

from in2_plugin.dataset.plans import depth_of
from in2_plugin.dataset.prompts import COLUMNS, QuestionPrompts
from in2_plugin.errors import ConfigError
from in2_plugin.prompt_text import BEFORE_CONTEXT, BEFORE_QUESTION, CITING
from tests.sharing.conftest import cached


@pytest.fixture(scope="module")
def chat(mistral_folder):
    return cached("chat", mistral_folder)


@pytest.fixture(scope="module")
def chatml(qwen_folder):
    return cached("chatml", qwen_folder)


@pytest.fixture(params=["chat", "chatml"])
def shared(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(params=[False, True], ids=["plain", "numbered"])
def prompts(request, shared):
    return QuestionPrompts.open(shared.folder, shared.tokenizer, number_segments=request.param)


def test_every_question_about_a_context_is_a_prompt(prompts, shared):
    made = [list(prompts.each(row)) for row in shared.dataset.rows()]
    assert [len(one) for one in made] == prompts.counts.tolist()
    for row, ones in zip(shared.dataset.rows(), made, strict=True):
        assert bool(ones) == (row["part"] != "general")
        for one, turn in zip(ones, row["turns"], strict=bool(ones)):
            assert tuple(one) == COLUMNS
            assert (one["answer"], one["kind"]) == (turn["answer"], turn["kind"])
            depth = depth_of(row, turn)
            assert one["depth"] == depth or (one["depth"] is None and math.isnan(depth))


def test_the_message_is_the_context_and_the_question_alone(prompts, shared):
    for row in shared.dataset.rows():
        texts = shared.dataset.store.texts(row["segment_ids"])
        for one, turn in zip(prompts.each(row), row["turns"], strict=False):
            context, end = "\n".join(texts), turn["question"]
            if prompts.number_segments:
                context = "\n".join(f"[{n}] {text}" for n, text in enumerate(texts, 1))
                end += CITING
            expected = f"{BEFORE_CONTEXT}{context}{BEFORE_QUESTION}{end}"
            assert one["prompt"] == [{"role": "user", "content": expected}]


def test_gold_ids_are_the_numbers_that_the_prompt_shows(shared):
    prompts = QuestionPrompts.open(shared.folder, shared.tokenizer, number_segments=True)
    for row in shared.dataset.rows():
        texts = shared.dataset.store.texts(row["segment_ids"])
        for one, turn in zip(prompts.each(row), row["turns"], strict=False):
            gold = shared.dataset.store.texts([span["segment_id"] for span in turn["gold"]])
            shown = {number: texts[number - 1] for number in one["gold_ids"]}
            assert set(shown.values()) == set(gold)
            assert all(f"[{number}] {text}" in one["prompt"][0]["content"] for number, text in shown.items())
            assert one["gold_ids"] == sorted(set(one["gold_ids"]))


def test_prompt_tokens_are_those_of_the_trainer(prompts, shared):
    pretrained = shared.pretrained()
    for row in shared.dataset.rows():
        for one in prompts.each(row):
            ids = pretrained.apply_chat_template(one["prompt"], add_generation_prompt=True, return_dict=False)
            assert one["prompt_tokens"] == len(ids)
            assert prompts.shortest(row["segment_ids"]) <= len(ids)
            assert len(ids) <= prompts.longest(row["segment_ids"], row["n_tokens"])


def test_a_worker_makes_the_same_prompts(prompts, shared):
    row = next(shared.dataset.rows())
    assert list(pickle.loads(pickle.dumps(prompts)).each(row)) == list(prompts.each(row))


def test_films_form_is_refused(mistral_folder):
    film = cached("film", mistral_folder, template="film")
    with pytest.raises(ConfigError, match=r"`template: film`.*build the dataset with `template: chat`"):
        QuestionPrompts.open(film.folder, film.tokenizer)
