"""Read the special and added tokens that a tokenizer's files declare, as transformers 5 reads them.

Sources are tokenizer_config.json, special_tokens_map.json of old folders, and the added tokens of tokenizer.json.
Invariant: tokens are added to a backend in transformers' order, because the order decides the ids of new tokens. A form
of declaration that is not reproduced here gives None.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer

SPECIAL_TOKEN_NAMES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
Token = str | AddedToken


@dataclass(frozen=True)
class DeclaredTokens:
    """The special and added tokens of a tokenizer, as its files declare them."""

    named: Mapping[str, Token]
    """By name, in transformers' order: SPECIAL_TOKEN_NAMES, then the model's own."""
    extra: Sequence[Token]
    added: Mapping[int, AddedToken]

    @classmethod
    def read(
        cls,
        folder: Path,
        settings: Mapping[str, Any],
        file_added: Mapping[int, AddedToken],
        defaults: Mapping[str, str],
    ) -> "DeclaredTokens | None":
        """Return the tokens, or None if the files have a form that is not known here.

        Args:
            settings: content of tokenizer_config.json.
            file_added: the added tokens of tokenizer.json, used if the settings have none.
            defaults: named tokens, used if the settings do not name them.
        """
        legacy = {} if "added_tokens_decoder" in settings else _legacy_tokens(folder)
        if legacy is None:
            return None
        named, extra = _declared_tokens({**defaults, **settings, **legacy})
        if not all(isinstance(token, Token) for token in (*named.values(), *extra)):
            return None
        added = {int(i): AddedToken(**token) for i, token in settings.get("added_tokens_decoder", {}).items()}
        if "added_tokens_decoder" not in settings:
            added = dict(file_added)
        by_text = {token.content: token for token in added.values()}
        for key in named.keys() & set(SPECIAL_TOKEN_NAMES):
            named[key] = by_text.get(_text(named[key]), named[key])
        return cls(named, extra, added)

    def named_texts(self) -> dict[str, str]:
        """Return the text of each named token."""
        return {key: _text(token) for key, token in self.named.items()}

    def texts(self) -> list[str]:
        """Return the text of every special token, in order and without repetition."""
        return list(dict.fromkeys(map(_text, (*self.named.values(), *self.extra))))

    def add_to(self, backend: Tokenizer) -> None:
        """Add the tokens to a backend in transformers' order, which decides the ids of new ones."""
        present = {token.content for token in backend.get_added_tokens_decoder().values()}
        tokens: list[Token] = [self.added[index] for index in sorted(self.added)]
        present.update(map(_text, tokens))
        for token in (*self.named.values(), *self.extra):
            if _text(token) not in present and token not in tokens:
                tokens.append(token)
        names = set(map(_text, self.named.values()))
        backend.add_tokens([_as_special(token, names) for token in tokens])


def _as_special(token: Token, names: set[str]) -> AddedToken:
    if isinstance(token, str):
        return AddedToken(token, special=True)
    if token.content in names:
        token.special = True
    return token


def _text(token: Token) -> str:
    return token if isinstance(token, str) else str(token.content)


def _declared_tokens(settings: Mapping[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    """Return the named tokens, those of transformers' names first, and the extra ones.

    A value that is neither text nor AddedToken has a form that transformers refuses, or that is not known here.
    """
    own = {
        key: value
        for key, value in settings.items()
        if key.endswith("_token") and key not in SPECIAL_TOKEN_NAMES and isinstance(value, (str, dict))
    }
    extra = settings.get("extra_special_tokens", settings.get("additional_special_tokens"))
    if isinstance(extra, dict):
        own, extra = {**own, **{key: _as_token(value) for key, value in extra.items()}}, None
    named = {key: _as_token(settings[key]) for key in SPECIAL_TOKEN_NAMES if settings.get(key) is not None}
    return {**named, **own}, [_as_token(value) for value in extra or ()]


def _legacy_tokens(folder: Path) -> dict[str, Any] | None:
    """Return the named tokens of special_tokens_map.json, or None if it holds others, or added_tokens.json exists."""
    file = folder / "special_tokens_map.json"
    if (folder / "added_tokens.json").exists():
        return None
    found = read_json(file) if file.is_file() else {}
    if not all(key in SPECIAL_TOKEN_NAMES and isinstance(value, (str, dict)) for key, value in found.items()):
        return None
    special = {"special": True, "__type": "AddedToken"}
    return {key: {**value, **special} if isinstance(value, dict) else value for key, value in found.items()}


def _as_token(value: Any) -> Any:
    """Return an added token for its JSON form, and anything else unchanged."""
    if isinstance(value, dict) and value.get("__type") == "AddedToken":
        return AddedToken(**{key: part for key, part in value.items() if key != "__type"})
    return value


def read_json(file: Path) -> dict[str, Any]:
    """Return the content of a JSON file."""
    return dict(json.loads(file.read_text(encoding="utf-8")))
