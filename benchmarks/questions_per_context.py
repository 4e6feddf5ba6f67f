"""Measure several questions per context: tokens, time, and the loss on held-out contexts with one question.

    python benchmarks/questions_per_context.py            # the table of docs/benchmarks.md, half an hour on two cores

The tiny model of the smoke recipe is trained on datasets of one corpus that differ only in `questions_per_context` and
in the number of questions, with the same optimizer and batch (in tokens). It is evaluated on unseen documents, with one
question per context. The model can only copy: results for learning to find a place need not hold for a language model.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM

from in2_plugin.config import BuildConfig, CorpusConfig
from in2_plugin.corpus.sources.documents import read_documents
from in2_plugin.corpus.tokenizer import load_tokenizer
from in2_plugin.dataset.reader import IN2Dataset
from in2_plugin.pipeline.build import build_dataset

BATCH_TOKENS = 16 * 448
HELD_OUT = 1_000
LEARNING_RATE = 1e-3


def split_corpus(folder: Path) -> tuple[Path, Path]:
    """Write the bundled documents to two files, every sixth to the second."""
    paths = folder / "train.jsonl", folder / "held-out.jsonl"
    with paths[0].open("w") as train, paths[1].open("w") as held_out:
        for number, document in enumerate(read_documents(CorpusConfig().sources)):
            print(json.dumps({"text": document.text}), file=held_out if number % 6 == 0 else train)
    return paths


def built(folder: Path, model: Path, corpus: Path, questions: int, per_context: int) -> IN2Dataset:
    """Build a dataset of fine-grained questions only."""
    config = {
        "output": str(folder), "tokenizer": str(model), "questions_per_context": per_context, "workers": 1,
        "corpus": {"segment_tokens": 32, "sources": [str(corpus)], "decontamination": {"ngram": None}},
        "mixture": {"fine_grained": questions, "integration": 0, "short_context": 0},
        "lengths": {"min": 384, "max": 640}, "audit": {"answer_tokens": [2, 512]},
    }  # fmt: skip
    build_dataset(BuildConfig.parse(config, "benchmark"))
    return IN2Dataset(folder, load_tokenizer(str(model)))


def batches(dataset: IN2Dataset):
    """Yield (input_ids, labels) of about BATCH_TOKENS, padded, in dataset order."""
    rows, tokens = [], 0
    for row in dataset.rows():
        rendered = dataset.render(row)
        rows.append((torch.from_numpy(rendered.input_ids), torch.from_numpy(rendered.labels)))
        tokens += len(rendered.input_ids)
        if tokens >= BATCH_TOKENS:
            yield padded(rows)
            rows, tokens = [], 0
    if rows:
        yield padded(rows)


def padded(rows):
    """Return one batch, padded on the right without labels."""
    ids, labels = zip(*rows, strict=True)
    pad = torch.nn.utils.rnn.pad_sequence
    return pad(ids, batch_first=True), pad(labels, batch_first=True, padding_value=-100)


def loss_of(model, ids, labels) -> torch.Tensor:
    """Return the mean loss over the supervised tokens of a batch."""
    logits = model(ids).logits[:, :-1]
    return cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)


def trained(model_folder: Path, dataset: IN2Dataset):
    """Return the model after one pass over a dataset, with its seconds and steps."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(model_folder)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.0)
    started, steps = time.perf_counter(), 0
    for ids, labels in batches(dataset):
        loss_of(model, ids, labels).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        steps += 1
    return model, time.perf_counter() - started, steps


@torch.no_grad()
def held_out_loss(model, dataset: IN2Dataset) -> tuple[float, float]:
    """Return the loss per supervised token on unseen documents, and the share predicted correctly."""
    total, right, count = 0.0, 0, 0
    for ids, labels in batches(dataset):
        logits, wanted = model(ids).logits[:, :-1], labels[:, 1:]
        kept = wanted != -100
        total += cross_entropy(logits[kept], wanted[kept], reduction="sum").item()
        right += (logits[kept].argmax(-1) == wanted[kept]).sum().item()
        count += kept.sum().item()
    return total / count, right / count


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True, help="a folder that recipes/smoke/make_model.py wrote")
    parser.add_argument("--questions", type=int, default=6_000)
    parser.add_argument("--per-context", type=int, nargs="+", default=[1, 2, 4])
    arguments = parser.parse_args()
    n = arguments.questions
    runs = [(n, k) for k in arguments.per_context] + [(n * k, k) for k in arguments.per_context if k > 1]
    print("| questions | a context | examples | tokens | tokens a question | steps | seconds | held-out loss | right |")
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        corpus, unseen = split_corpus(folder)
        asked = built(folder / "held-out", arguments.model, unseen, HELD_OUT, 1)
        start = held_out_loss(AutoModelForCausalLM.from_pretrained(arguments.model), asked)
        print(f"| 0 | - | - | 0 | - | 0 | 0 | {start[0]:.2f} | {start[1]:.0%} |", flush=True)
        for questions, per_context in runs:
            dataset = built(folder / f"{questions}-{per_context}", arguments.model, corpus, questions, per_context)
            counts = dataset.manifest.counts
            model, seconds, steps = trained(arguments.model, dataset)
            loss, right = held_out_loss(model, asked)
            print(
                f"| {questions:,} | {per_context} | {counts['examples']:,} | {counts['tokens'] / 1e6:.2f}M | "
                f"{counts['tokens'] / questions:.0f} | {steps} | {seconds:.0f} | {loss:.2f} | {right:.0%} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
