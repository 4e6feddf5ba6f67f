from types import SimpleNamespace

import pytest
from transformers import AutoTokenizer

from in2_plugin.errors import ModelError
from in2_plugin.models.gguf_tokenizer import ODD_TEXT, check_tokenizer, read_tokenizer
from tests.support.tiny_gguf import SPECIAL, WINDOW, write_gguf


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The tokenizer as other programs load it."""
    folder = tmp_path_factory.mktemp("tokenizer")
    read_tokenizer(write_gguf(folder / "tiny.gguf")).save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


@pytest.fixture
def config(saved):
    return SimpleNamespace(bos_token_id=1, eos_token_id=2, pad_token_id=2, vocab_size=len(saved))


def test_roles_window_and_template_are_those_of_the_file(saved):
    assert [saved.unk_token, saved.bos_token, saved.eos_token, saved.pad_token] == [*SPECIAL, "<|im_end|>"]
    assert saved.model_max_length == WINDOW
    turn = [{"role": "user", "content": "Hi"}]
    assert saved.apply_chat_template(turn, tokenize=False) == "<|im_start|>user\nHi<|im_end|>\n"


def test_text_survives_and_gets_no_token_at_its_start(saved):
    ids = saved(ODD_TEXT)["input_ids"]
    assert saved.decode(ids) == ODD_TEXT and ids[0] not in saved.all_special_ids


def test_digits_are_alone_before_merges(saved):
    """transformers' own reading of the file gives `Ċ Ċ 1` and `Ġ Ġ 12`."""
    assert saved.tokenize("\n\n1") == ["ĊĊ", "1"]
    assert saved.tokenize("  12") == ["ĠĠ", "1", "2"]


def test_the_check_accepts_it_and_names_what_differs(saved, config):
    check_tokenizer(saved, config)
    config.eos_token_id, config.vocab_size = 1, 300
    with pytest.raises(ModelError, match=r"eos is '<\|im_end\|>'; 262 tokens, and 300 in the model"):
        check_tokenizer(saved, config)


def test_an_unknown_rule_is_an_error(tmp_path):
    with pytest.raises(ModelError, match=r"tiny\.gguf: cannot read a tokenizer of kind 'gpt2' with rule 'unheard'"):
        read_tokenizer(write_gguf(tmp_path / "tiny.gguf", rule="unheard"))
