"""The tokenizer of the model to be trained, as every room uses it: counts, ids with offsets, chat template.

Loaded with AutoTokenizer, because that is what Axolotl, TRL and lm_eval will load; encoding goes straight to the
`tokenizers` backend, without special tokens added and without truncation. Invariant: nothing here changes the
tokenizer it was given. Cost: importing transformers takes seconds, so it happens in `load_tokenizer` only.
"""

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Encoding, Tokenizer

from in2_plugin.errors import TokenizerError

# The parts of tokenizer.json that decide the ids of plain text. Padding and truncation are run-time state, and
# trainers add tokens (padding tokens above all) that do not occur in text.
_PARTS_THAT_COUNT = ("model", "normalizer", "pre_tokenizer")


class TextTokenizer:
    """What cutting and joining text needs of a tokenizer. Pickles to its JSON form, so that a worker process needs no
    transformers."""

    def __init__(self, name: str, backend: str, bos: str, eos: str) -> None:
        """From the JSON form of a `tokenizers` backend; padding and truncation are switched off."""
        self.name, self.bos, self.eos = name, bos, eos
        self._backend = Tokenizer.from_str(backend)
        self._backend.no_truncation()
        self._backend.no_padding()
        self.id_type = np.dtype(np.uint16 if self._backend.get_vocab_size() <= 1 << 16 else np.uint32)
        """The smallest unsigned type that holds every id."""
        added = self._backend.get_added_tokens_decoder().values()
        self.special_tokens = frozenset(token.content for token in added if token.special)
        self._special = any_of(self.special_tokens)
        self._added = any_of({token.content for token in added})

    def __reduce__(self) -> tuple[type["TextTokenizer"], tuple[str, str, str, str]]:
        return TextTokenizer, (self.name, self._backend.to_str(), self.bos, self.eos)

    def encode(self, text: str) -> Encoding:
        """Ids and character offsets of one text; special tokens are recognised, none is added."""
        return self._backend.encode(text, add_special_tokens=False)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text; special tokens are recognised, none is added."""
        return [e.ids for e in self._backend.encode_batch_fast(list(texts), add_special_tokens=False)]

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids, special tokens included."""
        return str(self._backend.decode(list(ids), skip_special_tokens=False))

    def count(self, texts: Sequence[str]) -> list[int]:
        """Number of tokens of each text by itself."""
        return [len(ids) for ids in self.ids(texts)]

    def has_special_token(self, text: str) -> bool:
        """Whether `text` spells one of the tokenizer's special tokens, which would end a turn inside a context."""
        return self._special.search(text) is not None

    def has_added_token(self, text: str) -> bool:
        """Whether `text` spells a token, special or not, that is found before the text is split into words."""
        return self._added.search(text) is not None

    def fingerprint(self) -> str:
        """Sixteen hex digits that change when plain text would get other ids. Cost: one dump of the vocabulary."""
        whole = json.loads(self._backend.to_str())
        parts = json.dumps([whole.get(part) for part in _PARTS_THAT_COUNT], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def any_of(spellings: Collection[str]) -> re.Pattern[str]:
    """What finds any of these spellings in a text."""
    return re.compile("|".join(map(re.escape, sorted(spellings))) or r"(?!)")


class ModelTokenizer(TextTokenizer):
    """A fast tokenizer of transformers, with its chat template."""

    def __init__(self, pretrained: Any) -> None:
        """Wrap a loaded tokenizer.

        Raises:
            TokenizerError: it has no fast (Rust) backend, which is where character offsets come from.
        """
        if not getattr(pretrained, "is_fast", False):
            raise TokenizerError(
                f"{pretrained.name_or_path}: has no fast tokenizer, and IN2 needs character offsets; "
                "add a tokenizer.json to the model's folder"
            )
        backend = pretrained.backend_tokenizer.to_str()
        super().__init__(pretrained.name_or_path, backend, pretrained.bos_token or "", pretrained.eos_token or "")
        self._pretrained = pretrained

    def render_chat(self, messages: Sequence[Mapping[str, str]]) -> str:
        """A conversation in the model's own chat template, with its special tokens.

        One that ends with the user: what a model is given to answer.

        Raises:
            TokenizerError: there is no chat template, or it cannot render such a conversation.
        """
        if not self._pretrained.chat_template:
            raise TokenizerError(f"{self.name}: has no chat template; set `template: film` or add one to the tokenizer")
        is_prompt = messages[-1]["role"] == "user"
        try:
            return str(
                self._pretrained.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=is_prompt)
            )
        except Exception as failure:  # templates are programs and may raise anything
            raise TokenizerError(
                f"{self.name}: its chat template fails on a user and an assistant turn: {failure}"
            ) from None


def load_tokenizer(name: str) -> ModelTokenizer:
    """Load a tokenizer by folder or hub name.

    Raises:
        TokenizerError: it cannot be found or has no fast backend.
    """
    if name.startswith(("/", "./", "../", "~")) and not Path(name).expanduser().is_dir():
        raise TokenizerError(f"tokenizer `{name}`: there is no such folder; give the folder or hub name of a model")
    from transformers import AutoTokenizer

    try:
        pretrained = AutoTokenizer.from_pretrained(name)
    except Exception as failure:  # transformers raises OSError, ValueError, KeyError and others here
        reason = str(failure).strip().splitlines()
        raise TokenizerError(
            f"tokenizer `{name}` cannot be loaded ({reason[0] if reason else type(failure).__name__}); "
            "give the folder or hub name of a model"
        ) from None
    return ModelTokenizer(pretrained)
