"""Make a tiny Mistral from scratch, with a tokenizer of its own: `python make_model.py FOLDER [TEXTS]`.

For trying the whole way on a laptop; it knows nothing before training. Two layers, about 0.6M parameters, random
weights from a fixed seed, a byte-level BPE of 2,000 pieces trained on the corpus, Mistral's turn format.
"""

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from in2_plugin.config import CorpusConfig, Source
from in2_plugin.corpus.readers import read_documents

VOCABULARY = 2_000
WINDOW = 1_024
DOCUMENTS = 20_000
"""Documents that the tokenizer is trained on, at most."""
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'user' %}[INST] {{ message['content'] }} [/INST]"
    "{% else %} {{ message['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
)


def train_tokenizer(texts: Iterator[str]) -> Tokenizer:
    """A byte-level BPE with Mistral's three special tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<unk>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def main(folder: str, corpus: str | None = None) -> None:
    """Write model and tokenizer to `folder`."""
    import torch
    from transformers import MistralConfig, MistralForCausalLM, PreTrainedTokenizerFast

    sources = (Source(path=corpus),) if corpus else CorpusConfig().sources
    texts = (document.text for document in islice(read_documents(sources), DOCUMENTS))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=train_tokenizer(texts),
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="</s>",
        chat_template=CHAT_TEMPLATE,
        model_max_length=WINDOW,
        clean_up_tokenization_spaces=False,
    )
    torch.manual_seed(0)
    model = MistralForCausalLM(
        MistralConfig(
            vocab_size=VOCABULARY,
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=WINDOW,
            sliding_window=None,  # the default is 4,096 tokens; Mistral-7B-Instruct-v0.2 has none
            tie_word_embeddings=True,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=None,
        )
    )
    Path(folder).mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    print(f"{folder}: {model.num_parameters():,} parameters, {VOCABULARY:,} pieces, window {WINDOW:,} tokens")


if __name__ == "__main__":
    main(*sys.argv[1:3])
