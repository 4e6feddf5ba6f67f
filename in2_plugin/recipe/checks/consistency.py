"""Check that the files of a recipe are consistent with each other.

Reads the launch scripts; otherwise pure.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from in2_plugin.config import BuildConfig
from in2_plugin.recipe.checks.check import FileCheck
from in2_plugin.recipe.training_file import TrainingFile
from in2_plugin.training.axolotl.context_parallel import ranks_per_row

BATCH = re.compile(r"^\s*batch=(\d+)\s*$", re.MULTILINE)
"""The line of a launch script that sets the number of examples per step."""


def check_agreement(file: TrainingFile, build: BuildConfig, scripts: Sequence[Path]) -> Iterator[FileCheck]:
    """Check a training file against the build file and the launch scripts."""
    name = file.path.name
    found = [*_data(file, build), *_step(file, scripts)]
    yield from (FileCheck("ERROR", name, message) for message in found)
    if not found:
        step = f", {file.launch.batch} examples per step" if file.launch else ""
        yield FileCheck("ok", name, f"consistent with build.yml: dataset, length, tokenizer{step}")
    if not file.launch:
        message = "no comment states the batch; add one like `# 1 x 8 x 16 GPUs = 128` to the accumulation"
        yield FileCheck("note", name, message)


def _data(file: TrainingFile, build: BuildConfig) -> Iterator[str]:
    key = "base_model" if file.trainer == "axolotl" else "model_name_or_path"
    if str(build.output) not in file.datasets:
        yield f"trains on {', '.join(file.datasets) or 'no IN2 dataset'}, but build.yml writes `output: {build.output}`"
    if file.sequence_len and file.sequence_len < build.lengths.max:
        yield f"`sequence_len: {file.sequence_len}` is below build.yml's `lengths.max: {build.lengths.max}`; raise it"
    if file.base_model != build.tokenizer:
        yield f"`{key}: {file.base_model}` is not build.yml's `tokenizer: {build.tokenizer}`; make them equal"


def _step(file: TrainingFile, scripts: Sequence[Path]) -> Iterator[str]:
    launch = file.launch
    if launch is None:
        return
    product = launch.micro_batch * launch.accumulation * launch.gpus / launch.per_row
    if product != launch.batch:
        yield f"the comment says {launch}, but the product is {product:g}; correct it"
    per_row = ranks_per_row(file.cfg) * (file.cfg.tensor_parallel_size or 1)
    if per_row != launch.per_row:
        yield f"the comment says {launch}, but {per_row} GPUs share a row; correct one"
    if launch.gpus % launch.per_row:
        yield f"{launch.gpus} GPUs cannot be divided into groups of {launch.per_row} that share a row; correct one"
    keys = (file.cfg.micro_batch_size or 1, file.cfg.gradient_accumulation_steps or 1)
    if keys != (launch.micro_batch, launch.accumulation):
        yield f"the comment says {launch}, but micro-batch and accumulation are {keys[0]} and {keys[1]}; correct one"
    for script in scripts:
        for batch in BATCH.findall(script.read_text(encoding="utf-8")):
            if int(batch) != launch.batch:
                yield f"the comment says {launch}, but {script.name} has `batch={batch}`; make them equal"
