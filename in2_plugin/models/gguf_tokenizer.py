"""Read the tokenizer of a GGUF file as the model's publisher defined it.

transformers reads vocabulary, merges and chat template of such a file, but not `tokenizer.ggml.pre`, the rule that
splits text before byte-pair encoding: its tokenizer joins what the model never saw joined ("\\n\\n1" differs), decodes
with clean-up, and has the start of a turn as its end-of-sequence token. So the tokenizer is made here, from the same
fields. Cost: 10 s for 49,152 tokens.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gguf import GGUFReader
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from in2_plugin.errors import ModelError

CONTROL = 3
"""Type of a special token in `tokenizer.ggml.token_type`."""
ODD_TEXT = "  two, three 2,024½ don't\t漢字 ▁ é\u00a0😀 .\r\n\n12. x ,y\n"
"""Text that must survive: spaces, digits in two scripts, punctuation after spaces, line ends, other alphabets."""


def _digits_alone() -> pre_tokenizers.PreTokenizer:
    """Return GPT-2's rule, with every digit alone: `smollm` in llama.cpp (src/llama-vocab.cpp)."""
    digits = pre_tokenizers.Digits(individual_digits=True)
    return pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])


RULES: Mapping[str, Callable[[], pre_tokenizers.PreTokenizer]] = {"smollm": _digits_alone}
"""By `tokenizer.ggml.pre`; another model may need another entry."""


def read_tokenizer(file: Path) -> PreTrainedTokenizerFast:
    """Return the tokenizer of a GGUF file, with its chat template and its window.

    Raises:
        ModelError: the file has another kind of tokenizer than the registered ones.
    """
    fields = {name: field.contents() for name, field in GGUFReader(file).fields.items()}
    kind, rule = fields["tokenizer.ggml.model"], fields.get("tokenizer.ggml.pre", "")
    if kind != "gpt2" or rule not in RULES:
        raise ModelError(f"{file.name}: cannot read a tokenizer of kind {kind!r} with rule {rule!r}")
    texts: list[str] = fields["tokenizer.ggml.tokens"]
    merges = [tuple(pair.split(" ")) for pair in fields["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab={text: i for i, text in enumerate(texts)}, merges=merges))
    tokenizer.pre_tokenizer = RULES[rule]()
    tokenizer.decoder = decoders.ByteLevel()
    control = [text for text, kind in zip(texts, fields["tokenizer.ggml.token_type"], strict=True) if kind == CONTROL]
    tokenizer.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in control])
    roles = {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        chat_template=fields["tokenizer.chat_template"],
        model_max_length=fields[f"{fields['general.architecture']}.context_length"],
        clean_up_tokenization_spaces=False,
        **{f"{role}_token": texts[fields[f"tokenizer.ggml.{name}_token_id"]] for role, name in roles.items()},
    )


def check_tokenizer(tokenizer: Any, config: Any) -> None:
    """Check that a tokenizer, as other programs load it, keeps text, has its special tokens and adds none.

    Args:
        tokenizer: what `AutoTokenizer` makes of the saved folder.
        config: configuration of the model, with the ids that it was trained with.

    Raises:
        ModelError: names what differs.
    """
    special = {role: getattr(config, f"{role}_token_id") for role in ("bos", "eos", "pad")}
    wrong = [
        f"{role} is {getattr(tokenizer, f'{role}_token')!r}"
        for role, token_id in special.items()
        if tokenizer(getattr(tokenizer, f"{role}_token") or "")["input_ids"] != [token_id]
    ]
    ids = tokenizer(ODD_TEXT)["input_ids"]
    if tokenizer.decode(ids) != ODD_TEXT:
        wrong.append(f"{ODD_TEXT!r} becomes {tokenizer.decode(ids)!r}")
    if tokenizer("")["input_ids"]:
        wrong.append("tokens are added to the text")
    if len(tokenizer) != config.vocab_size:
        wrong.append(f"{len(tokenizer)} tokens, and {config.vocab_size} in the model")
    if wrong:
        raise ModelError(f"this version of transformers reads the tokenizer wrongly: {'; '.join(wrong)}; report it")
