"""A dataset with gold rows and the scores of the tiny model, and the objectives computed without a trainer."""

import shutil
from pathlib import Path

import numpy as np
import torch

from in2_plugin.corpus.tokenizer import ModelTokenizer
from in2_plugin.dataset.reader import IN2Dataset
from in2_plugin.teaching.likeliest import likeliest_tokens
from in2_plugin.teaching.rows import GoldOnlyRows, write_gold_rows
from in2_plugin.teaching.store import TeacherFacts, TeacherShards, TeacherStore
from tests.support.cache import cached_folder
from tests.support.plain_loss import plain_divergence
from tests.support.taught import taught_dataset, teacher_folder

TOP_K = 16


class Engine(torch.nn.Module):
    """Keeps `training` at True, as DeepSpeed's engine does."""

    def __init__(self, model):
        super().__init__()
        self.module = model

    def train(self, mode=True):
        self.module.train(mode)

    def eval(self):
        self.module.train(False)

    def forward(self, **inputs):
        return self.module(**inputs)


def distilled_dataset() -> Path:
    """A dataset of 28 examples with the scores `initial` of the tiny model; tests must not write into it."""
    return cached_folder("distilled", _make) / "in2"


def _make(folder: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder.mkdir()
    dataset = taught_dataset(folder)
    write_gold_rows(IN2Dataset(dataset, ModelTokenizer(AutoTokenizer.from_pretrained(teacher_folder()))))
    write_scores(dataset, AutoModelForCausalLM.from_pretrained(teacher_folder(), dtype=torch.float32))


def write_scores(dataset: Path, model, name="initial", top_k=TOP_K) -> None:
    """Store the likeliest tokens of a model, read row by row."""
    rows = GoldOnlyRows(dataset)
    shards = TeacherShards.claim(rows, name, TeacherFacts("tiny", "of a test", "float32", top_k, rows.source))
    for shard in shards.missing():
        examples = shards.examples(shard)
        ids, logprobs = likeliest_tokens(torch.cat([plain_gold_logits(model, rows, i) for i in examples]), top_k)
        shards.write(shard, ids.numpy().astype(np.uint32), logprobs.numpy())


def copied(into: Path) -> Path:
    """Copy the dataset, to write into it."""
    return Path(shutil.copytree(distilled_dataset(), into / "in2"))


@torch.no_grad()
def plain_gold_logits(model, rows, example):
    """Return the logits at the answer tokens of the gold rows of an example."""
    found = []
    for row in rows.of(example):
        ids = torch.from_numpy(row.ids.astype(np.int64))
        found.append(model(input_ids=ids[None]).logits[0, row.answer.start - 1 : row.answer.stop - 1])
    return torch.cat(found)


def stored_teacher(example, k=None):
    """Return the stored scores of an example, as `plain_divergence` needs them."""
    ids, logprobs = TeacherStore.open(distilled_dataset(), "initial").of(example)
    rows = zip(torch.from_numpy(ids.astype(np.int64)), torch.from_numpy(logprobs).double().softmax(-1), strict=True)
    return [(one[:k], other[: len(one[:k])]) for one, other in rows]


def plain_objective(model, plans, numbers, teacher_of, options):
    """Return the mean over the answer tokens of these examples, from all logits.

    Args:
        teacher_of: returns the teacher of an example, as `plain_divergence` needs it.
    """
    trained = []
    for number in numbers:
        ids, labels = (torch.tensor(part) for part in plans.assemble(number))
        supervised = (labels != -100).nonzero()[:, 0]
        logits = model(input_ids=ids[None]).logits[0, supervised - 1]
        losses = -logits.log_softmax(-1).gather(1, ids[supervised][:, None])[:, 0]
        divergences = plain_divergence(logits, teacher_of(number), options.distill.temperature)
        both = losses + options.distill.weight * divergences
        trained.append({"distill": divergences, "both": both}[options.objective])
    return torch.cat(trained).mean()
