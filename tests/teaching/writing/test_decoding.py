"""Answers are those of each prompt alone, whatever the batch and whatever the model's own generation settings."""

import numpy as np
import pytest
import torch
from transformers import GenerationConfig

from in2_plugin.errors import ConfigError
from in2_plugin.teaching.writing.decoding import AnswerDecoding, AnsweringTeacher
from tests.support.taught import WINDOW, teacher_folder

NEW = 6


@pytest.fixture(scope="module")
def teacher():
    return AnsweringTeacher.load(str(teacher_folder()), "float32")


@pytest.fixture(scope="module")
def prompts():
    rng = np.random.default_rng(0)
    return [rng.integers(3, 2_000, n).astype(np.uint32) for n in rng.integers(8, 60, 7)]


def likeliest(teacher, prompt, n):
    ids = prompt.astype(np.int64).tolist()
    for _ in range(n):
        with torch.no_grad():
            ids.append(int(teacher._model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[len(prompt) :]


@pytest.mark.parametrize("most", [1, 10_000])
def test_greedy_answers_are_the_likeliest_tokens_of_each_prompt_alone(teacher, prompts, monkeypatch, most):
    monkeypatch.setattr(teacher, "_batch_tokens", most)
    own = GenerationConfig(eos_token_id=2, do_sample=True, repetition_penalty=5.0)
    monkeypatch.setattr(teacher._model, "generation_config", own)
    steps = []
    found = teacher.write(prompts, 2, AnswerDecoding(NEW), 0, steps.append)
    assert [one.ids for one in found] == [likeliest(teacher, prompt, NEW) for prompt in prompts]
    assert not any(one.has_end for one in found) and sum(steps) == len(prompts)


def test_an_answer_ends_before_the_first_end_of_turn_token(teacher, prompts):
    expected = likeliest(teacher, prompts[0], NEW)
    end = expected[2]
    (found,) = teacher.write(prompts[:1], end, AnswerDecoding(NEW), 0)
    assert found.has_end and found.ids == expected[: expected.index(end)]


def test_samples_depend_on_the_seed_alone(teacher, prompts):
    def sampled(seed):
        return [one.ids for one in teacher.write(prompts, 2, AnswerDecoding(NEW, temperature=1.0), seed)]

    assert sampled(1) == sampled(1) != sampled(2)


def test_a_prompt_without_room_for_its_answer_is_refused(teacher):
    with pytest.raises(ConfigError, match="reads at most 2,048 tokens, and a question has 2,046 with its gold"):
        teacher.write([np.full(WINDOW - 2, 5, np.uint32)], 2, AnswerDecoding(NEW), 0)


def test_several_samples_need_a_temperature():
    with pytest.raises(ConfigError, match="--samples 3: without a temperature"):
        AnswerDecoding(samples=3).require_possible()
    AnswerDecoding(samples=3, temperature=0.5).require_possible()
