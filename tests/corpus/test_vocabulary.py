"""Which bytes a vocabulary spells, from the JSON form of its backend."""

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from in2_plugin.corpus.vocabulary import read_vocabulary
from tests.support.synthetic_corpus import byte_tokenizer

SYMBOLS = {symbol: i for i, symbol in enumerate(pre_tokenizers.ByteLevel.alphabet())}
FALLBACK = {f"<0x{byte:02X}>": byte for byte in range(256)}


def spelled(model: models.Model, *found: pre_tokenizers.PreTokenizer) -> bytes:
    backend = Tokenizer(model)
    if found:
        backend.pre_tokenizer = pre_tokenizers.Sequence(list(found))
    return read_vocabulary(backend.to_str()).spelled_bytes


def test_all_bytes_of_a_byte_level_vocabulary():
    assert spelled(models.BPE(SYMBOLS, []), pre_tokenizers.ByteLevel()) == bytes(range(256))
    assert len(byte_tokenizer()._spelled_bytes) == 256


def test_bytes_without_a_token_are_left_out():
    # U+0120 is a space, U+00FF the byte 255
    some = {symbol: i for symbol, i in SYMBOLS.items() if symbol not in "\u0120\u00ff"}
    assert spelled(models.BPE(some, []), pre_tokenizers.ByteLevel()) == bytes(set(range(255)) - {32})


def test_byte_fallback_spells_everything_if_it_is_complete():
    assert spelled(models.BPE(FALLBACK, [], byte_fallback=True)) == bytes(range(256))
    assert spelled(models.BPE({k: v for k, v in FALLBACK.items() if v}, [], byte_fallback=True)) == b""


@pytest.mark.parametrize(
    ("model", "found"),
    [
        (models.Unigram([("a", 0.0)], unk_id=0, byte_fallback=False), []),
        (models.BPE(SYMBOLS, []), []),
        (models.BPE(SYMBOLS, []), [pre_tokenizers.Punctuation("removed"), pre_tokenizers.ByteLevel()]),
        (models.BPE(SYMBOLS, []), [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel()]),
        (models.BPE(SYMBOLS, [], continuing_subword_prefix="##"), [pre_tokenizers.ByteLevel()]),
    ],
    ids=["unigram", "no bytes", "removes text", "unknown pre-tokenizer", "prefix"],
)
def test_nothing_is_promised_for_others(model, found):
    assert spelled(model, *found) == b""
