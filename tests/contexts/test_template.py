"""For each chat template: what is supervised is exactly the answer and its end-of-turn token."""

import pytest
import tokenizers_for_tests as vocabularies
from transformers import AutoTokenizer

from in2_plugin.contexts.template import INSTRUCTION, make_template
from in2_plugin.corpus.tokenizer import ModelTokenizer
from in2_plugin.errors import TokenizerError


def test_text_is_what_the_models_template_gives(model):
    name, pretrained, _, _ = model
    template = make_template("chat", ModelTokenizer(pretrained))
    turns = [
        {"role": "user", "content": INSTRUCTION.format(context="One.\nTwo.", question="What is one?")},
        {"role": "assistant", "content": "It is one."},
    ]
    expected = pretrained.apply_chat_template(turns, tokenize=False)
    assert template.text("One.\nTwo.", "What is one?", "It is one.") == expected, name


def test_a_prompt_begins_like_the_training_text(model):
    """What the model sees at inference is what stands before the answer in training."""
    name, pretrained, _, _ = model
    template = make_template("chat", ModelTokenizer(pretrained))
    question = INSTRUCTION.format(context="C.", question="Q?")
    prompt = pretrained.apply_chat_template(
        [{"role": "user", "content": question}], tokenize=False, add_generation_prompt=True, enable_thinking=False
    )
    assert template.text("C.", "Q?", "ANSWER") == prompt + template.lead + "ANSWER" + template.end + template.tail, name
    assert template.lead == (" " if name.startswith("mistral") else "")


def test_end_and_tail(model):
    _, pretrained, end, tail = model
    template = make_template("chat", ModelTokenizer(pretrained))
    assert (template.end, template.tail) == (end, tail)


def test_film_template_is_literal(mistral):
    template = make_template("film", mistral)
    assert template.text("C", "Q", "A") == (
        "<s>[INST] Below is a context and an instruction. Based on the information provided in the context, "
        "write a response for the instruction.\n\n### Context:\nC\n\n### Instruction:\nQ [/INST] A</s>"
    )


def with_template(tmp_path, chat_template, **settings) -> ModelTokenizer:
    folder = vocabularies.save(vocabularies.mistral(), tmp_path, chat_template, **settings)
    return ModelTokenizer(AutoTokenizer.from_pretrained(folder))


@pytest.mark.parametrize(
    ("chat_template", "expected"),
    [
        (None, "has no chat template"),
        ("{{ raise_exception('only system turns') }}", "fails on a user and an assistant turn"),
        ("{% for m in messages %}{{ m['content'] | upper }}</s>{% endfor %}", "does not show"),
        ("{% for m in messages %}{{ m['content'] }}\n{% endfor %}", "no end-of-turn token"),
    ],
)
def test_templates_that_cannot_be_used(tmp_path, chat_template, expected):
    tokenizer = with_template(tmp_path, chat_template, bos_token="<s>", eos_token="</s>")
    with pytest.raises(TokenizerError, match=expected) as caught:
        make_template("chat", tokenizer)
    assert "template: film" in str(caught.value) or "fails on" in str(caught.value)


def test_mistrals_chat_template_around_films_text_is_films_literal_form(mistral):
    assert make_template("chat", mistral) == make_template("film", mistral)


def test_fingerprints_differ_between_templates(mistral, qwen):
    assert make_template("chat", mistral).fingerprint() != make_template("chat", qwen).fingerprint()
