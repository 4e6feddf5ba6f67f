"""Texts that TRL trains on besides the answers are reported, and prompts that it would misplace are refused."""

import pytest

from in2_plugin.errors import TokenizerError
from in2_plugin.sharing.export import export_dataset
from in2_plugin.sharing.formats import Format
from in2_plugin.sharing.supervision import notes_for
from tests.support import vocabularies

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% if m['role'] == 'assistant' and loop.last %}<think>\n\n"
    "</think>\n\n{% endif %}{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\nPROMPT{% endif %}"
)


@pytest.fixture(scope="module")
def thinking(build_shared, tmp_path_factory, documents):
    """Build for a template that writes an empty block of thoughts before the last answer, as Qwen3's does; what a
    prompt ends with is given."""
    special = [*vocabularies.CHATML_TOKENS, "<think>", "</think>"]
    tokenizer = vocabularies.byte_level([d.text for d in documents[:60]], vocabularies.QWEN2_REGEX, special)

    def build(name: str, prompt: str):
        template = CHATML.replace("PROMPT", prompt)
        folder = vocabularies.save(tokenizer, tmp_path_factory.mktemp(name), template, eos_token="<|im_end|>")
        return build_shared(name, folder)

    return build


def test_thoughts_before_the_answer_are_reported(thinking, tmp_path):
    shared = thinking("thinking", "")
    *_, note = notes_for(shared.dataset, Format.PROMPT_COMPLETION, shared.tokenizer)
    assert note.startswith(r"TRL also trains on '<think>\n\n</think>\n\n', '\n', which the chat template adds to")
    assert export_dataset(shared.folder, Format.PROMPT_COMPLETION, tmp_path / "out").notes[-1] == note


def test_a_prompt_that_is_not_a_prefix_is_refused(thinking, tmp_path):
    shared = thinking("other-prompt", "Well, ")
    with pytest.raises(TokenizerError, match=r"renders a prompt differently from .*; export with `--to tokenized`"):
        export_dataset(shared.folder, Format.PROMPT_COMPLETION, tmp_path / "out")
    assert export_dataset(shared.folder, Format.TOKENIZED, tmp_path / "out").rows == len(shared.dataset)
