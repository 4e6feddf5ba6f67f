"""Load a model's fast tokenizer from its files, without transformers.

`AutoTokenizer` imports transformers, and with it torch and scikit-learn: 15 s and 700 MB where Axolotl is installed.
The `tokenizers` library reads the same files in 0.2 s. Invariant: a tokenizer loaded here has the ids, special tokens,
chat template and fingerprint that `AutoTokenizer` of transformers 5 gives; a folder for which this is not known
returns None, and the caller falls back to `AutoTokenizer`. docs/design/2026-11-21-tokens.md lists the cases.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers

from in2_plugin.corpus.declared_tokens import DeclaredTokens, read_json

GENERIC_CLASSES = {"PreTrainedTokenizerFast", "TokenizersBackend"}
"""Tokenizer classes that use tokenizer.json as it is."""
GENERIC_MODEL_TYPES = {
    *("mistral", "mixtral", "ministral", "ministral3", "mistral3"),  # unless they have a tekken.json
    *("glm4", "glm4_moe", "granite", "olmo2", "olmo3", "phi3"),
}
"""Model types whose tokenizer.json transformers uses as it is, whatever `tokenizer_class` says."""
LLAMA_CLASSES = {"LlamaTokenizer", "LlamaTokenizerFast"}
BYTE_LEVEL_MODEL_TYPES = {"deepseek_v2", "deepseek_v3"}
"""Model types whose tokenizer.json is used as it is under `LLAMA_CLASSES` if it is byte-level; transformers 5.24
converts others of them, 5.20 does not."""
QWEN2_CLASSES = {"Qwen2Tokenizer", "Qwen2TokenizerFast"}
QWEN2_MODEL_TYPES = {
    *("qwen2", "qwen2_moe", "qwen2_vl", "qwen2_5_vl"),
    *("qwen3", "qwen3_moe", "qwen3_next", "qwen3_vl"),
}
"""Model types for which transformers has `Qwen2Tokenizer`, which takes only the vocabulary from tokenizer.json."""
REBUILT_MODEL_TYPES = {
    *("qwen2", "qwen3_5", "qwen3_5_moe", "qwen3_5_moe_text", "qwen4_exp"),
    *("hyperclovax_vision_v2", "siglip2"),
}
"""Model types whose tokenizer some transformers 5 builds with a class of its own even if `tokenizer_class` is generic;
5.16 does so for `qwen2` alone."""
QWEN2_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_HUB_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "additional_chat_templates/*.jinja",
    "config.json",
    "tekken.json",
)
_UNKNOWN_SETTINGS = ("auto_map", "fast_tokenizer_files", "fix_mistral_regex", "init_inputs", "gguf_file")
"""Keys of tokenizer_config.json that change how transformers loads a tokenizer."""


@dataclass(frozen=True)
class FastTokenizer:
    """A fast tokenizer, with the attributes of a tokenizer of transformers that IN2 uses."""

    name_or_path: str
    backend_tokenizer: Tokenizer
    chat_template: str | Mapping[str, str] | None
    special_tokens: Mapping[str, str] = field(default_factory=dict)
    """Text of each special token under its name, such as `bos_token`."""
    is_fast: bool = True

    @property
    def bos_token(self) -> str | None:
        """Text of the beginning-of-sequence token."""
        return self.special_tokens.get("bos_token")

    @property
    def eos_token(self) -> str | None:
        """Text of the end-of-sequence token."""
        return self.special_tokens.get("eos_token")

    def __call__(
        self, text: str | Sequence[str], *, add_special_tokens: bool = True, verbose: bool = True
    ) -> dict[str, list[Any]]:
        """Return `input_ids` of a text or of each of several; `verbose` is there for transformers' signature."""
        texts = [text] if isinstance(text, str) else list(text)
        encodings = self.backend_tokenizer.encode_batch_fast(texts, add_special_tokens=add_special_tokens)
        ids = [encoding.ids for encoding in encodings]
        return {"input_ids": ids[0] if isinstance(text, str) else ids}

    def apply_chat_template(
        self,
        conversation: Sequence[Mapping[str, str]],
        *,
        tokenize: bool = False,
        add_generation_prompt: bool = False,
        **template_args: Any,
    ) -> str:
        """Return a conversation in the model's own format; `tokenize` is there for transformers' signature.

        Args:
            template_args: further variables of the template, such as `enable_thinking`.

        Raises:
            ValueError: there is no template, or several and none is called `default`; or `tokenize` is true.
        """
        from in2_plugin.corpus.chat_template import render_template

        if tokenize:
            raise ValueError("this method renders text; encode its result instead of setting `tokenize`")
        template = self.chat_template
        if isinstance(template, Mapping):
            template = template.get("default")
        if template is None:
            raise ValueError("the tokenizer has no chat template, or several without one called `default`")
        variables = {**self.special_tokens, **template_args}
        return render_template(template, conversation, add_generation_prompt, variables)


def download_tokenizer(name: str) -> Path:
    """Return the local folder of a hub repository's tokenizer files, downloading those that are not in the cache.

    Raises:
        Exception: huggingface_hub's errors, when the repository is missing, private or not in the cache while offline.
    """
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(name, allow_patterns=list(_HUB_FILES)))


