"""The tokenizer of the model to train: token counts, ids with offsets, and the chat template.

Encoding goes straight to the `tokenizers` backend, without adding special tokens and without truncation.
`load_tokenizer` reads the model's files itself and falls back to AutoTokenizer, which Axolotl, TRL and lm_eval use, for
tokenizers that only transformers knows. Invariant: nothing here changes the tokenizer it is given.
Cost: 0.2 s to load; 15 s with AutoTokenizer, whose import loads torch.
"""

import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import AddedToken, Encoding, Tokenizer

from in2_plugin.corpus.fast_tokenizer import FastTokenizer, download_tokenizer, read_fast_tokenizer
from in2_plugin.corpus.vocabulary import fingerprint, read_vocabulary
from in2_plugin.errors import TokenizerError

LOADER = "IN2_TOKENIZER"
"""Environment variable; `transformers` makes `load_tokenizer` use AutoTokenizer for every tokenizer."""
MOST_UNKNOWN = 0.01
"""Largest share of unknown tokens in a corpus or an example, which may have a few rare characters."""


class TextTokenizer:
    """The part of a tokenizer that cutting and joining text need. It pickles without transformers."""

    def __init__(self, name: str, backend: Tokenizer, bos: str, eos: str) -> None:
        """Take over a `tokenizers` backend and switch its padding and truncation off."""
        self.name, self.bos, self.eos = name, bos, eos
        self._backend = backend
        self._backend.no_truncation()
        self._backend.no_padding()
        self.id_type = np.dtype(np.uint16 if self._backend.get_vocab_size() <= 1 << 16 else np.uint32)
        """The smallest unsigned type that holds every id."""
        added = self._backend.get_added_tokens_decoder().values()
        self.special_tokens = frozenset(token.content for token in added if token.special)
        self._special = any_of(self.special_tokens)
        self._separators = {token.content for token in added if self._separates(token)}
        self._added = any_of({token.content for token in added})

    def __reduce__(self) -> tuple[Callable[..., "TextTokenizer"], tuple[str, str, str, str]]:
        return text_tokenizer, (self.name, self._backend.to_str(), self.bos, self.eos)

    def encode(self, text: str) -> Encoding:
        """Return ids and character offsets of one text; special tokens in it are recognised, none is added."""
        return self._backend.encode(text, add_special_tokens=False)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each text; special tokens in it are recognised, none is added."""
        return [e.ids for e in self._backend.encode_batch_fast(list(texts), add_special_tokens=False)]

    def ids_with_special_tokens(self, text: str) -> list[int]:
        """Return the ids that a trainer gets when it calls the tokenizer: with the special tokens that it adds."""
        return list(self._backend.encode(text).ids)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids, special tokens included."""
        return str(self._backend.decode(list(ids), skip_special_tokens=False))

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text alone."""
        return [len(ids) for ids in self.ids(texts)]

    def n_bytes(self, text: str) -> int:
        """Return the bytes of a text in UTF-8 after normalization, at least as many as its tokens."""
        normalizer = self._backend.normalizer
        return len((normalizer.normalize_str(text) if normalizer else text).encode("utf-8", "surrogatepass"))

    def separator_at_end(self, text: str) -> str:
        """Return the added token that ends a text, if it separates: the texts on its sides are tokenized apart.

        Added tokens are found before text is split into words. Empty if none ends the text, or if that one depends on
        its neighbours.
        """
        return max((token for token in self._separators if text.endswith(token)), key=len, default="")

    def _separates(self, token: AddedToken) -> bool:
        """Return True for an added token that takes no white space, and is found whatever is next to it."""
        is_found_first = not token.normalized or self._backend.normalizer is None
        return is_found_first and not (token.lstrip or token.rstrip or token.single_word)

    def has_special_token(self, text: str) -> bool:
        """Check for the text of a special token, which would end a turn inside a context."""
        return self._special.search(text) is not None

    def has_added_token(self, text: str) -> bool:
        """Check for the text of an added token, special or not, which is matched before text is split into words."""
        return self._added.search(text) is not None

    @cached_property
    def unknown_id(self) -> int | None:
        """Id of the token for text that the vocabulary cannot spell; None if there is none. Cost: as `fingerprint`."""
        vocabulary = read_vocabulary(self._backend.to_str())
        spelled = vocabulary.unknown_token
        return vocabulary.unknown_id if spelled is None else self._backend.token_to_id(spelled)

    def can_spell(self, text: str) -> bool:
        """Return True if no part of a text gets the unknown token or, without an unknown token, no token at all.

        Characters that are not printable may be dropped by a normalizer and do not count.
        """
        normalizer, place = self._backend.normalizer, 0
        # offsets refer to the text before normalization, in which a character may be several
        plain = normalizer.normalize_str(text) if normalizer else text
        unspelled = plain.encode("utf-8", "surrogatepass").translate(None, self._spelled_bytes)
        if not unspelled and not self.has_added_token(plain):
            return True
        encoding = self.encode(plain)
        for token, (start, stop) in zip(encoding.ids, encoding.offsets, strict=True):
            if token == self.unknown_id or _is_visible(plain[place:start]):
                return False
            place = max(place, stop)
        return not _is_visible(plain[place:])

    @cached_property
    def _spelled_bytes(self) -> bytes:
        return read_vocabulary(self._backend.to_str()).spelled_bytes

    def fingerprint(self) -> str:
        """Return sixteen hex digits that change if plain text gets other ids. Cost: one dump of the vocabulary."""
        return fingerprint(self._backend.to_str())


def text_tokenizer(name: str, backend: str, bos: str, eos: str) -> TextTokenizer:
    """Make a tokenizer from the JSON form of a `tokenizers` backend."""
    return TextTokenizer(name, Tokenizer.from_str(backend), bos, eos)


def _is_visible(text: str) -> bool:
    return bool(text.strip()) and text.strip().isprintable()


def any_of(spellings: Collection[str]) -> re.Pattern[str]:
    """Return a pattern that matches any of these spellings."""
    return re.compile("|".join(map(re.escape, sorted(spellings))) or r"(?!)")


class ModelTokenizer(TextTokenizer):
    """A fast tokenizer with its chat template."""

    def __init__(self, pretrained: Any) -> None:
        """Wrap a loaded tokenizer and leave it unchanged.

        Raises:
            TokenizerError: it has no fast (Rust) backend, which provides the character offsets.
        """
        if not getattr(pretrained, "is_fast", False):
            raise TokenizerError(
                f"{pretrained.name_or_path}: has no fast tokenizer, and IN2 needs character offsets; "
                "add a tokenizer.json to the model's folder"
            )
        backend = pretrained.backend_tokenizer
        if not isinstance(pretrained, FastTokenizer):  # which a trainer goes on using, with its own truncation
            backend = Tokenizer.from_str(backend.to_str())
        super().__init__(pretrained.name_or_path, backend, pretrained.bos_token or "", pretrained.eos_token or "")
        self._pretrained = pretrained

    def render_chat(self, messages: Sequence[Mapping[str, str]]) -> str:
        """Return a conversation in the model's own chat template, with its special tokens.

        One that ends with the user's turn becomes a prompt for the model to answer.

        Raises:
            TokenizerError: there is no chat template, or it cannot render this conversation.
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
        TokenizerError: it is not found, cannot be loaded, or has no fast backend.
    """
    if name.startswith(("/", "./", "../", "~")) and not Path(name).expanduser().is_dir():
        raise TokenizerError(f"tokenizer `{name}`: there is no such folder; give the folder or hub name of a model")
    try:
        return ModelTokenizer(load_pretrained(name))
    except TokenizerError:
        raise
    except Exception as failure:  # transformers and huggingface_hub raise OSError, ValueError, KeyError and others here
        reason = str(failure).strip().splitlines()
        raise TokenizerError(
            f"tokenizer `{name}` cannot be loaded ({reason[0] if reason else type(failure).__name__}); "
            "give the folder or hub name of a model"
        ) from None


def load_pretrained(name: str, **loading: Any) -> Any:
    """Return a FastTokenizer, or a tokenizer of transformers if only transformers knows how to load it.

    Args:
        loading: arguments of AutoTokenizer, such as `revision`; with any of them, transformers loads it.

    Raises:
        Exception: an error of transformers or huggingface_hub.
    """
    if not loading and os.environ.get(LOADER) != "transformers":
        fast = _read_files(name)
        if fast is not None:
            return fast
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(name, **loading)


def _read_files(name: str) -> FastTokenizer | None:
    """Load a tokenizer without transformers, or return None if only transformers knows how."""
    if Path(name).is_file():
        return None
    folder = Path(name) if Path(name).is_dir() else download_tokenizer(name)
    try:
        return read_fast_tokenizer(folder, name)
    except Exception:  # a damaged file: transformers has the better message
        return None
