"""Preflight of an Axolotl file: reads model and data, estimates, checks.

Two doors: `preflight` takes a file, `preflight_config` what Axolotl has made of it at the start of training. Invariant:
no weight is loaded and nothing is written. Cost: 7 s of imports and 25 to 50 ms a sampled row for a file; under a
second for a configuration whose datasets are all ours.
"""

import os
from pathlib import Path
from typing import Any

from in2_plugin.errors import ConfigError, In2Error, one_line
from in2_plugin.preflight.checks import findings_of
from in2_plugin.preflight.costs import memory
from in2_plugin.preflight.estimate import estimate_run, most_answers, row_length
from in2_plugin.preflight.dataset_summary import DatasetSummary, summarize_in2, unread_summary
from in2_plugin.preflight.findings import Case, ConfigFinding
from in2_plugin.preflight.loading import choose_gpu, load_config, quiet
from in2_plugin.preflight.report import PreflightReport
from in2_plugin.preflight.training_setup import setup_of
from in2_plugin.preflight.shape import read_model
from in2_plugin.training.axolotl.args import TYPES, options_of

ROWS = 200
"""Rows that are looked at of a dataset that is not ours."""
UNSAID = ConfigFinding(
    "note",
    "gpus",
    "there is no GPU here and nothing says how many there will be, so the figures are those of one",
    "say it: `--gpus 16 --gpu A100-80G`",
)


def preflight(axolotl_file: Path, *, gpus: int | None = None, gpu: str | None = None, rows: int = ROWS) -> PreflightReport:
    """Look at an Axolotl file and everything it names.

    Args:
        gpus: how many it will run on; without it, those of this machine, or one.
        gpu: a name of `costs.GPUS`; without it, what the file says under `in2:`, what is here, or an A100-80G.
        rows: how many to look at of each dataset that is not ours.

    Raises:
        ConfigError: the file cannot be read, or Axolotl refuses it.
        MissingExtra: Axolotl is not installed.
    """
    os.environ.setdefault("AXOLOTL_DO_NOT_TRACK", "1")
    cfg = load_config(axolotl_file, gpu)
    with quiet():
        tokenizer = _tokenizer(cfg, axolotl_file)
        return preflight_config(cfg, tokenizer, gpus=gpus, gpu=gpu, rows=rows, file=str(axolotl_file))


def _tokenizer(cfg: Any, axolotl_file: Path) -> Any:
    """The tokenizer as Axolotl sets it up, chat template included."""
    from axolotl.loaders import load_tokenizer

    try:
        return load_tokenizer(cfg)
    except (OSError, ValueError) as error:
        reason = one_line(error).rstrip(".")
        raise ConfigError(f"{axolotl_file}: no tokenizer can be loaded: {reason}; correct `base_model:`") from error


def preflight_config(
    cfg: Any,
    tokenizer: Any = None,
    *,
    gpus: int | None = None,
    gpu: str | None = None,
    rows: int = 0,
    file: str = "",
) -> PreflightReport:
    """Look at a configuration that Axolotl has validated.

    Args:
        tokenizer: as Axolotl loads it; without one, templates and the tokenizers of datasets are not compared.
        rows: how many to look at of each dataset that is not ours; 0 leaves them out, and says so.
        file: where it was read from, if training does not begin now.

    Raises:
        ConfigError: the model's configuration cannot be read.
    """
    chosen = choose_gpu(gpu or options_of(cfg).gpu)
    n_gpus = gpus or _gpus_here()
    model = read_model(cfg)
    setup = setup_of(cfg, n_gpus or 1, model.adapter)
    facts, faults = _facts(cfg, tokenizer, rows)
    row = row_length(cfg, facts)
    need = memory(model.shape, setup, row, most_answers(cfg, facts, row))
    case = Case(cfg, model, setup, chosen, tuple(facts), need, tokenizer)
    findings = [*faults, *findings_of(case), *([UNSAID] if file and not n_gpus else [])]
    return PreflightReport(file, case, estimate_run(cfg, model, setup, chosen, facts), findings)


def _gpus_here() -> int:
    """Ranks of this run, or else GPUs of this machine."""
    import torch

    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    return ranks if ranks > 1 else int(torch.cuda.device_count())


def _facts(cfg: Any, tokenizer: Any, rows: int) -> tuple[list[DatasetSummary], list[ConfigFinding]]:
    """What is known of each dataset, and a finding for each that cannot be used."""
    from axolotl.utils.data.shared import datasets_with_name_generator

    facts, faults = [], []
    for entry in datasets_with_name_generator(cfg.datasets or []):
        try:
            facts.append(_facts_of(entry, cfg, tokenizer, rows))
        except In2Error as error:
            what, _, remedy = str(error).removeprefix(f"{entry.path}: ").rpartition("; ")
            faults.append(ConfigFinding("error", str(entry.path), what or remedy, remedy if what else "correct its entry"))
    return facts, faults


def _facts_of(entry: Any, cfg: Any, tokenizer: Any, rows: int) -> DatasetSummary:
    if entry.type in TYPES:
        if tokenizer is not None:
            _refuse_mismatch(entry, tokenizer)
        return summarize_in2(entry, cfg.sequence_len)
    if not rows or tokenizer is None:
        return unread_summary(entry, "it takes seconds to tokenise a sample")
    from in2_plugin.preflight.sampling import summarize_sample

    return summarize_sample(entry, cfg, tokenizer, rows)


def _refuse_mismatch(entry: Any, tokenizer: Any) -> None:
    """Raise for a dataset that was built for another tokenizer or template."""
    from in2_plugin.corpus.tokenizer import ModelTokenizer
    from in2_plugin.dataset.reader import IN2Dataset

    IN2Dataset(entry.path, ModelTokenizer(tokenizer))