def read_fast_tokenizer(folder: Path, name: str) -> FastTokenizer | None:
    """Return the tokenizer in `folder`, or None if only transformers knows how to load it.

    Args:
        name: folder or hub name as the user gave it.

    Raises:
        Exception: a file cannot be read, is not JSON, or is not a tokenizer.
    """
    if not _has_known_files(folder):
        return None
    settings = read_json(folder / "tokenizer_config.json")
    tokenizer_class = _backend_class(folder, settings)
    if tokenizer_class is None or any(settings.get(key) for key in _UNKNOWN_SETTINGS):
        return None
    read = _read_qwen2_backend if tokenizer_class == "qwen2" else _read_generic_backend
    backend, added = read(folder / "tokenizer.json")
    tokens = DeclaredTokens.read(folder, settings, added, _default_tokens(tokenizer_class, backend))
    if tokens is None:
        return None
    tokens.add_to(backend)
    if tokenizer_class == "qwen2":
        backend.add_tokens([AddedToken(text, special=True) for text in tokens.texts()])
    backend.no_truncation()
    backend.no_padding()
    return FastTokenizer(name, backend, _read_chat_template(folder, settings), tokens.named_texts())


def _has_known_files(folder: Path) -> bool:
    """Check for the files of a fast tokenizer, none that makes transformers choose another class."""
    needed = (folder / "tokenizer.json").is_file() and (folder / "tokenizer_config.json").is_file()
    return needed and not (folder / "tekken.json").exists() and _is_known_transformers()


def _is_known_transformers() -> bool:
    """Check that the installed transformers, if any, is one whose loading is reproduced here."""
    try:
        return version("transformers").partition(".")[0] == "5"
    except PackageNotFoundError:
        return True


def _model_type(folder: Path) -> str | None:
    """Return `model_type` of config.json, "" without one, and None if the model has code of its own."""
    path = folder / "config.json"
    config = read_json(path) if path.is_file() else {}
    if "auto_map" in config:
        return None
    return str(config.get("model_type") or "")


def _backend_class(folder: Path, settings: Mapping[str, Any]) -> str | None:
    """Return which class of transformers `AutoTokenizer` chooses: `generic`, `qwen2`, or None for any other."""
    tokenizer_class, model_type = settings.get("tokenizer_class"), _model_type(folder)
    if tokenizer_class is None or model_type is None:
        return None
    if tokenizer_class in QWEN2_CLASSES and model_type in {"", *QWEN2_MODEL_TYPES}:
        return None if settings.get("add_prefix_space") else "qwen2"
    if model_type in GENERIC_MODEL_TYPES:
        return "generic"
    if model_type in BYTE_LEVEL_MODEL_TYPES and tokenizer_class in LLAMA_CLASSES:
        return "generic" if '"ByteLevel"' in (folder / "tokenizer.json").read_text(encoding="utf-8") else None
    if tokenizer_class in GENERIC_CLASSES and model_type not in REBUILT_MODEL_TYPES:
        return "generic"
    return None


Backend = tuple[Tokenizer, dict[int, AddedToken]]
"""A backend, and the added tokens of its file by id."""


def _read_generic_backend(file: Path) -> Backend:
    backend = Tokenizer.from_file(str(file))
    return backend, dict(backend.get_added_tokens_decoder())


def _read_qwen2_backend(file: Path) -> Backend:
    """Rebuild the backend as `Qwen2Tokenizer` does: only vocabulary, merges and post-processor are those of the file.

    Raises:
        ValueError: the vocabulary is not one of byte pairs.
    """
    content = read_json(file)
    model = content["model"]
    if model.get("type") != "BPE":
        raise ValueError(f"{file}: has a model of type {model.get('type')}, not BPE")
    rebuilt = {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": "",
        "end_of_word_suffix": "",
        "fuse_unk": False,
        "byte_fallback": False,
        "vocab": model["vocab"],
        "merges": model["merges"],
    }
    plain: dict[str, Any] = {
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": None,
        "decoder": None,
        "model": rebuilt,
    }
    backend = Tokenizer.from_str(json.dumps({**content, **plain}))
    backend.normalizer = normalizers.NFC()
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN2_PATTERN), behavior="isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    added = {token.pop("id"): AddedToken(**token) for token in content.get("added_tokens", [])}
    return backend, added


def _default_tokens(tokenizer_class: str, backend: Tokenizer) -> dict[str, str]:
    """Return the named tokens that a tokenizer has if its settings do not name them."""
    padding = {"pad_token": backend.padding["pad_token"]} if backend.padding else {}
    if tokenizer_class == "qwen2":
        return padding | dict.fromkeys(("unk_token", "eos_token", "pad_token"), "<|endoftext|>")
    return padding


def _read_chat_template(folder: Path, settings: Mapping[str, Any]) -> str | dict[str, str] | None:
    """Return the chat template; files take precedence over tokenizer_config.json."""
    found = dict(_template_files(folder))
    if found:
        return found["default"] if list(found) == ["default"] else found
    template = settings.get("chat_template")
    if isinstance(template, list):
        return {entry["name"]: entry["template"] for entry in template}
    return template


def _template_files(folder: Path) -> Iterator[tuple[str, str]]:
    default = folder / "chat_template.jinja"
    if default.is_file():
        yield "default", default.read_text(encoding="utf-8")
    for file in sorted((folder / "additional_chat_templates").glob("*.jinja")):
        yield file.name.removesuffix(".jinja"), file.read_text(encoding="utf-8")
