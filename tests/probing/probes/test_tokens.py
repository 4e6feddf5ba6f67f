"""Token counts of prompts as the model receives them."""

import pytest
from transformers import AutoTokenizer

from in2_plugin.errors import TokenizerError
from in2_plugin.probing.probes.tokens import CountedOnce, ModelTokens, load_tokens, tokenizer_name


def test_the_longer_form_is_counted(mistral_folder, qwen_folder):
    for folder in (mistral_folder, qwen_folder):
        tokenizer = AutoTokenizer.from_pretrained(folder)
        plain, chat = ModelTokens(tokenizer, False).prompt("Where is it?"), ModelTokens(tokenizer, True)
        rendered = tokenizer.apply_chat_template(
            [{"role": "user", "content": "Where is it?"}], tokenize=False, add_generation_prompt=True
        )
        assert chat.prompt("Where is it?") == len(tokenizer(rendered)["input_ids"]) > plain


@pytest.mark.parametrize("given", [{"enable_thinking": False}, {"chat_template_args": {"enable_thinking": False}}])
def test_template_arguments_are_counted(qwen_folder, given, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(qwen_folder)
    block = "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}"
    tokenizer.chat_template += block
    tokenizer.save_pretrained(tmp_path)
    usual = load_tokens({"pretrained": str(tmp_path)}, takes_chat_template=True).prompt("Where is it?")
    more = load_tokens({"pretrained": str(tmp_path), **given}, takes_chat_template=True).prompt("Where is it?")
    assert more == usual + len(tokenizer.tokenize("<think>\n\n</think>\n\n"))
    on = load_tokens({"pretrained": str(tmp_path), "enable_thinking": True}, takes_chat_template=True)
    assert on.prompt("Where is it?") == usual


def test_single_texts_get_no_special_tokens(mistral_folder):
    tokens = load_tokens({"pretrained": str(mistral_folder)}, takes_chat_template=True)
    tokenizer = AutoTokenizer.from_pretrained(mistral_folder)
    assert tokens.each(["one", "one two"]) == [len(tokenizer.tokenize(text)) for text in ("one", "one two")]


def test_a_failing_template_is_reported(mistral_folder):
    tokenizer = AutoTokenizer.from_pretrained(mistral_folder)
    tokenizer.chat_template = "{{ raise_exception('no user turns') }}"
    with pytest.raises(TokenizerError, match=r"its chat template fails on one user turn: no user turns"):
        ModelTokens(tokenizer, True).prompt("x")
    assert ModelTokens(tokenizer, False).prompt("x") > 0


def test_the_tokenizer_is_that_of_the_backend():
    assert tokenizer_name({"pretrained": "a", "tokenizer": "b", "model": "c"}) == "b"
    assert tokenizer_name({"pretrained": "a", "model": "c"}) == "c"
    assert tokenizer_name({"pretrained": "a", "tokenizer": None}) == "a"
    assert tokenizer_name({}) is None


def test_unknown_and_broken_tokenizers_are_reported(tmp_path):
    with pytest.raises(TokenizerError, match="no tokenizer is known; set `pretrained=`"):
        load_tokens({}, True)
    with pytest.raises(TokenizerError, match=rf"tokenizer `{tmp_path}` cannot be loaded .*set `tokenizer=FOLDER"):
        load_tokens({"model": str(tmp_path)}, True)


def test_a_prompt_is_counted_once():
    class Counter:
        calls = 0

        def each(self, texts):
            return [len(text) for text in texts]

        def prompt(self, text):
            self.calls += 1
            return len(text)

    counter = Counter()
    once = CountedOnce(counter)
    assert [once.prompt("one"), once.prompt("one"), once.prompt("three")] == [3, 3, 5] and counter.calls == 2
    assert once.each(["a", "bb"]) == [1, 2]
