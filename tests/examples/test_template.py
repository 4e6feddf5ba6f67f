"""For each chat template, exactly the answer and its end-of-turn token are supervised."""

import pickle

import pytest
from transformers import AutoTokenizer

from in2_plugin.corpus.tokenizer import ModelTokenizer
from in2_plugin.errors import TokenizerError
from in2_plugin.examples.template import Template
from in2_plugin.prompt_text import BEFORE_CONTEXT, BEFORE_INSTRUCTION, BEFORE_QUESTION
from tests.support import vocabularies

INSTRUCTION = f"{BEFORE_CONTEXT}{{context}}{BEFORE_QUESTION}{{question}}"
THREE = [("What is one?", "It is one."), ("And two?", "Two, they say."), ("Three?", "Three.")]


def conversation(opening, turns):
    said = [(opening, turns[0][1]), *turns[1:]]
    return [
        message
        for question, answer in said
        for message in ({"role": "user", "content": question}, {"role": "assistant", "content": answer})
    ]


@pytest.mark.parametrize("turns", [THREE[:1], THREE[:2], THREE], ids=["one turn", "two turns", "three turns"])
@pytest.mark.parametrize("context", ["One.\nTwo.", None], ids=["context", "no context"])
def test_text_equals_the_output_of_the_models_template(model, turns, context):
    name, pretrained, _, _ = model
    template = Template("chat", ModelTokenizer(pretrained))
    opening = INSTRUCTION.format(context=context, question=turns[0][0]) if context else BEFORE_INSTRUCTION + turns[0][0]
    messages = conversation(opening, turns)
    assert template.messages(context, turns) == messages
    assert template.text(context, turns) == pretrained.apply_chat_template(messages, tokenize=False), name


def test_a_prompt_is_a_prefix_of_the_training_text(model):
    """The prompt at inference equals the text before the answer in training."""
    name, pretrained, _, _ = model
    template = Template("chat", ModelTokenizer(pretrained))
    question = INSTRUCTION.format(context="C.", question="Q?")
    prompt = pretrained.apply_chat_template(
        [{"role": "user", "content": question}], tokenize=False, add_generation_prompt=True, enable_thinking=False
    )
    (texts,) = template.frame(1, True).turns
    assert template.text("C.", [("Q?", "ANSWER")]) == prompt + texts.lead + "ANSWER" + texts.end + texts.after, name
    assert texts.lead == (" " if name.startswith("mistral") else "")


def test_only_answers_and_their_end_of_turn_are_supervised(model):
    _, pretrained, end, tail = model
    template = Template("chat", ModelTokenizer(pretrained))
    frame = template.frame(3, True)
    text, answers = frame.after_context(THREE)
    for (start, stop), (_, answer), texts in zip(answers, THREE, frame.turns, strict=True):
        assert text[start:stop] == texts.lead + answer + end
        assert texts.lead.strip() == ""
    assert (frame.turns[-1].end, frame.turns[-1].after) == (end, tail)


def test_a_pickled_template_keeps_its_frames(model):
    _, pretrained, _, _ = model
    template = Template("chat", ModelTokenizer(pretrained))
    expected = template.text("C.", THREE)
    assert pickle.loads(pickle.dumps(template)).text("C.", THREE) == expected


def test_film_template_is_literal(mistral):
    template = Template("film", mistral)
    assert template.text("C", [("Q", "A")]) == (
        "<s>[INST] Below is a context and an instruction. Based on the information provided in the context, "
        "write a response for the instruction.\n\n### Context:\nC\n\n### Instruction:\nQ [/INST] A</s>"
    )
    assert template.text(None, [("Q", "A"), ("R", "B")]) == (
        "<s>[INST] Below is a user instruction. Write a response for the instruction.\n\n### Instruction:\n"
        "Q [/INST] A</s>[INST] R [/INST] B</s>"
    )


def with_template(tmp_path, chat_template, **settings) -> ModelTokenizer:
    folder = vocabularies.save(vocabularies.mistral(), tmp_path, chat_template, **settings)
    return ModelTokenizer(AutoTokenizer.from_pretrained(folder))


@pytest.mark.parametrize(
    ("chat_template", "expected"),
    [
        (None, "has no chat template"),
        ("{{ raise_exception('only system turns') }}", "fails on a user and an assistant turn"),
        ("{% for m in messages %}{{ m['content'] | upper }}</s>{% endfor %}", "alters the text of a message"),
        ("{% for m in messages %}{{ m['content'] }}\n{% endfor %}", "no end-of-turn token"),
    ],
)
def test_unusable_templates_are_refused(tmp_path, chat_template, expected):
    tokenizer = with_template(tmp_path, chat_template, bos_token="<s>", eos_token="</s>")
    with pytest.raises(TokenizerError, match=expected) as caught:
        Template("chat", tokenizer)
    assert "template: film" in str(caught.value) or "fails on" in str(caught.value)


def test_a_template_with_another_end_after_earlier_answers_renders_one_turn_alone(tmp_path):
    """It separates messages with one token, and writes the end of the sequence only after the last message."""
    each = "{{ bos_token }}{% for m in messages %}<unk>{{ m['role'] }}\n{{ m['content'] }}{% endfor %}"
    end = "{% if add_generation_prompt %}<unk>assistant\n{% else %}{{ eos_token }}{% endif %}"
    template = Template("chat", with_template(tmp_path, each + end, bos_token="<s>", eos_token="</s>"))
    assert template.frame(1, False).turns[0].end == "</s>"
    for has_context in (True, False):
        with pytest.raises(TokenizerError, match=r"ends the last answer with '</s>' and an earlier one with '<unk>'"):
            template.frame(2, has_context)


def test_mistrals_chat_template_gives_films_literal_form(mistral):
    for n, has_context in ((1, True), (1, False), (3, True)):
        assert Template("chat", mistral).frame(n, has_context) == Template("film", mistral).frame(n, has_context)


def test_fingerprints_differ_between_templates(mistral, qwen):
    assert Template("chat", mistral).fingerprint() != Template("chat", qwen).fingerprint()
