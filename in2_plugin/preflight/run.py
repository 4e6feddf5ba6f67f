"""Run preflight on an Axolotl config: read model and data, estimate costs, run the checks.

`preflight` takes a file; `preflight_config` takes the config that Axolotl has validated at the start of training.
Invariant: no weight is loaded and nothing is written. Cost: 7 s of imports and 25 to 50 ms per sampled row for a file;
under a second for a config with only IN2 datasets.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from in2_plugin.errors import ConfigError, In2Error, one_line
from in2_plugin.preflight.checks import findings_of
from in2_plugin.preflight.costs import PROCESS, Gpu, memory
from in2_plugin.preflight.dataset_summary import DatasetSummary, summarize_in2, unread_summary
from in2_plugin.preflight.estimate import estimate_run, most_answers, row_length
from in2_plugin.preflight.findings import Case, ConfigFinding
from in2_plugin.preflight.loading import choose_gpu, load_config, quiet
from in2_plugin.preflight.prompts.report import PromptReport
from in2_plugin.preflight.report import PreflightReport
from in2_plugin.preflight.shape import Model, read_model
from in2_plugin.preflight.teacher.checks import find_teachers
from in2_plugin.preflight.teacher.cost import teacher_cost, with_teacher
from in2_plugin.preflight.training_setup import setup_of
from in2_plugin.training.axolotl.args import IN2Options, options_of
from in2_plugin.training.axolotl.plugins import TYPES, in2_entries, trains_on_prompts
from in2_plugin.training.distillation.teachers import Teacher

ROWS = 200
"""Rows to sample from each dataset of another type."""
ONE_GPU_ASSUMED = ConfigFinding(
    "note",
    "gpus",
    "this machine has no GPU and `--gpus` is not set, so the figures assume one GPU",
    "set the number and type, e.g. `--gpus 16 --gpu A100-80G`",
)

CPU_ASSUMED = ConfigFinding(
    "note",
    "gpu",
    "this machine has no GPU and the config computes in float32, so the figures are for the CPU of this machine",
    "set the GPU to train on, e.g. `--gpu A100-80G`, unless it is this CPU",
)


def preflight(
    axolotl_file: Path, *, gpus: int | None = None, gpu: str | None = None, rows: int = ROWS
) -> PreflightReport | PromptReport:
    """Check an Axolotl config and estimate its costs; those of `rl: grpo` are not estimated.

    Args:
        gpus: number of GPUs; default: the GPUs of this machine, or one.
        gpu: a name in `costs.GPUS`, or `CPU`; default: the name under `in2:`, or as in `choose_gpu`.
        rows: rows to sample from each dataset of another type.

    Raises:
        ConfigError: the file cannot be read, or Axolotl rejects it.
        MissingExtra: Axolotl is not installed.
    """
    os.environ.setdefault("AXOLOTL_DO_NOT_TRACK", "1")
    cfg = load_config(axolotl_file, gpu)
    with quiet():
        tokenizer = _tokenizer(cfg, axolotl_file)
        if any(in2_entries(cfg)) and trains_on_prompts(cfg):
            return _preflight_prompts(cfg, tokenizer, str(axolotl_file))
        return preflight_config(cfg, tokenizer, gpus=gpus, gpu=gpu, rows=rows, file=str(axolotl_file))


def _preflight_prompts(cfg: Any, tokenizer: Any, file: str) -> PromptReport:
    from in2_plugin.preflight.prompts.checks import report_prompts
    from in2_plugin.training.axolotl.prompts import choose_axolotl_prompts

    return report_prompts(cfg, choose_axolotl_prompts(cfg, tokenizer), file)


def _tokenizer(cfg: Any, axolotl_file: Path) -> Any:
    """Load the tokenizer as Axolotl configures it, chat template included."""
    from axolotl.loaders import load_tokenizer

    try:
        return load_tokenizer(cfg)
    except (OSError, ValueError) as error:
        reason = one_line(error).rstrip(".")
        raise ConfigError(f"{axolotl_file}: cannot load the tokenizer: {reason}; correct `base_model:`") from error


def preflight_config(
    cfg: Any,
    tokenizer: Any = None,
    *,
    gpus: int | None = None,
    gpu: str | None = None,
    rows: int = 0,
    file: str = "",
) -> PreflightReport:
    """Check a config that Axolotl has validated and estimate its costs.

    Args:
        tokenizer: as Axolotl loads it; without one, chat templates and tokenizers are not compared.
        rows: rows to sample from each dataset of another type; with 0 they are not checked, and a note says so.
        file: path of the config, unless training is about to start.

    Raises:
        ConfigError: the model config cannot be read.
    """
    named, n_gpus = gpu or options_of(cfg).gpu, gpus or _gpus_here()
    model = read_model(cfg)
    setup = setup_of(cfg, n_gpus or 1, model.adapter)
    chosen = choose_gpu(named, half=setup.compute_bytes == 2, starts=not file)
    datasets, errors = _summaries(cfg, tokenizer, rows)
    row = row_length(cfg, datasets)
    answers = most_answers(cfg, datasets, row)
    need = memory(model.shape, setup, row, answers)
    if chosen.is_cpu:
        need = replace(need, other=PROCESS)
    options, run = options_of(cfg), estimate_run(cfg, model, setup, chosen, datasets)
    teachers, missing = _teachers(cfg, options, model, errors)
    teacher = None
    if teachers:
        need = with_teacher(need, teachers, model.shape, setup, answers)
        teacher = teacher_cost(teachers, options.distillation, model.shape, setup, chosen, datasets, run)
        run = run and replace(run, seconds=run.seconds + (teacher.seconds or 0))
    case = Case(cfg, model, setup, chosen, tuple(datasets), need, tokenizer)
    # when training starts, opening the datasets says what is missing
    findings = [*errors, *(missing if file else []), *findings_of(case), *_assumed(chosen, named, n_gpus, file)]
    return PreflightReport(file, case, run, findings, teacher)


def _teachers(
    cfg: Any, options: IN2Options, model: Model, errors: Sequence[ConfigFinding]
) -> tuple[Sequence[Teacher], list[ConfigFinding]]:
    """Return what `find_teachers` returns, if a run needs teachers and its datasets can be read."""
    return ([], []) if options.objective == "answer" or errors else find_teachers(cfg, options, model)


def _assumed(gpu: Gpu, named: str | None, n_gpus: int, file: str) -> list[ConfigFinding]:
    """Return the note on a GPU or CPU that nobody has named."""
    if not file or n_gpus or (named and gpu.is_cpu):
        return []
    return [CPU_ASSUMED if gpu.is_cpu else ONE_GPU_ASSUMED]


def _gpus_here() -> int:
    """Return the ranks of this run, or else the GPUs of this machine."""
    import torch

    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    return ranks if ranks > 1 else int(torch.cuda.device_count())


def _summaries(cfg: Any, tokenizer: Any, rows: int) -> tuple[list[DatasetSummary], list[ConfigFinding]]:
    """Return the summary of each dataset, and a finding for each dataset that cannot be used."""
    from axolotl.utils.data.shared import datasets_with_name_generator

    summaries, errors = [], []
    for entry in datasets_with_name_generator(cfg.datasets or []):
        try:
            summaries.append(_summarize(entry, cfg, tokenizer, rows))
        except In2Error as error:
            what, _, remedy = str(error).removeprefix(f"{entry.path}: ").rpartition("; ")
            remedy = remedy if what else "correct its entry"
            errors.append(ConfigFinding("error", str(entry.path), what or str(error), remedy))
    return summaries, errors


def _summarize(entry: Any, cfg: Any, tokenizer: Any, rows: int) -> DatasetSummary:
    if entry.type in TYPES:
        from in2_plugin.training.axolotl.format import require_revision

        if tokenizer is not None:
            _refuse_mismatch(entry, tokenizer)
        require_revision(cfg, entry)
        return summarize_in2(entry, cfg.sequence_len)
    if not rows or tokenizer is None:
        return unread_summary(entry, "tokenizing a sample takes seconds")
    from in2_plugin.preflight.sampling import summarize_sample

    return summarize_sample(entry, cfg, tokenizer, rows)


def _refuse_mismatch(entry: Any, tokenizer: Any) -> None:
    """Raise for a dataset that was built for another tokenizer or chat template."""
    from in2_plugin.corpus.tokenizer import ModelTokenizer
    from in2_plugin.dataset.reader import IN2Dataset

    IN2Dataset(entry.path, ModelTokenizer(tokenizer)).require_stored_ids()
