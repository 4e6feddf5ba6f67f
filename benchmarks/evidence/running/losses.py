"""Measure losses of one model: of answers to held-out questions by depth, and of texts that no arm saw.

    python -m benchmarks.evidence.running.losses --model M --data D --texts T --dtype float32 --device cpu --out F

Scores are nats per token. `answer` is the mean over all tokens of an answer, `opening` over its first OPENING, which
decide where to copy from; `exact` is 1 if the most likely token is right at every place of the answer, given its right
beginning. A text is cut into blocks of BLOCK tokens, of which each is a unit. Memory: one example.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.evidence.rows import KINDS, ScoredUnit, write_scores
from in2_plugin.corpus.tokenizer import ModelTokenizer
from in2_plugin.dataset.reader import IN2Dataset
from in2_plugin.probing.scoring.dip import FIFTHS
from in2_plugin.training.answer_logits import keep_supervised

OPENING, BLOCK = 4, 128


@torch.no_grad()  # type: ignore[untyped-decorator]
def answer_scores(model: Any, dataset: IN2Dataset) -> Iterator[ScoredUnit]:
    """Yield `held_out_answer`, `held_out_opening` and `held_out_exact` of every question, by fifth of its gold."""
    question = 0
    for number in range(len(dataset)):
        ids, labels = (torch.from_numpy(part)[None].to(model.device) for part in dataset.plans.assemble(number))
        kept = keep_supervised({"input_ids": ids.long(), "labels": labels.long()})
        targets = kept["shift_labels"][0]
        logits = model(kept["input_ids"], logits_to_keep=kept["logits_to_keep"]).logits[0].float()
        losses = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
        right, begun = logits.argmax(-1) == targets, 0
        for start, stop, depth in dataset.plans.answers(number).tolist():
            part = slice(begun, begun + stop - start)
            begun += stop - start
            values = {
                "answer": losses[part].mean(), "opening": losses[part][:OPENING].mean(), "exact": right[part].all(),
            }  # fmt: skip
            for name, value in values.items():
                yield ScoredUnit(f"held_out_{name}", 0, question, int(depth * FIFTHS), FIFTHS, float(value), number)
            question += 1


@torch.no_grad()  # type: ignore[untyped-decorator]
def text_scores(model: Any, tokenizer: Any, folder: Path) -> Iterator[ScoredUnit]:
    """Yield the mean loss of each block of the texts `KIND.txt`."""
    for kind in KINDS:
        ids = tokenizer((folder / f"{kind}.txt").read_text(encoding="utf-8"), return_tensors="pt").input_ids[0]
        for unit, block in enumerate(ids.split(BLOCK)):
            if len(block) == BLOCK:  # the last tokens are a block with too little before them
                row = block[None].to(model.device)
                logits = model(row).logits[0, :-1].float()
                loss = torch.nn.functional.cross_entropy(logits, row[0, 1:])
                yield ScoredUnit(f"text_{kind}", 0, unit, 0, 1, float(loss))


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure losses of one model.")
    for name in ("model", "data", "texts", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--dtype", required=True)
    parser.add_argument("--device", required=True)
    given = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(given.model)
    model = AutoModelForCausalLM.from_pretrained(given.model, dtype=given.dtype, attn_implementation="sdpa")
    model.to(given.device).eval()
    dataset = IN2Dataset(given.data, ModelTokenizer(tokenizer))
    scores = [*answer_scores(model, dataset), *text_scores(model, tokenizer, given.texts)]
    write_scores(given.out, scores)


if __name__ == "__main__":
    main()
