"""Read what only the JSON form of a `tokenizers` backend tells about its vocabulary.

Results are kept, because a build asks several times. Cost: 0.1 s to parse 50,000 entries, twice that for a fingerprint.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

# The parts of tokenizer.json that decide the ids of plain text. Padding and truncation are run-time state, and trainers
# add tokens, such as a padding token, that do not occur in text.
_PARTS_THAT_COUNT = ("model", "normalizer", "pre_tokenizer")
_KEEPS_TEXT = {"ByteLevel", "Digits", "Metaspace", "Punctuation", "Split"}
"""Pre-tokenizers that drop nothing, unless their behavior is "Removed"."""
_VISIBLE_BYTES = {*range(33, 127), *range(161, 173), *range(174, 256)}
"""Bytes that byte-level vocabularies write as the character of that number (openai/gpt-2, `src/encoder.py`)."""


class Vocabulary(NamedTuple):
    """How a vocabulary spells text."""

    unknown_token: str | None
    unknown_id: int | None
    spelled_bytes: bytes
    """Bytes that have a token, for byte pairs that spell unknown text byte by byte; else none. A normalized text of
    these bytes alone, without added tokens, gets a token for each of its characters."""


@lru_cache(maxsize=2)
def read_vocabulary(backend: str) -> Vocabulary:
    """Return the vocabulary of the JSON form of a backend."""
    whole = json.loads(backend)
    model = whole["model"]
    return Vocabulary(model.get("unk_token"), model.get("unk_id"), _spelled_bytes(model, whole.get("pre_tokenizer")))


@lru_cache(maxsize=2)
def fingerprint(backend: str) -> str:
    """Return sixteen hex digits that change if plain text gets other ids."""
    whole = json.loads(backend)
    parts = json.dumps([whole.get(part) for part in _PARTS_THAT_COUNT], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _spelled_bytes(model: Mapping[str, Any], pre_tokenizer: Mapping[str, Any] | None) -> bytes:
    pre_tokenizers = pre_tokenizer.get("pretokenizers", [pre_tokenizer]) if pre_tokenizer else []
    has_affixes = bool(model.get("continuing_subword_prefix") or model.get("end_of_word_suffix"))
    if model.get("type") != "BPE" or has_affixes or not all(map(_keeps_text, pre_tokenizers)):
        return b""
    if any(each["type"] == "ByteLevel" for each in pre_tokenizers):
        return bytes(sorted(byte for byte, symbol in _byte_symbols().items() if symbol in model["vocab"]))
    if model.get("byte_fallback") and all(f"<0x{byte:02X}>" in model["vocab"] for byte in range(256)):
        return bytes(range(256))
    return b""


def _keeps_text(pre_tokenizer: Mapping[str, Any]) -> bool:
    return pre_tokenizer["type"] in _KEEPS_TEXT and pre_tokenizer.get("behavior") != "Removed"


def _byte_symbols() -> dict[int, str]:
    """Return the character that byte-level vocabularies write for each byte."""
    others = [byte for byte in range(256) if byte not in _VISIBLE_BYTES]
    return {byte: chr(byte) for byte in _VISIBLE_BYTES} | {byte: chr(256 + n) for n, byte in enumerate(others)}
