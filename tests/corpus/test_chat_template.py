"""Chat templates render without transformers; test_fast_tokenizer.py compares the output with its renderer."""

import pytest
from jinja2 import TemplateError
from jinja2.exceptions import SecurityError

from in2_plugin.corpus.chat_template import render_template

MESSAGES = [{"role": "user", "content": "a <b> ü"}, {"role": "assistant", "content": "c"}]


def render(template: str, prompt: bool = False, **variables: object) -> str:
    return render_template(template, MESSAGES, prompt, variables)


def test_a_template_gets_messages_variables_and_the_prompt_flag():
    template = "{{ bos_token }}{{ messages[0].content }}{% if add_generation_prompt %}>{% endif %}{{ tools is none }}"
    assert render(template, True, bos_token="<s>") == "<s>a <b> ü>True"


def test_json_is_not_escaped_for_html():
    assert render("{{ messages[0] | tojson }}") == '{"role": "user", "content": "a <b> ü"}'
    assert render("{{ messages[0].content | tojson(ensure_ascii=true) }}") == '"a <b> \\u00fc"'


def test_generation_blocks_are_rendered_as_their_body():
    template = "{% for m in messages %}{% generation %}{{ m.content }}|{% endgeneration %}{% endfor %}"
    assert render(template) == "a <b> ü|c|"


def test_a_template_can_raise_an_error():
    with pytest.raises(TemplateError, match="no system role"):
        render("{{ raise_exception('no system role') }}")


def test_a_template_is_sandboxed():
    with pytest.raises(SecurityError):
        render("{{ messages.append(1) }}")
