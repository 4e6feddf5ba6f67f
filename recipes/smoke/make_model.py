"""Make a tiny Mistral from scratch, with a tokenizer of its own: `python make_model.py FOLDER [TEXTS]`.

For trying the whole way on a laptop. Three layers, about 0.6M parameters, a byte-level BPE of 1,000 pieces trained on
the corpus, Mistral's turn format. It has never seen language: its only lesson is a warm-up of a few minutes in copying
random pieces, because a model of this size picks that up from text only after hours, and IN2 data teaches where to
copy from. `--no-warm-up` leaves it random.
"""

from argparse import ArgumentParser
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from in2_plugin.config import CorpusConfig, Source
from in2_plugin.corpus.sources.documents import read_documents

VOCABULARY = 1_000
WINDOW = 1_024
DOCUMENTS = 20_000
"""Documents that the tokenizer is trained on, at most."""
WARM_UP_STAGES = ((3, 8, 96), (3, 12, 64), (5, 16, 28), (8, 24, 12), (12, 24, 8))
"""Pieces a sequence, tokens a piece, sequences a batch; the next stage begins when 85% is copied right."""
WARM_UP_STEPS = 900
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


def warm_up(model: Any) -> None:
    """Teach copying: random pieces, then the same pieces in another order, with loss on the second half."""
    import torch
    from torch.nn.functional import cross_entropy

    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.0, betas=(0.9, 0.98))
    stage, copied = 0, 0.0
    for step in range(WARM_UP_STEPS):
        pieces, tokens, batch = WARM_UP_STAGES[stage]
        first = torch.randint(VOCABULARY, (batch, pieces, tokens))
        order = torch.stack([torch.randperm(pieces) for _ in range(batch)])
        second = first[torch.arange(batch)[:, None], order]
        sequence = torch.cat([first, second], 1).reshape(batch, -1)
        logits = model(sequence, logits_to_keep=pieces * tokens).logits[:, :-1]
        wanted = sequence[:, pieces * tokens + 1 :]
        loss = cross_entropy(logits.flatten(0, 1), wanted.flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        copied = 0.9 * copied + 0.1 * (logits.argmax(-1) == wanted).float().mean().item()
        if step % 50 == 49:
            print(f"warm-up {step + 1}: {pieces} pieces of {tokens} tokens, {copied:.0%} copied right", flush=True)
        if copied > 0.85:
            if stage == len(WARM_UP_STAGES) - 1:
                return
            stage, copied = stage + 1, 0.0


def main(folder: str, corpus: str | None = None, with_warm_up: bool = True) -> None:
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
            num_hidden_layers=3,
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
    if with_warm_up:
        warm_up(model)
    Path(folder).mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    print(f"{folder}: {model.num_parameters():,} parameters, {VOCABULARY:,} pieces, window {WINDOW:,} tokens")


if __name__ == "__main__":
    parser = ArgumentParser(description="Make a tiny Mistral with its tokenizer.")
    parser.add_argument("folder", help="folder to write model and tokenizer to")
    parser.add_argument("corpus", nargs="?", help="text to train the tokenizer on, by default the bundled corpus")
    parser.add_argument("--no-warm-up", action="store_true", help="leave the model random; the warm-up takes minutes")
    given = parser.parse_args()
    main(given.folder, given.corpus, with_warm_up=not given.no_warm_up)
