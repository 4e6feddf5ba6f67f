"""Tokenizers for tests: the real Mistral vocabularies, and small ones trained here with other models' regexes.

The Mistral ones are made from the SentencePiece models inside the `mistral-common` package, in the layout of the
`tokenizer.json` that Mistral-7B-Instruct ships: merges ordered by piece score, byte fallback, spaces as U+2581.
"""

import functools
import json
from importlib import resources
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

# Pre-tokenisation patterns as the models' own tokenizer.json files give them.
QWEN2_REGEX = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA3_REGEX = QWEN2_REGEX.replace(r"\p{N}|", r"\p{N}{1,3}|", 1)


@functools.cache
def mistral(version: str = "tokenizer.model.v1") -> Tokenizer:
    """The vocabulary of Mistral-7B-Instruct-v0.1/v0.2 (v1, 32,000 pieces) or of a later version."""
    import sentencepiece

    path = resources.files("mistral_common") / "data" / version
    model = sentencepiece.SentencePieceProcessor(model_file=str(path))
    pieces = [model.id_to_piece(i) for i in range(model.vocab_size())]
    vocab = {piece: i for i, piece in enumerate(pieces)}
    merges = [
        (model.get_score(vocab[piece]), piece[:cut], piece[cut:])
        for piece in pieces
        for cut in range(1, len(piece))
        if piece[:cut] in vocab and piece[cut:] in vocab and not model.is_byte(vocab[piece])
    ]
    merges.sort(key=lambda merge: (-merge[0], vocab[merge[1]], vocab[merge[2]]))
    bpe = models.BPE(
        vocab,
        [(left, right) for _, left, right in merges],
        unk_token="<unk>",
        fuse_unk=True,
        byte_fallback=True,
    )
    tokenizer = Tokenizer(bpe)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    special = [piece for i, piece in enumerate(pieces) if model.is_control(i) or model.is_unknown(i)]
    tokenizer.add_special_tokens([AddedToken(piece, normalized=False, special=True) for piece in special])
    return tokenizer


def byte_level(texts: list[str], regex: str, special: list[str], vocab_size: int = 4_000) -> Tokenizer:
    """A byte-level BPE with another model's pre-tokenisation, trained on `texts`."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(regex), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def save(tokenizer: Tokenizer, folder: Path, chat_template: str | None, **settings: object) -> Path:
    """Write a folder that `AutoTokenizer.from_pretrained` loads."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False, **settings}
    if chat_template is not None:
        config["chat_template"] = chat_template
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def put_bos_first(folder: Path, bos: str = "<s>") -> Path:
    """Make a saved tokenizer add a BOS to every text, as Llama's and Mistral's do."""
    path = str(folder / "tokenizer.json")
    tokenizer = Tokenizer.from_file(path)
    special = [(bos, tokenizer.token_to_id(bos))]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{bos} $A", special_tokens=special)
    tokenizer.save(path)
    return folder


LLAMA3_TOKENS = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
CHATML_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
# template shipped with Axolotl, pre-tokenisation, special tokens, end of an answer's turn, what follows it
MODELS = {
    "mistral_v1": (None, [], "</s>", ""),
    "mistral_v2v3": (None, [], "</s>", ""),
    "llama3": (LLAMA3_REGEX, LLAMA3_TOKENS, "<|eot_id|>", ""),
    "qwen_25": (QWEN2_REGEX, CHATML_TOKENS, "<|im_end|>", "\n"),
    "qwen3": (QWEN2_REGEX, [*CHATML_TOKENS, "<think>", "</think>"], "<|im_end|>", "\n"),
    "chatml": (QWEN2_REGEX, CHATML_TOKENS, "<|im_end|>", "\n"),
}
