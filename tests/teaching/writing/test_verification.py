"""A written answer is verified only if it is finished, can be rendered, and contains the stored one."""

import pytest

from in2_plugin.corpus.tokenizer import load_tokenizer
from in2_plugin.examples.template import Template
from in2_plugin.teaching.writing.decoding import WrittenTokens
from in2_plugin.teaching.writing.verification import AnswerVerifier, says_the_same
from tests.support.taught import teacher_folder


@pytest.fixture(scope="module")
def check():
    tokenizer = load_tokenizer(str(teacher_folder()))
    verifier = AnswerVerifier(tokenizer, Template("chat", tokenizer))

    def check(text, *, prompt="[INST] Who? [/INST]", has_end=True, stored="the red fox"):
        (prompt_ids,), (ids,) = tokenizer.ids([prompt]), tokenizer.ids([text])
        return verifier.check(prompt_ids, WrittenTokens(ids, has_end), stored)

    return check


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("It is The Red  Fox, of course.", "verified"),
        ("the red foxes", "unverified"),
        ("red fox", "unverified"),
        (" \n", "empty"),
        ("<think>the red fox</think> a dog", "unverified"),
        ("<think>a dog</think> the red fox", "verified"),
        ("<think>the red fox", "empty"),
        ("the red fox <s>", "unusable"),
        ("the red fox \ufffd", "unusable"),
    ],
)
def test_outcomes(check, text, outcome):
    assert check(text).outcome == outcome


def test_an_answer_without_an_end_is_truncated_and_its_text_is_kept(check):
    found = check(" the red fox", has_end=False)
    assert found.outcome == "truncated" and found.text == "the red fox" and found.n_tokens > 2


def test_a_prompt_may_open_a_thought(check):
    prompt = "[INST] Who? [/INST]<think>\n"
    assert check("the red fox", prompt=prompt).outcome == "empty"
    assert check("A dog?</think> the red fox", prompt=prompt).text == "the red fox"


def test_the_same_in_other_case_and_punctuation():
    assert says_the_same("The red fox.", "the  red fox") and not says_the_same("A red fox", "the red fox")
