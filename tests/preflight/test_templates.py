"""Chat templates whose prompts differ from the trained conversation."""

from types import SimpleNamespace

from transformers import AutoTokenizer

from in2_plugin.preflight.run import preflight
from in2_plugin.preflight.templates import template_error

DIFFERENT_PROMPT = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<assistant><think>{% endif %}"
)


def error_of(folder, template: str) -> str | None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = template
    return template_error(SimpleNamespace(chat_template_kwargs=None), SimpleNamespace(type="in2"), tokenizer)


def test_template_that_continues_its_prompt_is_valid(mistral_folder):
    tokenizer = AutoTokenizer.from_pretrained(mistral_folder)
    assert error_of(mistral_folder, tokenizer.chat_template) is None


def test_error_of_a_template_is_one_sentence(mistral_folder):
    assert "a prompt ends with '<think>'" in error_of(mistral_folder, DIFFERENT_PROMPT)
    message = error_of(mistral_folder, "{{ raise_exception('no\n\nroles') }}")
    assert message.startswith("cannot render a question and an answer: no roles")


def test_template_with_a_prompt_that_training_never_sees(axolotl_file, chats):
    entry = {
        "path": str(chats),
        "type": "chat_template",
        "chat_template": "jinja",
        "chat_template_jinja": DIFFERENT_PROMPT,
    }
    report = preflight(axolotl_file(datasets=[entry], plugins=None), gpus=1, rows=5)
    (finding,) = [finding for finding in report.findings if "chat template" in finding.where]
    assert finding.level == "warning"
    assert "ends with '<think>' where the trained conversation continues with '@@in2-answer@@</s>'" in finding.what
