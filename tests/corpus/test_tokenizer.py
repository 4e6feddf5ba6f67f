import unicodedata

import numpy as np
import pytest
from tokenizers import AddedToken, Tokenizer, models, normalizers
from transformers import AutoTokenizer

from in2_plugin.corpus.tokenizer import ModelTokenizer, TextTokenizer, load_tokenizer
from in2_plugin.errors import TokenizerError
from tests.support import vocabularies


def test_ids_equal_those_of_sentencepiece():
    """Check that the vocabulary for tests gives the ids of the SentencePiece model that it is made from."""
    from importlib import resources

    import sentencepiece

    path = resources.files("mistral_common") / "data/tokenizer.model.v1"
    model = sentencepiece.SentencePieceProcessor(model_file=str(path))
    for text in ("Hello world.", "x\n  indented: déjà vu", "语言模型", "1,234.5 %"):
        assert vocabularies.mistral().encode(text, add_special_tokens=False).ids == model.encode(text)


def test_counts_ids_and_offsets_agree(mistral):
    text = "A context, a question."
    encoding = mistral.encode(text)
    assert mistral.ids([text]) == [encoding.ids]
    assert mistral.count([text, ""]) == [len(encoding.ids), 0]
    assert encoding.offsets[-1][1] == len(text)


def test_special_tokens_are_not_added_and_are_detected_in_text(mistral):
    assert mistral.ids(["</s>"]) == [[2]]
    assert mistral.has_special_token("an </s> inside")
    assert not mistral.has_special_token("a </ s> outside")


def test_added_tokens_include_special_and_other_tokens(mistral_folder):
    more = AutoTokenizer.from_pretrained(mistral_folder)
    more.add_tokens(["<tool>"])
    tokenizer = ModelTokenizer(more)
    assert [tokenizer.has_added_token(text) for text in ("a<tool>b", "</s>", "tool")] == [True, True, False]
    assert not tokenizer.has_special_token("a<tool>b")


def test_the_wrapped_tokenizer_is_not_changed(mistral_folder):
    pretrained = AutoTokenizer.from_pretrained(mistral_folder)
    pretrained(["a b c d"], truncation=True, max_length=2)
    assert len(ModelTokenizer(pretrained).ids(["a b c d"])[0]) == 4
    assert pretrained.backend_tokenizer.truncation is not None


@pytest.mark.parametrize(
    "model",
    [
        models.Unigram([("<unk>", 0.0), ("a", -1.0), ("b", -1.0)], unk_id=0, byte_fallback=False),
        models.BPE({"<unk>": 0, "a": 1, "b": 2}, [], unk_token="<unk>"),
        models.BPE({"a": 0, "b": 1}, []),  # drops what it cannot spell
    ],
    ids=["unigram", "unknown token", "no unknown token"],
)
def test_characters_without_a_token_are_noticed(model):
    tokenizer = TextTokenizer("t", Tokenizer(model), "", "")
    assert [tokenizer.can_spell(text) for text in ("ab", "acb", "abc", "cab", "")] == [True, False, False, False, True]


def test_normalized_and_byte_level_text_can_be_spelled(mistral, qwen):
    composed = TextTokenizer("t", Tokenizer(models.BPE({"é": 0, "한": 1, "국": 2}, [])), "", "")
    composed._backend.normalizer = normalizers.NFC()
    assert composed.can_spell(unicodedata.normalize("NFD", "é한국"))
    assert mistral.can_spell("é 한국 \n\t x") and qwen.can_spell("é 한국 \n\t x")


ODD = ("a b", "\n\t", "é한국", "e\u0301", "語", "\x00", "\u200d", "𝔘", "a</s>", "<unk>", "\U0010ffff", "")


@pytest.mark.parametrize("text", [one + other for one in ODD for other in ODD])
def test_known_bytes_are_spelled_as_a_look_at_the_tokens_finds(mistral, qwen, monkeypatch, text):
    for tokenizer in (mistral, qwen):
        found = tokenizer.can_spell(text)
        monkeypatch.setattr(tokenizer, "_spelled_bytes", b"")
        assert tokenizer.can_spell(text) == found
        monkeypatch.undo()


def test_text_has_no_more_tokens_than_bytes(mistral, qwen):
    for tokenizer in (mistral, qwen):
        assert all(len(tokenizer.encode(text)) <= tokenizer.n_bytes(text) for text in ODD)


def test_only_tokens_that_leave_their_neighbours_alone_separate(mistral):
    assert mistral.separator_at_end(" [/INST]</s>") == "</s>"
    assert mistral.separator_at_end("</s> ") == ""
    tokens = [AddedToken("<l>", lstrip=True), AddedToken("<r>", rstrip=True), AddedToken("<w>", single_word=True),
              AddedToken("<n>", normalized=True), AddedToken("<ok>", normalized=False)]  # fmt: skip
    backend = Tokenizer(models.BPE({"a": 0}, []))
    backend.normalizer = normalizers.NFC()
    backend.add_tokens(tokens)
    tokenizer = TextTokenizer("t", backend, "", "")
    assert [tokenizer.separator_at_end(f"a{t.content}") for t in tokens] == ["", "", "", "", "<ok>"]


def test_small_vocabularies_take_two_bytes_per_id(mistral, qwen):
    assert mistral.id_type == qwen.id_type == np.dtype(np.uint16)


def test_the_fingerprint_ignores_added_tokens(mistral, qwen, mistral_folder):
    again = AutoTokenizer.from_pretrained(mistral_folder)
    again.add_tokens(["<extra>"])
    assert ModelTokenizer(again).fingerprint() == mistral.fingerprint() != qwen.fingerprint()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("/no/such/folder", "there is no such folder"),
        ("./none", "there is no such folder"),
        ("no one/at all", "cannot be loaded"),
    ],
)
def test_a_missing_tokenizer_is_a_one_line_error(name, expected):
    with pytest.raises(TokenizerError) as caught:
        load_tokenizer(name)
    message = str(caught.value)
    assert expected in message and name in message and "\n" not in message and "give the folder or hub name" in message


def test_a_folder_without_a_tokenizer_is_an_error(tmp_path):
    with pytest.raises(TokenizerError, match="cannot be loaded"):
        load_tokenizer(str(tmp_path))


def test_a_slow_tokenizer_is_an_error():
    class Slow:
        name_or_path = "old/model"
        is_fast = False

    with pytest.raises(TokenizerError, match=r"old/model: has no fast tokenizer.*add a tokenizer\.json"):
        ModelTokenizer(Slow())
