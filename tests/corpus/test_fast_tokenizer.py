"""A tokenizer read from its files equals the one that AutoTokenizer loads, for every supported kind."""

import json
from importlib import resources
from pathlib import Path

import pytest
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors
from transformers import AutoTokenizer
from transformers.models.auto import tokenization_auto

from in2_plugin.corpus import fast_tokenizer
from in2_plugin.corpus.fast_tokenizer import read_fast_tokenizer
from in2_plugin.corpus.tokenizer import LOADER, ModelTokenizer, load_tokenizer
from tests.support import vocabularies
from tests.support.vocabularies import CHATML_TOKENS, MODELS

TEXTS = [
    "",
    "Hello world.",
    "  two leading spaces, a\ttab and\r\n\r\nblank lines \n",
    "\n\nstarts with newlines",
    "déjà vu, de\u0301ja\u0300 vu; 1,234.5 % it's IT'S don't",
    "语言模型，日本語のテキスト。한국어 العربية हिन्दी",
    "👩‍👩‍👧‍👦 🇩🇪 👍🏽 zero\u200bwidth \u00a0 nbsp \ufeff bom",
    "controls \x00 \x07 \x1b[0m \x7f \u2028 \ufffd",
    "def f(x):\n    return x**2  # 12345678901234567890\n",
    "<s> </s><unk> <pad> [INST] x [/INST]<|im_start|>user\n<|im_end|><|endoftext|><|eot_id|> < s> <tool>a<tool><image>",
    "a</s>b <|im_start|>",
    "▁a ▁▁b Ġc",
]
CONVERSATIONS = [
    [("user", "What is it?")],
    [("user", " spaces "), ("assistant", "\nNewline and </s>")],
    [("system", "Be brief."), ("user", "a"), ("assistant", "b"), ("user", '<b>"quoted" & {{ braces }}</b>')],
]
EVERY_FEATURE = """{%- for m in messages -%}
    {%- if m.role == 'system' %}{% continue %}{% endif %}
    {{ bos_token }}{{ m | tojson }}{{ m | tojson(indent=2, sort_keys=true) }}{{ pad_token }} {{ image_token }}
    {% generation %}{{ m.content | trim }}{% endgeneration %}
    {{ eos_token }}{{ tools is none }}{{ strftime_now('%Y') }}
{%- endfor %}
{% if add_generation_prompt %}go{% endif %}"""
QWEN = {"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "bos_token": None}


def _save(
    folder: Path, tokenizer: Tokenizer, template: str | list | None = EVERY_FEATURE, model_type=None, **settings
) -> Path:
    vocabularies.save(tokenizer, folder, template, **settings)
    if model_type:
        (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
    return folder


def _chatml(documents, special=CHATML_TOKENS) -> Tokenizer:
    return vocabularies.byte_level([d.text for d in documents[:60]], vocabularies.QWEN2_REGEX, [*special], 1_500)


def _assert_equal(folder: Path) -> None:
    fast, expected = read_fast_tokenizer(folder, str(folder)), AutoTokenizer.from_pretrained(folder)
    assert fast is not None
    ours, theirs = ModelTokenizer(fast), ModelTokenizer(expected)
    for name in ("name", "bos", "eos", "id_type", "special_tokens"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert ours.fingerprint() == theirs.fingerprint()
    assert fast.special_tokens == expected.special_tokens_map
    assert fast.chat_template == expected.chat_template
    assert fast.backend_tokenizer.get_vocab(True) == expected.get_vocab()
    assert str(fast.backend_tokenizer.get_added_tokens_decoder()) == str(expected.added_tokens_decoder)
    _assert_same_ids(fast, expected, ours, theirs)
    _assert_same_renderings(fast, expected)


def _assert_same_ids(fast, expected, ours: ModelTokenizer, theirs: ModelTokenizer) -> None:
    texts = [*TEXTS, *(f"a{token} {token}b" for token in ours.special_tokens)]
    assert ours.ids(texts) == theirs.ids(texts)
    fast.backend_tokenizer.no_truncation()
    for text in texts:
        assert ours.encode(text).offsets == theirs.encode(text).offsets
        assert ours.encode(text).ids == expected(text, add_special_tokens=False)["input_ids"]
        assert fast.backend_tokenizer.encode(text).ids == expected(text)["input_ids"]
        assert ours.decode(ours.encode(text).ids) == theirs.decode(theirs.encode(text).ids)
        assert ours.has_added_token(text) == theirs.has_added_token(text)


def _assert_same_renderings(fast, expected) -> None:
    for conversation in CONVERSATIONS:
        messages = [{"role": role, "content": content} for role, content in conversation]
        for prompt in (False, True):
            assert _rendered(fast, messages, prompt) == _rendered(expected, messages, prompt)


def _rendered(tokenizer, messages, prompt: bool) -> str:
    try:
        return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt)
    except Exception as failure:
        return f"fails: {type(failure).__name__}"


def test_mistral_equals_autotokenizer(mistral_folder):
    _assert_equal(mistral_folder)


def test_qwen_equals_autotokenizer(qwen_folder):
    _assert_equal(qwen_folder)


@pytest.mark.parametrize("name", MODELS)
def test_axolotls_chat_templates_render_the_same(name, tmp_path, documents):
    regex, special, end, _ = MODELS[name]
    if regex is None:
        tokenizer, settings = vocabularies.mistral(), {"bos_token": "<s>", "eos_token": "</s>"}
    else:
        tokenizer = vocabularies.byte_level([d.text for d in documents[:60]], regex, special, 1_500)
        settings = {"bos_token": special[0], "eos_token": end}
    pytest.importorskip("axolotl")
    template = (resources.files("axolotl") / "utils/chat_templates/templates" / f"{name}.jinja").read_text()
    _assert_equal(_save(tmp_path, tokenizer, template, **settings))


FULL = pytest.mark.e2e_full
UNCHANGED = [
    pytest.param(model_type, kind, marks=() if model_type == "mistral" or kind == "LlamaTokenizer" else FULL)
    for model_type in ("mistral", "mixtral", "phi3", "granite")
    for kind in ("LlamaTokenizer", "LlamaTokenizerFast", "PreTrainedTokenizerFast")
]


@pytest.mark.parametrize(("model_type", "tokenizer_class"), UNCHANGED)
def test_some_model_types_use_the_file_unchanged(model_type, tokenizer_class, tmp_path):
    settings = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "add_bos_token": True}
    tokenizer = vocabularies.mistral()
    _assert_equal(_save(tmp_path, tokenizer, None, model_type, tokenizer_class=tokenizer_class, **settings))


@pytest.mark.parametrize("tokenizer_class", sorted(fast_tokenizer.LLAMA_CLASSES))
def test_deepseek_uses_a_byte_level_file_unchanged(tokenizer_class, tmp_path, documents):
    settings = {"tokenizer_class": tokenizer_class, "eos_token": "<|im_end|>"}
    _assert_equal(_save(tmp_path / "bytes", _chatml(documents), model_type="deepseek_v3", **settings))
    other = _save(tmp_path / "metaspace", vocabularies.mistral(), None, "deepseek_v3", tokenizer_class=tokenizer_class)
    assert read_fast_tokenizer(other, "x") is None, "newer versions of transformers convert it"


@pytest.mark.parametrize("model_type", ["llama", "gemma2", "", "a-new-architecture"])
def test_generic_classes_work_for_other_model_types(model_type, tmp_path, documents):
    folder = _save(tmp_path, _chatml(documents), model_type=model_type, eos_token="<|im_end|>")
    _assert_equal(folder)


@pytest.mark.parametrize("model_type", ["", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe"])
def test_qwen2_rebuilds_its_backend(model_type, tmp_path, documents):
    _assert_equal(_save(tmp_path, _chatml(documents), model_type=model_type, **QWEN))


def test_qwen2_ignores_the_pipeline_of_the_file(tmp_path, documents):
    """Give the file another id for the added token, and another normalizer and pre-tokenizer."""
    tokenizer = _chatml(documents, [])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.add_special_tokens(CHATML_TOKENS)
    tokenizer.add_tokens([AddedToken("<tool>", normalized=False), AddedToken("de\u0301", normalized=True)])
    _assert_equal(_save(tmp_path, tokenizer, tokenizer_class="Qwen2TokenizerFast"))


def test_tokens_declared_only_in_the_settings_are_added(tmp_path, documents):
    extra = {"additional_special_tokens": ["<image>", "<|im_start|>"], "image_token": "<image-1>"}
    settings = {"bos_token": {"__type": "AddedToken", "content": "<s>", "lstrip": True}, "pad_token": "<pad>", **extra}
    _assert_equal(_save(tmp_path / "generic", _chatml(documents), **settings))
    named = {"extra_special_tokens": {"image_token": "<image>", "video_token": "<video>"}}
    _assert_equal(_save(tmp_path / "qwen", _chatml(documents), **QWEN, **named))


def test_the_settings_control_how_added_tokens_match(tmp_path, documents):
    tokenizer = _chatml(documents)
    n = tokenizer.get_vocab_size()
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    added = {str(i): {**plain, "content": token} for i, token in enumerate(CHATML_TOKENS)}
    added[str(n)] = {**plain, "content": "<tool>", "lstrip": True, "rstrip": True, "special": False}
    added[str(n + 7)] = {**plain, "content": "<gap>"}
    _assert_equal(_save(tmp_path / "a", tokenizer, eos_token="<tool>", added_tokens_decoder=added))
    _assert_equal(_save(tmp_path / "b", tokenizer, added_tokens_decoder=added, **QWEN))


def test_truncation_padding_and_post_processor_in_the_file_are_handled(tmp_path, documents):
    tokenizer = _chatml(documents)
    tokenizer.enable_padding(pad_token="<|endoftext|>", pad_id=0)
    tokenizer.post_processor = processors.TemplateProcessing("<|endoftext|> $A", special_tokens=[("<|endoftext|>", 0)])
    _assert_equal(_save(tmp_path / "a", tokenizer, eos_token="<|im_end|>"))
    _assert_equal(_save(tmp_path / "b", tokenizer, **QWEN))


def test_the_special_tokens_map_of_an_old_folder_is_read(tmp_path, documents):
    folder = _save(tmp_path, _chatml(documents), eos_token="</s>")
    content = {"eos_token": {"content": "<|im_end|>", "lstrip": True, "normalized": True}, "unk_token": "<new>"}
    (folder / "special_tokens_map.json").write_text(json.dumps(content))
    _assert_equal(folder)


def test_a_folder_saved_by_transformers_is_read(qwen_folder, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(qwen_folder)
    tokenizer.add_special_tokens({"pad_token": "<pad>", "extra_special_tokens": ["<image>"]})
    tokenizer.add_tokens(["<tool>"])
    tokenizer.save_pretrained(tmp_path)
    _assert_equal(tmp_path)


def test_several_chat_templates_are_supported(tmp_path, documents):
    both = [{"name": "default", "template": "{{ messages }}"}, {"name": "tool_use", "template": "x"}]
    folder = _save(tmp_path / "list", _chatml(documents), both)
    _assert_equal(folder)
    (folder / "chat_template.jinja").write_text("file {{ messages[0].content }}\n")
    _assert_equal(folder)
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates/rag.jinja").write_text("rag")
    _assert_equal(folder)
    (folder / "chat_template.jinja").unlink()
    _assert_equal(folder)


def test_wordpiece_and_unigram_vocabularies_are_supported(tmp_path):
    words = Tokenizer(models.WordPiece({"[UNK]": 0, "hello": 1, "##s": 2, "a": 3}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    _assert_equal(_save(tmp_path / "wordpiece", words, unk_token="[UNK]"))
    pieces = Tokenizer(models.Unigram([("<unk>", 0.0), ("▁a", -1.0), ("b", -2.0)], unk_id=0))
    pieces.pre_tokenizer = pre_tokenizers.Metaspace()
    _assert_equal(_save(tmp_path / "unigram", pieces, unk_token="<unk>"))


@pytest.mark.parametrize(
    ("settings", "model_type"),
    [
        ({"tokenizer_class": "LlamaTokenizer"}, "llama"),
        ({"tokenizer_class": "GemmaTokenizerFast"}, "gemma2"),
        ({"tokenizer_class": "MyTokenizer"}, ""),
        ({"tokenizer_class": None}, "llama"),
        ({"auto_map": {"AutoTokenizer": ["a.A", "a.B"]}}, ""),
        ({"fix_mistral_regex": True}, "mistral"),
        ({}, "qwen2"),
        ({"tokenizer_class": "Qwen2Tokenizer", "add_prefix_space": True}, "qwen3"),
        ({"bos_token": {"content": "<s>"}}, ""),
    ],
)
def test_other_tokenizers_fall_back_to_transformers(settings, model_type, tmp_path, documents):
    folder = _save(tmp_path, _chatml(documents), None, model_type, **settings)
    assert read_fast_tokenizer(folder, "x") is None


@pytest.mark.parametrize("file", ["tekken.json", "added_tokens.json"])
def test_files_that_change_the_backend_fall_back_to_transformers(file, tmp_path, documents):
    folder = _save(tmp_path, _chatml(documents), None)
    assert read_fast_tokenizer(folder, "x")
    (folder / file).write_text("{}")
    assert read_fast_tokenizer(folder, "x") is None


@pytest.mark.parametrize("file", ["tokenizer.json", "tokenizer_config.json"])
def test_a_missing_file_falls_back_to_transformers(file, tmp_path, documents):
    folder = _save(tmp_path, _chatml(documents), None)
    (folder / file).unlink()
    assert read_fast_tokenizer(folder, "x") is None


def test_another_major_version_of_transformers_falls_back(mistral_folder, monkeypatch):
    monkeypatch.setattr(fast_tokenizer, "version", lambda package: "6.0.0")
    assert read_fast_tokenizer(mistral_folder, "x") is None


def test_a_fallback_is_loaded_by_transformers(tmp_path, monkeypatch):
    settings = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "tokenizer_class": "LlamaTokenizer"}
    folder = str(_save(tmp_path, vocabularies.mistral(), None, "llama", **settings))
    assert load_tokenizer(folder).fingerprint() == ModelTokenizer(AutoTokenizer.from_pretrained(folder)).fingerprint()


def test_an_environment_variable_forces_transformers(mistral_folder, monkeypatch):
    monkeypatch.setenv(LOADER, "transformers")
    monkeypatch.setattr("in2_plugin.corpus.tokenizer.read_fast_tokenizer", None)
    assert load_tokenizer(str(mistral_folder)).eos == "</s>"


def test_the_class_tables_match_the_installed_transformers():
    """A newer transformers may use its own class for more tokenizers; then the tables need an update."""
    registered = tokenization_auto.TOKENIZER_MAPPING_NAMES
    forced = tokenization_auto.MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS
    file_as_it_is = {"TokenizersBackend", "MistralCommonBackend"}
    rebuilt = {name for name in forced if registered[name] not in file_as_it_is}
    assert rebuilt <= fast_tokenizer.REBUILT_MODEL_TYPES
    assert {registered[name] for name in fast_tokenizer.QWEN2_MODEL_TYPES} == {"Qwen2Tokenizer"}
    own = {name for name in fast_tokenizer.GENERIC_MODEL_TYPES if registered.get(name) not in file_as_it_is}
    assert own == set()
